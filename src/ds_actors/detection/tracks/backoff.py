"""When a crashed track is restarted, and when it counts as failing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from attrs import define

from ds_actors._backoff import MAX_FAILURES_KEPT, ExponentialBackoff, Failure

FAILING_CRASHES: Final = 5
FAILING_WITHIN: Final = 60.0
FAILING_RETRY: Final = 60.0


@define(eq=False)
class TrackBackoff:
    """The delays of one track's restarts; it alone decides whether the track is failing.

    Full jitter, 0.5 to 30 s. After five crashes within 60 s the track is failing: it is tried every 60 s until one
    incarnation has sent a sample. The registry keeps this object, so it outlives the tracks' supervisor too.
    """

    failing: bool = False
    _ordinary: ClassVar[ExponentialBackoff] = ExponentialBackoff(base=0.5, cap=30.0)

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return the delay in seconds."""
        self.failing = self.failing or is_failing(failures)
        return FAILING_RETRY if self.failing else self._ordinary.delay(failures, u)

    def sample_sent(self) -> None:
        """Record that an incarnation has sent a sample, which ends the failing."""
        self.failing = False


def is_failing(failures: Sequence[Failure]) -> bool:
    """Return True from the fifth crash within 60 s until an incarnation was healthy.

    Also when no kept failure was healthy: the five in a row may be older than those.
    """
    times: list[float] = []
    failing = False
    for failure in failures:
        if failure.healthy:
            times.clear()
            failing = False
        times.append(failure.at)
        failing = failing or (len(times) >= FAILING_CRASHES and failure.at - times[-FAILING_CRASHES] <= FAILING_WITHIN)
    return failing or (len(failures) >= MAX_FAILURES_KEPT and not any(failure.healthy for failure in failures))
