"""Laws of the shelf of assessments, for any history of tracks, results and departures."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.coverage import Coverage, Facts, coverage
from ds_actors.detection.events import Kind, Level, ResultType, TrackInfo, WireResult
from ds_actors.detection.levels import assessment as shelves
from ds_actors.detection.levels.assessment import LATE_RESULTS, MEMORY_AFTER_LEAVING, Assessments

TRACKS = {
    info.track: info
    for info in [
        TrackInfo("alice", "A1"),
        TrackInfo("alice", "A2"),
        TrackInfo("alice", "A3"),
        TrackInfo("alice", "AM", "audio"),
        TrackInfo("bob", "B1"),
    ]
}
sids = st.sampled_from(sorted(TRACKS))
numbers = st.integers(0, 6)
steps = st.one_of(
    st.tuples(st.just("add"), sids),
    st.tuples(st.just("end"), sids),
    st.tuples(st.just("result"), st.tuples(sids, numbers)),
    st.tuples(st.just("wait"), st.floats(0.1, 70)),
    st.tuples(st.just("leave"), st.sampled_from(["alice", "bob"])),
)
scripts = st.lists(steps, max_size=40)


class Room:
    """A shelf, its clock, and the ends it has seen."""

    def __init__(self) -> None:
        self.shelf = Assessments()
        self.now = 0.0
        self.ended: dict[str, float] = {}

    def levels(self) -> dict[str, Level]:
        return {sid: self.shelf.level(sid) for sid in self.shelf.tracks}

    def judge(self, sid: str, number: int) -> shelves.Applied | None:
        return self.shelf.result(WireResult(number, TRACKS[sid].participant, sid), self.now, 1)

    def end(self, sid: str) -> None:
        if sid in self.shelf.tracks:
            self.ended[sid] = self.now
        self.shelf.end_track(sid, self.now)

    def do(self, step: tuple[str, Any]) -> None:
        match step:
            case ("add", sid):
                self.shelf.add_track(TRACKS[sid], self.now)
            case ("end", sid):
                self.end(sid)
            case ("result", (sid, number)):
                self.judge(sid, number)
            case ("wait", seconds):
                self.now += seconds
            case (_, who):
                for sid in [sid for sid in self.shelf.tracks if TRACKS[sid].participant == who]:
                    self.end(sid)
                self.shelf.participant_left(who, self.now)


R = TypeVar("R", bound=Room)


def after(room: R, script: list[tuple[str, Any]]) -> R:
    for step in script:
        room.do(step)
    return room


def check_that_only_results_change_levels(room: Room, script: list[tuple[str, Any]]) -> None:
    for step in script:
        before = room.levels()
        room.do(step)
        if step[0] != "result":
            assert all(before[sid] is level for sid, level in room.levels().items() if sid in before)


def check_that_a_result_is_about_its_own_track(room: Room, sid: str, number: int) -> None:
    """Only a verdict changes a level: its own track's, or the same participant's successor's, which it only raises."""
    before = room.levels()
    applied = room.judge(sid, number)
    changed = {track for track, level in room.levels().items() if level is not before[track]}
    assert len(changed) <= 1
    for track in changed:
        assert applied is not None
        assert ResultType.from_wire(number).level.is_verdict
        assert (applied.track, applied.level) == (track, room.shelf.level(track))
        assert (TRACKS[track].participant, TRACKS[track].kind) == (TRACKS[sid].participant, TRACKS[sid].kind)
        assert track == sid or room.shelf.level(track).severity > before[track].severity


@settings(max_examples=2 * settings().max_examples)
@given(scripts)
def test_only_a_result_ever_changes_a_live_tracks_level(script: list[tuple[str, Any]]) -> None:
    """Tracks that come and go, time and departures leave the level of those that stay."""
    check_that_only_results_change_levels(Room(), script)


