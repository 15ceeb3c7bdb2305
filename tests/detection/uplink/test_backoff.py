"""How long the uplink waits before it connects again."""

from __future__ import annotations

from ds_actors._backoff import Failure
from ds_actors.detection.errors import Refused, Unreachable
from ds_actors.detection.uplink.backoff import UplinkBackoff


def failure(error: BaseException | None) -> Failure:
    return Failure(error=error, at=0.0, lived=0.0, healthy=False)


def test_unreachable_waits_with_full_jitter() -> None:
    """Base 0.5 s, cap 15 s."""
    backoff = UplinkBackoff()
    failures = [failure(OSError())] * 9
    assert [backoff.delay(failures[:n], 0.5) for n in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert backoff.delay(failures, 0.5) == 7.5
    assert backoff.delay([failure(None)], 0.0) == 0.0
    assert backoff.delay([failure(None)], 0.5) == 0.25


def test_refusals_and_outages_are_counted_apart() -> None:
    """After an outage a refused key is tried again in 30 s, and an outage after a refusal begins anew."""
    backoff = UplinkBackoff()
    refused, lost = failure(Refused("no")), failure(Unreachable("gone"))
    assert backoff.delay([lost, lost, refused], 0.5) == 30.0
    assert backoff.delay([refused, refused, lost], 0.5) == 0.25


def test_refused_is_probed_rarely() -> None:
    """30 s x (0.8 to 1.2), doubling, 5 min at most, also when the refusal comes inside a group."""
    backoff = UplinkBackoff()
    refused = failure(ExceptionGroup("tasks", [ValueError(), ExceptionGroup("", [Refused("no")])]))
    assert backoff.delay([refused], 0.0) == 24.0
    assert backoff.delay([refused], 0.5) == 30.0
    assert backoff.delay([refused] * 2, 0.5) == 60.0
    assert backoff.delay([refused] * 9, 0.999) == 300.0


def test_retry_after_is_the_least_wait() -> None:
    """What the service asked for, and the jitter on top, so that not everybody comes back at once."""
    backoff = UplinkBackoff()
    assert backoff.delay([failure(Unreachable("429", 60.0))], 0.0) == 60.0
    assert backoff.delay([failure(Unreachable("429", 60.0))], 0.5) == 60.25
    assert backoff.delay([failure(Unreachable("429", 300.0))], 0.9) == 300.0
    assert backoff.delay([failure(Unreachable("429", 60.0)), failure(OSError())], 0.0) == 0.0
