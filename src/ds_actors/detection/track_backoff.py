"""When a crashed track is tried again, and when it counts as failing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ds_actors._backoff import MAX_FAILURES_KEPT, ExponentialBackoff, Failure

FAILING_CRASHES: Final = 5
FAILING_WITHIN: Final = 60.0
FAILING_RETRY: Final = 60.0


class TrackBackoff:
    """Full jitter, 0.5 to 30 s; five crashes within 60 s, and it is tried every 60 s until a sample was sent."""

    _ordinary = ExponentialBackoff(base=0.5, cap=30.0)

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return the seconds to wait."""
        return FAILING_RETRY if is_failing(failures) else self._ordinary.delay(failures, u)


def is_failing(failures: Sequence[Failure]) -> bool:
    """True from the fifth crash within 60 s until an incarnation was healthy.

    Also when as many failures as are kept had no healthy one among them: the five may be the older ones.
    """
    times: list[float] = []
    failing = False
    for failure in failures:
        if failure.healthy:
            times.clear()
            failing = False
        times.append(failure.at)
        failing = failing or (len(times) >= FAILING_CRASHES and failure.at - times[-FAILING_CRASHES] <= FAILING_WITHIN)
    return failing or (len(failures) >= MAX_FAILURES_KEPT and not any(one.healthy for one in failures))
