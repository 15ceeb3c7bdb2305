"""The simulated service: which entry of the script decides, which faults are in force, what came of a manipulation."""

from __future__ import annotations

import math

import pytest

from ds_actors.detection.events import Level
from ds_actors.sandbox import parse_script
from ds_actors.sandbox.faults import Drop, Garbage, Silence, Slow, TimedFault
from ds_actors.sandbox.script import Script, TimedVerdict
from ds_actors.simulation import Detection
from ds_actors.simulation.service import Manipulation, PaperService, Rule, moments, rules_for

CLEAR, SUSPICIOUS, ALERT = Level.CLEAR, Level.SUSPICIOUS, Level.ALERT


def scripted(*verdicts: TimedVerdict, default: Level | None = None) -> Script:
    return Script(verdicts, default=default)


def spans(rules: list[Rule]) -> list[tuple[float, float] | None]:
    """Return the bounds of each rule's manipulation."""
    return [None if rule.manipulation is None else (rule.manipulation.begins, rule.manipulation.ends) for rule in rules]


def test_a_detection_is_counted_from_the_manipulations_own_times() -> None:
    """Found and alarmed since it began, cleared since it ended; what did not happen is None."""
    assert Manipulation("t", 10.0, 20.0).detection() == Detection("t", 10.0, None, None, None)
    assert Manipulation("t", 10.0, 20.0, 11.0, 13.0, 26.0).detection() == Detection("t", 10.0, 1.0, 3.0, 6.0)


def test_the_rules_of_a_track_are_those_that_name_it_or_no_track_the_last_first() -> None:
    """As in the file, where the last entry that matches decides."""
    entries = [
        TimedVerdict(CLEAR, 50.0),
        TimedVerdict(ALERT, 1.0, 2.0, participant="p2"),
        TimedVerdict(CLEAR, 3.0, participant="p1", track="a"),
        TimedVerdict(CLEAR, 4.0, participant="p1", track="b"),
        TimedVerdict(None, 2.0, track="a"),
    ]
    rules = rules_for(scripted(*entries), "p1", "a")
    assert [rule.verdict for rule in rules] == [entries[4], entries[2], entries[0]]
    assert spans(rules) == [None, None, None]


def test_elevated_entries_that_follow_each_other_are_one_manipulation() -> None:
    """Their order in the file does not matter; a gap or a clear entry between them makes two."""
    entries = [
        TimedVerdict(ALERT, 14.0, 20.0),
        TimedVerdict(SUSPICIOUS, 12.0, 14.0),
        TimedVerdict(ALERT, 21.0, 22.0),
        TimedVerdict(CLEAR, 22.0, 23.0),
        TimedVerdict(ALERT, 23.0, 24.0),
        TimedVerdict(ALERT, 20.0, 20.5),
    ]
    rules = rules_for(scripted(*entries), "p1", "a")
    assert [rule.verdict for rule in rules] == entries[::-1]
    assert spans(rules) == [(12.0, 20.5), (23.0, 24.0), None, (21.0, 22.0), (12.0, 20.5), (12.0, 20.5)]
    assert rules[0].manipulation is rules[4].manipulation is rules[5].manipulation
    assert [rule.manipulation.track for rule in rules if rule.manipulation is not None] == ["a"] * 5


def test_two_that_begin_where_one_ends_share_it_with_the_first_alone() -> None:
    """The other one is a manipulation of its own."""
    entries = [TimedVerdict(ALERT, 1.0, 2.0), TimedVerdict(ALERT, 2.0, 3.0), TimedVerdict(ALERT, 2.0, 4.0)]
    assert spans(rules_for(scripted(*entries), "p1", "a")) == [(2.0, 4.0), (1.0, 3.0), (1.0, 3.0)]


def test_the_first_rule_in_force_decides_and_otherwise_the_default() -> None:
    """From its beginning until just before its end; without a default everything is clear."""
    rules = [Rule(TimedVerdict(SUSPICIOUS, 5.0, 6.0), None), Rule(TimedVerdict(ALERT, 4.0, 7.0), None)]
    for default in (None, Level.ERROR):
        service = PaperService(scripted(default=default))
        levels = [service.judge(rules, now).verdict.level for now in (3.9, 4.0, 5.0, 5.9, 6.0, 7.0)]
        otherwise = default or CLEAR
        assert levels == [otherwise, ALERT, SUSPICIOUS, SUSPICIOUS, ALERT, otherwise]
        assert service.judge([], 0.0) == Rule(TimedVerdict(otherwise), None)


def test_a_fault_is_in_force_from_its_beginning_to_its_end() -> None:
    """One of each kind: a newer one replaces it, and then the end of the older one ends nothing."""
    service = PaperService(scripted())
    assert service.faultless
    assert service.active(Slow) is None
    assert service.begin(Slow(1.0)) is False
    assert service.begin(Silence()) is False
    assert (service.active(Slow), service.active(Silence), service.faultless) == (Slow(1.0), Silence(), False)
    newer = Slow(2.0)
    service.begin(newer)
    service.end(Slow(1.0))
    assert service.active(Slow) is newer
    service.end(newer)
    service.end(Garbage())
    assert service.active(Slow) is None
    assert not service.faultless


def test_a_drop_cuts_and_does_not_last() -> None:
    """The service has no fault in force afterwards."""
    service = PaperService(scripted())
    assert service.begin(Drop()) is True
    assert service.faultless


@pytest.mark.parametrize("ends", [None, math.inf])
def test_faults_begin_and_those_with_an_end_end(ends: float | None) -> None:
    """A fault that stays has no second moment."""
    stays, passes = TimedFault(1.0, Silence(), ends), TimedFault(2.0, Slow(), 3.0)
    assert moments([stays, passes]) == [(1.0, stays, True), (2.0, passes, True), (3.0, passes, False)]


def test_a_scenarios_manipulations_are_entries_like_others() -> None:
    """Those of the room come first, so that an entry of the file overrides them."""
    script = parse_script(
        "[room]\nparticipants = 1\nseconds = 100\nmanipulated = 1\nmanipulated_for = 90\n"
        '[[verdict]]\nfrom = 0\nlevel = "clear"'
    )
    rules = rules_for(script, "p1", "a")
    assert [rule.verdict.level for rule in rules] == [CLEAR, ALERT]
