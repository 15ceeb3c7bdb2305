"""The shelf of assessments with evidence: the laws of the last verdict that must hold here too."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from test_assessment_laws import (
    TRACKS,
    Room,
    after,
    check_that_a_result_is_about_its_own_track,
    check_that_only_results_change_levels,
    numbers,
    scripts,
    sids,
)

from ds_actors.detection.events import Level, ResultType, TrackInfo, WireResult
from ds_actors.detection.levels.assessment import Applied, Assessments
from ds_actors.detection.levels.evidence import Evidence


class EvidenceRoom(Room):
    """A room whose shelf weighs verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Assessments(evidence=Evidence())


@settings(max_examples=2 * settings().max_examples)
@given(scripts)
def test_only_a_result_ever_changes_the_level_of_a_live_track(script: list[tuple[str, Any]]) -> None:
    """Tracks that come and go, time and departures leave the level of those that stay."""
    check_that_only_results_change_levels(EvidenceRoom(), script)


@settings(max_examples=2 * settings().max_examples)
@given(scripts, sids, numbers)
def test_a_result_concerns_its_own_track_or_raises_a_successor(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """Only verdicts change a level, never that of another participant or kind, and a late one never lowers."""
    check_that_a_result_is_about_its_own_track(after(EvidenceRoom(), script), sid, number)


@settings(max_examples=2 * settings().max_examples)
@given(scripts, sids, numbers)
def test_an_event_tells_the_level_and_the_evidence_behind_it(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """A verdict's event carries its track's level, and each event a probability strictly between 0 and 1."""
    room = after(EvidenceRoom(), script)
    applied = room.judge(sid, number)
    if applied is None:
        return
    event = applied.event
    assert event.confidence is not None
    assert 0 < event.confidence < 1
    if ResultType.from_wire(number).level.is_verdict and sid in room.shelf.tracks:
        assert event.level is room.shelf.level(sid)
        assert {"confidence", "samples", "reliable"} <= event.dict().keys()


def results(room: EvidenceRoom, sid: str, *levels: Level) -> list[Applied]:
    found: list[Applied] = []
    for level in levels:
        room.now += 1.0
        applied = room.shelf.result(
            WireResult(int(ResultType.from_level(level)), TRACKS[sid].participant, sid), room.now, 0
        )
        assert applied is not None
        found.append(applied)
    return found


def test_one_flag_is_a_suspicion_and_several_are_an_alert() -> None:
    """And its message is the service's only where the service said that level."""
    room = EvidenceRoom()
    room.do(("add", "A1"))
    results(room, "A1", *[Level.CLEAR] * 3)
    levels = [applied.level for applied in results(room, "A1", *[Level.ALERT] * 4)]
    assert levels[0] is Level.SUSPICIOUS
    assert levels[-1] is Level.ALERT
    said = room.shelf.result(WireResult(int(ResultType.CLEAR), "alice", "A1", "Nothing found."), room.now + 1, 0)
    assert said is not None
    assert (said.event.level, said.event.message) == (Level.ALERT, "Manipulation detected.")


def test_a_successor_inherits_level_and_probability() -> None:
    """A camera switched off and on again at an alert is as close to the alarm as before."""
    room = EvidenceRoom()
    room.do(("add", "A1"))
    results(room, "A1", *[Level.ALERT] * 5)
    before = room.shelf.tracks["A1"].evidence
    assert before is not None
    room.do(("end", "A1"))
    room.do(("add", "A2"))
    heir = room.shelf.tracks["A2"]
    assert heir.evidence is not None
    assert heir.level is heir.evidence.level is Level.ALERT
    assert heir.evidence.probability(room.now) == before.probability(room.now)


@given(st.lists(st.tuples(st.sampled_from(["A1", "B1"]), numbers), max_size=40))
def test_the_order_between_tracks_changes_nothing(told: list[tuple[str, int]]) -> None:
    """Each track's evidence is its own: told one track after the other, both end as when told in turn."""
    mixed, apart = EvidenceRoom(), EvidenceRoom()
    for room in (mixed, apart):
        room.shelf.add_track(TrackInfo("alice", "A1"), 0.0)
        room.shelf.add_track(TrackInfo("bob", "B1"), 0.0)
    timed = [(number_, sid, number) for number_, (sid, number) in enumerate(told)]
    for room, order in ((mixed, timed), (apart, sorted(timed, key=lambda step: step[1]))):
        for now, sid, number in order:
            room.shelf.result(WireResult(number, TRACKS[sid].participant, sid), float(now), 0)
    assert mixed.levels() == apart.levels()
    assert {sid: track.evidence for sid, track in mixed.shelf.tracks.items()} == {
        sid: track.evidence for sid, track in apart.shelf.tracks.items()
    }
