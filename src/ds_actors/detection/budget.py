"""Budgets of samples: the rates, and the token buckets that enforce them. Pure.

A budget fills over time, holds at most what `burst_seconds` bring, and is full at the start. So in any window of
W seconds at most (W + burst_seconds) x rate is spent. A sample's bytes are known only once it is made: `sample_bytes`
are set aside for it before, and what it took more or less is settled when it was sent: a window's bytes may exceed
theirs by what one sample takes beyond `sample_bytes`.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field, frozen

_TOLERANCE: Final = 1e-9
"""Samples, and seconds: absorbs the rounding of binary fractions, so that an accrued sample counts as a whole one."""


@frozen
class Budget:
    """The rates that may be spent; set at least one of the two.

    Args:
        samples_per_minute: samples per minute.
        bytes_per_second: bytes of encoded samples per second.
        burst_seconds: how long the budget accumulates while less is spent.
        sample_bytes: bytes reserved for a sample before its size is known.

    Raises:
        ValueError: a figure is not finite and above 0 (the error names it), or the budget can never hold one sample.
    """

    samples_per_minute: float | None = None
    bytes_per_second: float | None = None
    burst_seconds: float = 60.0
    sample_bytes: int = 100_000

    def __attrs_post_init__(self) -> None:
        if self.samples_per_minute is None and self.bytes_per_second is None:
            raise ValueError("a budget needs samples_per_minute, bytes_per_second or both")
        for name in ("samples_per_minute", "bytes_per_second", "burst_seconds", "sample_bytes"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"{name} must be a finite number above 0, not {value!r}")
        per_minute = self.samples_per_minute
        if per_minute is not None and per_minute / 60 * self.burst_seconds < 1 - _TOLERANCE:
            raise ValueError(
                f"{per_minute:g} samples per minute never make one sample within burst_seconds"
                f" ({self.burst_seconds:g}); make burst_seconds {60 / per_minute:g} at least"
            )
        if (self.bytes_per_second or math.inf) * self.burst_seconds < self.sample_bytes:
            raise ValueError(
                f"{self.bytes_per_second:g} bytes per second never make sample_bytes ({self.sample_bytes}) within"
                f" burst_seconds ({self.burst_seconds:g}); make one of the three larger"
            )

    @property
    def fps(self) -> float:
        """The samples per second that the budget allows, of `sample_bytes` each."""
        by_count = math.inf if self.samples_per_minute is None else self.samples_per_minute / 60
        by_bytes = math.inf if self.bytes_per_second is None else self.bytes_per_second / self.sample_bytes
        return min(by_count, by_bytes)


@define
class TokenBuckets:
    """A budget that fills and is spent: reserve for a sample, then settle it or give the reservation back.

    Args:
        budget: the rates.
        since: when it began to fill from empty; None begins full.
    """

    budget: Budget
    since: float | None = None
    _samples: float = field(default=math.inf, init=False)
    _bytes: float = field(default=math.inf, init=False)
    """Below 0 after a sample that was larger than its reservation."""
    _at: float = field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        if self.since is not None:
            self._samples = self._bytes = 0.0
            self._at = self.since

    def ready_at(self, now: float) -> float:
        """Return when the next sample is affordable: `now`, or later."""
        self._fill(now)
        budget = self.budget
        wait = 0.0
        if budget.samples_per_minute is not None:
            wait = (1 - self._samples) * 60 / budget.samples_per_minute
        if budget.bytes_per_second is not None:
            wait = max(wait, (budget.sample_bytes - self._bytes) / budget.bytes_per_second)
        return now + wait if wait > _TOLERANCE else now

    def reserve(self, now: float) -> None:
        """Reserve one sample."""
        self._fill(now)
        self._samples -= 1
        self._bytes -= self.budget.sample_bytes

    def give_back(self) -> None:
        """Return a reservation whose sample was not sent."""
        self._samples += 1
        self._bytes += self.budget.sample_bytes

    def settle(self, size: int) -> None:
        """Settle a reservation with the bytes that the sent sample took."""
        self._bytes += self.budget.sample_bytes - size

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self._at)  # a clock may go back
        self._at = max(self._at, now)
        budget = self.budget
        if budget.samples_per_minute is not None:
            rate = budget.samples_per_minute / 60
            self._samples = min(self._samples + passed * rate, rate * budget.burst_seconds)
        if budget.bytes_per_second is not None:
            rate = budget.bytes_per_second
            self._bytes = min(self._bytes + passed * rate, rate * budget.burst_seconds)