@settings(max_examples=2 * settings().max_examples)
@given(scripts, sids, numbers)
def test_a_result_touches_its_own_track_or_raises_a_successor(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """Never another participant's or kind's, and a late one never lowers; the level is the verdict."""
    room = after(Room(), script)
    before = room.levels()
    check_that_a_result_is_about_its_own_track(room, sid, number)
    level = ResultType.from_wire(number).level
    changed = {track for track, level in room.levels().items() if level is not before[track]}
    assert all(room.shelf.level(track) is level for track in changed)
    assert changed <= {sid} or level.elevated
    if sid in before and level.is_verdict:
        assert room.shelf.level(sid) is level


@settings(max_examples=2 * settings().max_examples)
@given(scripts, sids, numbers)
def test_a_result_counts_while_its_track_lives_and_for_a_minute_after(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """Any other is unknown_track; each result is counted once."""
    room = after(Room(), script)
    counted, unknown = room.shelf.counts.total(), room.shelf.counts["unknown_track"]
    counts = sid in room.shelf.tracks or (sid in room.ended and room.now - room.ended[sid] < LATE_RESULTS)
    assert (room.judge(sid, number) is not None) is counts
    assert room.shelf.counts.total() == counted + 1
    assert room.shelf.counts["unknown_track"] == unknown + (not counts)


@settings(max_examples=2 * settings().max_examples)
@given(scripts)
def test_ten_minutes_after_leaving_nothing_is_remembered(script: list[tuple[str, Any]]) -> None:
    """Also for departures before and after the end of the tracks, and for late results."""
    room = after(Room(), script)
    room.shelf.participant_left("alice", room.now)
    for sid in list(room.shelf.tracks):
        room.end(sid)
    room.now += 1
    for sid in TRACKS:
        room.judge(sid, 4)
    room.now += MEMORY_AFTER_LEAVING
    assert room.shelf.add_track(TrackInfo("alice", "new"), room.now) is Level.UNKNOWN
    assert room.shelf.add_track(TrackInfo("alice", "heard", "audio"), room.now) is Level.UNKNOWN


@given(scripts, sids, st.sampled_from([1, 4]))
def test_turning_a_track_off_and_on_again_never_lowers_what_it_was(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """The next track of the participant and the kind starts at least as high."""
    room = after(Room(), script)
    room.do(("add", sid))
    room.judge(sid, number)
    room.do(("end", sid))
    level = ResultType.from_wire(number).level
    inherited = room.shelf.add_track(TrackInfo(TRACKS[sid].participant, "new", TRACKS[sid].kind), room.now)
    assert inherited.severity >= level.severity


@given(scripts)
def test_adding_a_live_track_again_changes_nothing(script: list[tuple[str, Any]]) -> None:
    """A restarted actor finds its earlier level."""
    room = after(Room(), script)
    before = room.levels()
    for sid in before:
        assert room.shelf.add_track(TRACKS[sid], room.now) is before[sid]
    assert room.levels() == before


def test_a_late_alert_reaches_the_track_that_holds_the_level_now() -> None:
    """Also when the camera went off and on more than once since."""
    room = after(
        Room(),
        [("add", "A1"), ("result", ("A1", 1)), ("end", "A1"), ("add", "A2"), ("end", "A2"), ("add", "A3")],
    )
    applied = room.judge("A1", 4)
    assert applied is not None
    assert (applied.track, applied.level, room.shelf.level("A3")) == ("A3", Level.ALERT, Level.ALERT)


def test_a_sid_that_comes_back_keeps_no_other_track_alive() -> None:
    """Its second end lies behind the ends in between, which still count for a minute only."""
    room = after(
        Room(),
        [("add", "A1"), ("end", "A1"), ("add", "B1"), ("end", "B1"), ("wait", 50.0), ("add", "A1"), ("end", "A1")],
    )
    room.now += 49.0
    assert room.judge("B1", 4) is None
    assert room.judge("A1", 4) is not None


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_level_is_inherited_within_its_kind_only(kind: Kind) -> None:
    """A suspicious camera does not affect the microphone."""
    room = after(Room(), [("add", "A1"), ("result", ("A1", 4)), ("end", "A1")])
    level = room.shelf.add_track(TrackInfo("alice", "new", kind), room.now)
    assert level is (Level.ALERT if kind == "video" else Level.UNKNOWN)


def test_what_the_shelf_keeps_of_the_past_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended tracks, remembered levels and departures, each by the same limit."""
    monkeypatch.setattr(shelves, "MEMORY_LIMIT", 10)
    shelf = Assessments()
    for n in range(50):
        shelf.add_track(TrackInfo(f"p{n}", f"T{n}"), 0.0)
        shelf.result(WireResult(4, f"p{n}", f"T{n}"), 0.0, 1)
        shelf.end_track(f"T{n}", 0.0)
        shelf.participant_left(f"p{n}", 0.0)
        assert max(len(shelf._ended), len(shelf._memory), len(shelf._left)) <= 10
    assert shelf.add_track(TrackInfo("p49", "new"), 1.0) is Level.ALERT


@given(st.builds(Facts, monitored=st.booleans(), muted=st.booleans(), rate=st.sampled_from([0.0, 0.2, 1.0, 30.0])))
def test_every_track_has_one_coverage_and_nothing_is_stale_within_fifteen_seconds(facts: Facts) -> None:
    """Also for a policy that promises no rate at all."""
    wanted = Coverage.WAITING if not facts.muted else Coverage.MUTED
    assert coverage(facts, 14.9) is (wanted if facts.monitored else Coverage.NOT_MONITORED)
