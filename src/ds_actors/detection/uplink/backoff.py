"""The uplink's wait before it connects again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from ds_actors._backoff import ExponentialBackoff, Failure
from ds_actors.detection.errors import Refused, Unreachable
from ds_actors.detection.uplink.close_reasons import RETRY_AFTER_LIMIT, leaves

_ORDINARY: Final = ExponentialBackoff(base=0.5, cap=15.0)
_REFUSED: Final = ExponentialBackoff(base=30.0, cap=300.0)


@frozen
class UplinkBackoff:
    """The uplink's delays; each kind of failure is counted separately.

    Unreachable and everything else: full jitter, base 0.5 s, cap 15 s, and at least the wait the service asked for.
    Refused: 30 s x (0.8 to 1.2), doubling to 5 min at most.
    """

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return the seconds to wait, given the consecutive failures (oldest first, never empty) and u in [0, 1)."""
        refusals = sum(_refused(failure) for failure in failures)
        if _refused(failures[-1]):
            return min(_REFUSED.cap, _REFUSED.ceiling(refusals) * (0.8 + 0.4 * u))
        jittered = u * _ORDINARY.ceiling(len(failures) - refusals)
        asked = max((_asked(error) for error in _errors(failures[-1])), default=0.0)
        return min(RETRY_AFTER_LIMIT, asked + jittered)


def _errors(failure: Failure) -> Iterator[BaseException]:
    return iter(()) if failure.error is None else leaves(failure.error)


def _refused(failure: Failure) -> bool:
    return any(isinstance(error, Refused) for error in _errors(failure))


def _asked(error: BaseException) -> float:
    return error.retry_after or 0.0 if isinstance(error, Unreachable) else 0.0
