"""When a track is failing, and until when."""

from __future__ import annotations

from ds_actors._backoff import Failure
from ds_actors.detection.tracks.backoff import FAILING_RETRY, TrackBackoff


def failures(count: int) -> list[Failure]:
    return [Failure(ValueError("no"), float(number), 0.5, healthy=False) for number in range(count)]


def test_a_track_is_failing_from_its_fifth_crash_until_it_has_sent_a_sample() -> None:
    """Also when its supervisor was started anew meanwhile, and knows of one crash only."""
    backoff = TrackBackoff()
    assert (backoff.delay(failures(4), 0.0), backoff.failing) == (0.0, False)
    assert (backoff.delay(failures(5), 0.0), backoff.failing) == (FAILING_RETRY, True)
    assert (backoff.delay(failures(1), 0.0), backoff.failing) == (FAILING_RETRY, True)
    backoff.sample_sent()
    assert (backoff.delay(failures(1), 0.0), backoff.failing) == (0.0, False)
