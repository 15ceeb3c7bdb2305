"""The edges of each coverage; their order is tested with the assessments."""

from __future__ import annotations

import pytest

from ds_actors.detection.coverage import Coverage, Facts, coverage


def test_a_track_that_nobody_subscribed_to_is_that_ten_seconds_after_it_was_published() -> None:
    """Counted from its publication, whenever that was."""
    facts = Facts(subscribed=False, published_at=100.0)
    assert coverage(facts, 109.9) is Coverage.WAITING
    assert coverage(facts, 110.0) is Coverage.NOT_SUBSCRIBED


@pytest.mark.parametrize(("rate", "seconds"), [(1.0, 15.0), (0.2, 15.0), (0.1, 30.0), (0.01, 300.0)])
def test_a_track_is_stale_after_three_intervals_and_15_seconds_at_least(rate: float, seconds: float) -> None:
    """The verdict counts until then, and not at that moment."""
    facts = Facts(last_result=50.0, last_verdict=50.0, rate=rate)
    assert coverage(facts, 50.0 + seconds - 0.1) is Coverage.CHECKED
    assert coverage(facts, 50.0 + seconds) is Coverage.STALE


def test_at_no_rate_nothing_is_ever_stale_or_unjudged() -> None:
    """A policy that promises nothing breaks no promise."""
    assert coverage(Facts(due_since=0.0, rate=0.0), 1e9) is Coverage.WAITING
    assert coverage(Facts(last_result=1.0, last_verdict=1.0, rate=0.0), 1e9) is Coverage.CHECKED


def test_a_verdict_from_before_a_mute_does_not_count_for_longer() -> None:
    """The mute restarts the clock of what is stale, not that of what was checked."""
    facts = Facts(last_result=10.0, last_verdict=10.0, due_since=30.0)
    assert coverage(facts, 31.0) is Coverage.WAITING
    assert coverage(facts, 25.0) is Coverage.WAITING
    assert coverage(facts, 24.9) is Coverage.CHECKED


def test_a_track_is_blind_unless_it_is_muted_waiting_or_checked() -> None:
    """A mute is the participant's own, and waiting helps a track that waits."""
    not_blind = {found for found in Coverage if not found.is_blind}
    assert not_blind == {Coverage.MUTED, Coverage.WAITING, Coverage.CHECKED}
