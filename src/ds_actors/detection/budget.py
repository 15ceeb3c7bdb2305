"""What may be spent on samples: figures, and the token buckets that hold somebody to them. Pure.

A budget fills as time passes, holds what `burst_seconds` bring at most, and is full at the start. So in any window of
W seconds at most (W + burst_seconds) x rate is spent. A sample's bytes are known only once it is made: `sample_bytes`
are set aside for it before, and what it took more or less is settled when it was sent: a window's bytes may exceed
theirs by what one sample takes beyond `sample_bytes`.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field, frozen

_TOLERANCE: Final = 1e-9
"""So that what has accrued for one sample is one sample, also in binary fractions."""


@frozen
class Budget:
    """How much may be spent; at least one of the two rates.

    Args:
        samples_per_minute: samples.
        bytes_per_second: bytes of encoded samples.
        burst_seconds: how long the budget saves up while less is spent.
        sample_bytes: what is set aside for a sample before its size is known.

    Raises:
        ValueError: naming it, for a figure that is not finite and above 0, or a budget that can never hold one sample.
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
        if (self.samples_per_minute or math.inf) / 60 * self.burst_seconds < 1 - _TOLERANCE:
            raise ValueError(
                f"{self.samples_per_minute:g} samples a minute never make one sample within burst_seconds"
                f" ({self.burst_seconds:g}); make burst_seconds {60 / (self.samples_per_minute or 1):g} at least"
            )
        if (self.bytes_per_second or math.inf) * self.burst_seconds < self.sample_bytes:
            raise ValueError(
                f"{self.bytes_per_second:g} bytes a second never make sample_bytes ({self.sample_bytes}) within"
                f" burst_seconds ({self.burst_seconds:g}); make one of the three larger"
            )

    @property
    def fps(self) -> float:
        """Samples a second that it lasts for, samples of `sample_bytes` each."""
        by_count = math.inf if self.samples_per_minute is None else self.samples_per_minute / 60
        by_bytes = math.inf if self.bytes_per_second is None else self.bytes_per_second / self.sample_bytes
        return min(by_count, by_bytes)


@define
class TokenBuckets:
    """A budget that fills and is spent: reserve for a sample, then settle it or give the reservation back.

    Args:
        budget: what it is held to.
        since: when it began to fill, empty; None begins full.
    """

    budget: Budget
    since: float | None = None
    _samples: float = field(default=math.inf, init=False)
    _bytes: float = field(default=math.inf, init=False)
    """Below 0 after a sample that was larger than what was set aside."""
    _at: float = field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        if self.since is not None:
            self._samples = self._bytes = 0.0
            self._at = self.since
        self._cap()

    def ready_at(self, now: float) -> float:
        """Return when the next sample is affordable: `now`, or later."""
        self._fill(now)
        budget = self.budget
        wait = 0.0
        if budget.samples_per_minute is not None and self._samples < 1 - _TOLERANCE:
            wait = (1 - self._samples) * 60 / budget.samples_per_minute
        if budget.bytes_per_second is not None and self._bytes < budget.sample_bytes * (1 - _TOLERANCE):
            wait = max(wait, (budget.sample_bytes - self._bytes) / budget.bytes_per_second)
        return now + wait

    def reserve(self, now: float) -> None:
        """Set aside what one sample is reckoned at."""
        self._fill(now)
        self._samples -= 1
        self._bytes -= self.budget.sample_bytes

    def give_back(self) -> None:
        """Take a reservation back: its sample was not sent."""
        self._samples += 1
        self._bytes += self.budget.sample_bytes
        self._cap()

    def settle(self, size: int) -> None:
        """Pay what a sent sample took, in bytes, out of what was set aside for it."""
        self._bytes += self.budget.sample_bytes - size
        self._cap()

    def _fill(self, now: float) -> None:
        passed = now - self._at
        if passed <= 0 or self._at == -math.inf:
            self._at = max(self._at, now)
            return
        self._at = now
        budget = self.budget
        if budget.samples_per_minute is not None:
            self._samples += passed * budget.samples_per_minute / 60
        if budget.bytes_per_second is not None:
            self._bytes += passed * budget.bytes_per_second
        self._cap()

    def _cap(self) -> None:
        budget = self.budget
        if budget.samples_per_minute is not None:
            self._samples = min(self._samples, budget.samples_per_minute / 60 * budget.burst_seconds)
        if budget.bytes_per_second is not None:
            self._bytes = min(self._bytes, budget.bytes_per_second * budget.burst_seconds)
