"""When a track is failing, and until when."""

from __future__ import annotations

import pytest

from ds_actors._backoff import MAX_FAILURES_KEPT, Failure
from ds_actors.detection.tracks.backoff import FAILING_RETRY, TrackBackoff, is_failing


def crashes(*times: float, healthy: int | None = None) -> list[Failure]:
    """Return crashes at those times; the incarnation that ended with one of them may have been healthy."""
    return [Failure(ValueError("no"), at, 0.5, healthy=number == healthy) for number, at in enumerate(times)]


def failures(count: int) -> list[Failure]:
    return crashes(*map(float, range(count)))


@pytest.mark.parametrize(
    ("history", "failing"),
    [
        (crashes(100, 110, 120, 130, 160), True),
        (crashes(100, 110, 120, 130, 160.1), False),
        (crashes(100, 300, 310, 320, 330, 340, 900), True),
        (crashes(100, 110, 120, 130, 140, healthy=1), False),
        (crashes(100, 110, 120, 130, 140, 150, healthy=1), True),
        (crashes(100, 110, 120, 130, 140, 150, healthy=5), False),
    ],
)
def test_five_crashes_within_a_minute_fail_a_track_until_an_incarnation_was_healthy(
    history: list[Failure], failing: bool
) -> None:
    """The minute includes its end; what was before the healthy one does not count any more."""
    assert is_failing(history) is failing


def test_a_track_whose_whole_kept_history_is_unhealthy_is_failing() -> None:
    """However slowly it crashes: the five within a minute may be older than what is kept."""
    rare = [100.0 * number for number in range(MAX_FAILURES_KEPT)]
    assert is_failing(crashes(*rare))
    assert not is_failing(crashes(*rare[1:]))
    assert not is_failing(crashes(*rare, healthy=3))


def test_a_track_is_failing_from_its_fifth_crash_until_it_has_sent_a_sample() -> None:
    """Also when its supervisor was started anew meanwhile, and knows of one crash only."""
    backoff = TrackBackoff()
    assert (backoff.delay(failures(4), 0.0), backoff.failing) == (0.0, False)
    assert (backoff.delay(failures(5), 0.0), backoff.failing) == (FAILING_RETRY, True)
    assert (backoff.delay(failures(1), 0.0), backoff.failing) == (FAILING_RETRY, True)
    backoff.sample_sent()
    assert (backoff.delay(failures(1), 0.0), backoff.failing) == (0.0, False)
