"""How long a child waits before it is started again.

Pure: the failures and the random number are arguments, so that a test can state the delay exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, cast

from attrs import field, frozen

MAX_FAILURES_KEPT = 32
"""How many consecutive failures a supervisor remembers of one child."""


@frozen
class Failure:
    """One incarnation that failed, as its supervisor remembers it."""

    error: BaseException | None
    """What escaped the incarnation or its start; None when a permanent child simply finished.

    Only the newest failure's error has its traceback.
    """
    at: float
    """When it ended, on trio's clock (seconds)."""
    lived: float
    """Seconds from ready to the end; 0.0 when it never became ready."""
    healthy: bool
    """False while an incarnation that called `Context.mark_unproven` had not yet called `Context.mark_healthy`."""


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error and of all that led to it: they keep every frame's local variables alive."""
    known: set[int] = set()
    errors = [error]
    while errors:
        error = errors.pop()
        if error is None or id(error) in known:
            continue
        known.add(id(error))
        error.__traceback__ = None
        errors += (error.__cause__, error.__context__)
        if isinstance(error, BaseExceptionGroup):
            errors += cast("BaseExceptionGroup[BaseException]", error).exceptions


class Backoff(Protocol):
    """What decides the delay before a restart; any object with this method is one."""

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return the seconds to wait, given the consecutive failures (oldest first, never empty) and u in [0, 1)."""
        ...


def _positive(_instance: object, attribute: object, value: float) -> None:
    name = getattr(attribute, "name", "value")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number of seconds above 0, not {value!r}")


@frozen
class ExponentialBackoff:
    """Full jitter under a ceiling that doubles: delay = u * min(cap, base * 2**(n - 1)) after n failures.

    Source: "Exponential Backoff And Jitter" (AWS Architecture Blog), the variant called full jitter.

    Raises:
        ValueError: when base or cap is not a finite number above 0, or cap is below base.
    """

    base: float = field(default=0.5, validator=_positive)
    """Ceiling of the first delay, in seconds."""
    cap: float = field(default=30.0, validator=_positive)
    """Ceiling of every delay, in seconds."""

    def __attrs_post_init__(self) -> None:
        if self.cap < self.base:
            raise ValueError(f"cap ({self.cap!r}) must not be below base ({self.base!r})")

    def ceiling(self, count: int) -> float:
        """Return the longest delay, in seconds, after `count` consecutive failures (1 or more)."""
        # ldexp instead of 2**n: the exponent may be large, the product must not overflow into an error.
        doublings = min(count - 1, 1000)
        try:
            return min(self.cap, math.ldexp(self.base, doublings))
        except OverflowError:
            return self.cap

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return u times the ceiling for as many failures as there are."""
        return u * self.ceiling(len(failures))
