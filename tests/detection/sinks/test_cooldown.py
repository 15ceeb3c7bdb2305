"""How often a receiver is told the same level of a participant: examples, in the order of a call."""

from __future__ import annotations

import pytest

from ds_actors.detection import ResultEvent, ResultType
from ds_actors.detection.sinks._cooldown import LevelCooldown


def result(kind: ResultType, participant: str = "alice", track: str = "TR_1") -> ResultEvent:
    return ResultEvent(kind, participant, track, "", 0)


ALERT, SUSPICIOUS, CLEAR = (result(kind) for kind in (ResultType.ALERT, ResultType.SUSPICIOUS, ResultType.CLEAR))


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_the_same_level_passes_again_when_the_cooldown_is_over(seconds: float) -> None:
    """Of that participant; another one's is told at once."""
    cooldown = LevelCooldown(seconds)
    assert cooldown.passes(ALERT, 100.0)
    cooldown.delivered(ALERT, 100.0)
    assert not cooldown.passes(result(ResultType.ALERT, track="TR_2"), 100.0 + seconds / 2)
    assert cooldown.passes(result(ResultType.ALERT, "bob"), 100.0)
    assert cooldown.passes(ALERT, 100.0 + seconds)


def test_an_escalation_passes_and_so_does_a_level_that_was_not_told_yet() -> None:
    """A level that was told waits, unless what was told last is below it."""
    cooldown = LevelCooldown(60.0)
    for at, event in enumerate((SUSPICIOUS, ALERT, CLEAR)):
        assert cooldown.passes(event, float(at))
        cooldown.delivered(event, float(at))
    assert not cooldown.passes(CLEAR, 3.0)
    assert cooldown.passes(ALERT, 3.0)
    cooldown.delivered(ALERT, 3.0)
    assert not cooldown.passes(SUSPICIOUS, 4.0)
    assert not cooldown.passes(CLEAR, 4.0)


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_an_event_on_its_way_holds_back_its_participant_and_level_until_it_ends(seconds: float) -> None:
    """Whatever became of it; after a crash nothing is on its way."""
    cooldown = LevelCooldown(seconds)
    cooldown.begins(ALERT)
    assert not cooldown.passes(ALERT, 0.0)
    assert cooldown.passes(SUSPICIOUS, 0.0)
    assert cooldown.passes(result(ResultType.ALERT, "bob"), 0.0)
    cooldown.ends(ALERT)
    assert cooldown.passes(ALERT, 0.0)
    cooldown.begins(ALERT)
    cooldown.nothing_is_on_its_way()
    assert cooldown.passes(ALERT, 0.0)


def test_without_a_cooldown_nothing_is_held_back_or_kept() -> None:
    """Not even what is on its way."""
    cooldown = LevelCooldown()
    cooldown.begins(ALERT)
    cooldown.delivered(ALERT, 5.0)
    assert cooldown.passes(ALERT, 5.0)
    assert len(cooldown) == 0


def test_a_participant_is_forgotten_a_cooldown_after_the_last_notification() -> None:
    """Those told again meanwhile stay."""
    cooldown = LevelCooldown(60.0)
    for participant, at in (("alice", 0.0), ("bob", 1.0), ("alice", 50.0), ("carol", 61.0)):
        cooldown.delivered(result(ResultType.ALERT, participant), at)
    assert len(cooldown) == 2
    assert not cooldown.passes(ALERT, 61.0)
