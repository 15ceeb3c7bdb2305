"""What the monitor remembers of tracks that ended: how much, for whom, and until when."""

from __future__ import annotations

import pytest

from ds_actors.detection.events import Kind, Level, ResultType, TrackInfo, WireResult
from ds_actors.detection.levels import assessment as shelves
from ds_actors.detection.levels.assessment import Applied, Assessments
from ds_actors.detection.levels.evidence import Evidence

CLEAR, SUSPICIOUS, ALERT, ERROR = ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT, ResultType.ERROR


class Room:
    """A shelf with one participant, unless said otherwise, and a clock."""

    def __init__(self) -> None:
        self.shelf = Assessments()
        self.now = 0.0

    def add(self, track: str, participant: str = "alice", kind: Kind = "video", sid: str = "PA_1") -> Level:
        info = TrackInfo(participant, track, kind, "camera", sid)
        return self.shelf.add_track(info, self.now)

    def end(self, track: str) -> None:
        self.shelf.end_track(track, self.now)

    def judge(self, number: int, track: str, participant: str = "alice", message: str = "") -> Applied:
        applied = self.shelf.result(WireResult(number, participant, track, message), self.now, 1_234)
        assert applied is not None
        return applied

    def lived(self, track: str, number: int | None, participant: str = "alice") -> None:
        """Let a track come, get this verdict, and end."""
        self.add(track, participant)
        if number is not None:
            self.judge(number, track, participant)
        self.end(track)


def test_the_most_severe_level_of_several_tracks_is_kept() -> None:
    """A second camera that ends lower takes nothing away, and one that ends higher raises it."""
    room = Room()
    room.add("A")
    room.add("B")
    room.add("C")
    for track, number in (("A", SUSPICIOUS), ("B", ALERT), ("C", SUSPICIOUS)):
        room.judge(number, track)
        room.end(track)
    assert room.add("D") is Level.ALERT


def test_a_level_that_was_taken_over_is_taken_over_once() -> None:
    """A third track starts anew: its participant shows the second one as well."""
    room = Room()
    room.lived("A", ALERT)
    assert room.add("B") is Level.ALERT
    assert room.add("C") is Level.UNKNOWN


def test_a_track_that_ends_clear_or_unjudged_leaves_nothing() -> None:
    """One that was alert before its last verdict does not either."""
    for numbers in ((), (CLEAR,), (ALERT, CLEAR)):
        room = Room()
        room.add("A")
        for number in numbers:
            room.judge(number, "A")
        room.end("A")
        assert room.add("B") is Level.UNKNOWN


def test_an_inherited_level_is_the_past_of_the_new_track() -> None:
    """The same again is no change; a first clear after it is one, and after nothing it is none."""
    for first, number, notable in ((ALERT, ALERT, False), (ALERT, CLEAR, True), (CLEAR, CLEAR, False)):
        room = Room()
        room.lived("A", first)
        room.add("B")
        applied = room.judge(number, "B")
        assert applied.notable is notable
        assert applied.event.previous_level is (Level.ALERT if first == ALERT else Level.UNKNOWN)


def test_a_late_verdict_without_a_successor_replaces_what_that_track_left() -> None:
    """Raised by an alert, lowered by a suspicion, and removed by a clear."""
    for late, inherited in ((ALERT, Level.ALERT), (SUSPICIOUS, Level.SUSPICIOUS), (CLEAR, Level.UNKNOWN)):
        room = Room()
        room.lived("A", SUSPICIOUS if late == ALERT else ALERT)
        applied = room.judge(late, "A")
        assert (applied.track, applied.level) == ("A", None)
        assert room.add("B") is inherited


def test_a_late_clear_of_one_of_two_tracks_leaves_what_the_other_left() -> None:
    """Only what a track alone has left goes with its verdict, and nothing goes where it left nothing."""
    room = Room()
    for track in ("A", "B"):
        room.add(track)
    for track in ("A", "B"):
        room.judge(ALERT, track)
        room.end(track)
    room.judge(CLEAR, "A")
    assert room.add("C") is Level.ALERT
    other = Room()
    other.add("A")
    other.add("B")
    other.judge(ALERT, "B")
    other.end("A")
    other.end("B")
    other.judge(CLEAR, "A")
    assert other.add("C") is Level.ALERT


def test_a_late_alert_passes_through_successors_that_ended() -> None:
    """To the one that lives; without a living one, into the memory."""
    room = Room()
    for track in ("A", "B", "C"):
        room.lived(track, CLEAR)
    room.add("D")
    assert room.judge(ALERT, "A").track == "D"
    assert room.shelf.level("D") is Level.ALERT
    gone = Room()
    for track in ("A", "B"):
        gone.lived(track, CLEAR)
    applied = gone.judge(ALERT, "A")
    assert (applied.track, applied.level) == ("A", None)
    assert gone.add("C") is Level.ALERT


def test_a_late_alert_whose_successor_is_forgotten_goes_to_the_memory() -> None:
    """The successor ended longer ago than a minute, its predecessor did not: a sid that came back."""
    room = Room()
    room.lived("A", CLEAR)
    room.lived("B", CLEAR)
    room.now = 50.0
    room.shelf._ended.pop("B")
    room.judge(ALERT, "A")
    assert room.add("C") is Level.ALERT


def test_a_late_verdict_is_a_change_or_none_for_its_own_track() -> None:
    """It is told, whatever becomes of it; the successor keeps a higher level."""
    room = Room()
    room.lived("A", SUSPICIOUS)
    room.add("B")
    room.judge(ALERT, "B")
    same, more = room.judge(SUSPICIOUS, "A"), room.judge(ALERT, "A")
    assert (same.notable, same.level, more.notable, more.level) == (False, None, True, None)
    assert more.event.previous_level is Level.SUSPICIOUS
    assert more.event.track_id == "A"


def test_levels_of_different_participants_and_kinds_are_apart() -> None:
    """Whatever sids they choose."""
    room = Room()
    room.lived("A", ALERT)
    assert room.add("B", "bob") is Level.UNKNOWN
    assert room.add("M", kind="audio") is Level.UNKNOWN
    assert room.add("C") is Level.ALERT


def test_one_who_left_is_forgotten_ten_minutes_after_leaving_last() -> None:
    """A second departure counts, not the first; both kinds go, and others stay."""
    room = Room()
    for track, kind in (("A", "video"), ("M", "audio")):
        room.add(track, kind=kind)  # type: ignore[arg-type]
        room.judge(ALERT, track)
        room.end(track)
    room.lived("B", ALERT, "bob")
    room.shelf.participant_left("alice", 0.0)
    room.shelf.participant_left("carol", 100.0)
    room.shelf.participant_left("alice", 500.0)
    room.now = 1_099.0
    room.end("nobody")
    assert set(room.shelf._memory) == {("alice", "video"), ("alice", "audio"), ("bob", "video")}
    room.now = 1_100.0
    room.end("nobody")
    assert set(room.shelf._memory) == {("bob", "video")}
    assert not room.shelf._left


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly so many ended tracks, levels and departures; a level that is raised again is not old."""
    monkeypatch.setattr(shelves, "MEMORY_LIMIT", 3)
    room = Room()
    for n in range(3):
        room.lived(f"T{n}", ALERT, f"p{n}")
    room.judge(ALERT, "T0", "p0")
    room.lived("T3", ALERT, "p3")
    assert [identity for identity, _ in room.shelf._memory] == ["p2", "p0", "p3"]
    assert list(room.shelf._ended) == ["T1", "T2", "T3"]
    for n in range(4):
        room.shelf.participant_left(f"p{n}", float(n))
    assert list(room.shelf._left) == ["p1", "p2", "p3"]
    assert [identity for identity, _ in room.shelf._memory] == ["p2", "p3"]


def test_a_level_remembers_the_last_sixteen_tracks_that_left_it() -> None:
    """A late clear of an older one than those removes nothing."""
    room = Room()
    for n in range(40):
        room.add(f"T{n}")
    for n in range(40):
        room.judge(ALERT, f"T{n}")
        room.end(f"T{n}")
    remembered = room.shelf._memory["alice", "video"]
    assert remembered.sources == [f"T{n}" for n in range(24, 40)]
    room.judge(ALERT, "T30")
    assert len(remembered.sources) == 16


def test_closing_forgets_everything() -> None:
    """Live tracks, ended ones, who had none alone, levels and departures."""
    room = Room()
    room.lived("A", ALERT)
    room.lived("B", ALERT, "bob")
    room.shelf.participant_left("alice", 0.0)
    room.add("C", "carol")
    room.shelf.clear()
    shelf = room.shelf
    assert not any((shelf.tracks, shelf._ended, shelf._alone, shelf._memory, shelf._left))
    assert shelf.result(WireResult(ALERT, "alice", "A"), 1.0, 1) is None
    assert room.add("D") is Level.UNKNOWN


def test_a_track_that_is_added_again_keeps_its_level_and_takes_the_newest_facts() -> None:
    """A participant that reconnected has another sid."""
    room = Room()
    room.add("A", sid="PA_1")
    room.judge(ALERT, "A")
    assert room.add("A", sid="PA_2") is Level.ALERT
    event = room.judge(SUSPICIOUS, "A", message="look").event
    assert (event.participant_sid, event.source, event.message, event.timestamp_ms) == ("PA_2", "camera", "look", 1_234)
    assert (event.type, event.level, event.previous_level) == (SUSPICIOUS, Level.SUSPICIOUS, Level.ALERT)


def test_results_are_counted_by_their_outcome_and_numbered() -> None:
    """Also those of ended tracks; what is about no known track has no number of its own, and is counted."""
    room = Room()
    room.lived("A", CLEAR)
    room.add("B")
    numbers = [room.judge(kind, "B").event.sequence for kind in (ALERT, ERROR, 9)]
    late = room.judge(SUSPICIOUS, "A")
    assert room.shelf.result(WireResult(ALERT, "alice", "X"), 0.0, 1) is None
    assert [*numbers, late.event.sequence] == [2, 3, 4, 5]
    counted = {"clear": 1, "alert": 1, "error": 1, "unknown": 1, "suspicious": 1, "unknown_track": 1}
    assert dict(room.shelf.counts) == counted


def test_a_verdict_ends_a_run_of_errors_and_an_error_is_no_verdict() -> None:
    """The first of each run is news; the level stays."""
    room = Room()
    room.add("A")
    said = [room.judge(kind, "A") for kind in (ERROR, ERROR, CLEAR, ERROR, 9, ERROR)]
    assert [applied.notable for applied in said] == [True, False, False, True, False, True]
    assert [applied.level for applied in said] == [None, None, Level.CLEAR, None, None, None]
    assert room.shelf.tracks["A"].last_result == 0.0


def test_a_track_that_nobody_knows_has_no_level_and_ends_without_effect() -> None:
    """And nothing is kept of it."""
    room = Room()
    room.end("A")
    assert room.shelf.level("A") is room.shelf.attention("A") is Level.UNKNOWN
    assert not room.shelf._ended


def test_an_unconfirmed_verdict_is_remembered_and_counts_on_in_the_next_track() -> None:
    """It attends to the track, and says how many there are; the level rises with the second, wherever it is."""
    room = Room()
    room.shelf.min_confirmations = 2
    room.add("A")
    applied = room.judge(ALERT, "A")
    assert (applied.level, applied.verdict, applied.event.type) == (Level.UNKNOWN, Level.ALERT, ResultType.UNKNOWN)
    assert applied.event.message.startswith("Not confirmed: alert, 1 of 2")
    assert (room.shelf.level("A"), room.shelf.attention("A")) == (Level.UNKNOWN, Level.ALERT)
    room.end("A")
    room.add("B")
    assert room.shelf.attention("B") is Level.ALERT
    assert room.judge(ALERT, "B").level is Level.ALERT


def test_a_late_verdict_confirms_what_the_successor_waits_for() -> None:
    """It counts there, because the successor has the earlier ones."""
    room = Room()
    room.shelf.min_confirmations = 2
    room.lived("A", SUSPICIOUS)
    room.add("B")
    applied = room.judge(SUSPICIOUS, "A")
    assert (applied.track, applied.level) == ("B", Level.SUSPICIOUS)
    assert room.shelf.level("B") is Level.SUSPICIOUS
    assert room.judge(CLEAR, "B").notable


def test_one_confirmation_is_none_to_wait_for() -> None:
    """The verdict is the level."""
    room = Room()
    room.add("A")
    assert room.shelf.tracks["A"].confirmation is None
    assert room.judge(ALERT, "A").level is Level.ALERT


def test_evidence_is_carried_from_track_to_track() -> None:
    """Its figures are in each event, and a late alert takes it to the successor."""
    room = Room()
    room.shelf.evidence = Evidence()
    room.add("A")
    event = room.judge(ALERT, "A").event
    assert event.confidence is not None
    assert event.samples == 1.0
    assert event.reliable is not None
    for _ in range(10):
        room.judge(ALERT, "A")
    seen = room.shelf.tracks["A"].evidence
    before = room.shelf.level("A")
    assert before.elevated
    assert seen is not None
    room.end("A")
    assert room.add("B") is before
    inherited = room.shelf.tracks["B"].evidence
    assert inherited is not None
    assert inherited.samples == seen.samples


def test_a_track_that_is_there_keeps_its_participant_from_being_forgotten() -> None:
    """Also one that was known as gone; and what ended at a late hour is forgotten a minute after that."""
    room = Room()
    room.lived("A", ALERT)
    room.shelf.participant_left("alice", 0.0)
    room.now = 500.0
    room.add("M", kind="audio")
    room.now = 5_000.0
    assert room.add("B") is Level.ALERT
    room.judge(CLEAR, "B")
    room.end("B")
    assert room.shelf._alone == {("alice", "video"): ["B"]}
    room.now = 5_059.0
    room.judge(CLEAR, "B")
    room.now = 5_060.0
    room.end("nobody")
    assert not room.shelf._alone
    assert not room.shelf._ended


def test_a_late_raise_makes_the_next_clear_of_the_successor_a_change() -> None:
    """The successor has a verdict from then on."""
    room = Room()
    room.lived("A", CLEAR)
    room.add("B")
    room.judge(ALERT, "A")
    assert room.judge(CLEAR, "B").notable


def test_late_evidence_goes_to_the_successor_that_it_raises() -> None:
    """Which counts on from there."""
    room = Room()
    room.shelf.evidence = Evidence()
    room.add("A")
    room.end("A")
    room.add("B")
    raised = [room.judge(ALERT, "A") for _ in range(10)]
    levels = [applied.level for applied in raised if applied.level is not None]
    assert levels
    assert {applied.track for applied in raised} == {"B"}
    assert room.shelf.level("B") is levels[-1]
    mine, its = room.shelf.tracks["B"].evidence, room.shelf._ended["A"].evidence
    assert mine is not None
    assert its is not None
    assert (mine.level, 0 < mine.samples <= its.samples) == (levels[-1], True)


@pytest.mark.parametrize("first", [True, False])
def test_a_late_alert_raises_a_successor_that_is_assessed_in_another_way(first: bool) -> None:
    """By its level alone: evidence goes from one that has it to another."""
    room = Room()
    room.shelf.evidence = Evidence() if first else None
    room.add("A")
    room.end("A")
    room.shelf.evidence = None if first else Evidence()
    room.add("B")
    for _ in range(10):
        room.judge(ALERT, "A")
    assert room.shelf.level("B").elevated
    evidence = room.shelf.tracks["B"].evidence
    assert evidence is None if first else evidence is not None and evidence.samples == 0


def test_a_late_verdict_that_is_not_above_the_successors_level_is_none_of_its() -> None:
    """It neither confirms nor changes anything there."""
    room = Room()
    room.shelf.min_confirmations = 2
    room.lived("A", None)
    room.add("B")
    for _ in range(2):
        room.judge(SUSPICIOUS, "B")
    assert room.shelf.level("B") is Level.SUSPICIOUS
    applied = room.judge(SUSPICIOUS, "A")
    assert (applied.track, applied.level) == ("B", None)


def test_one_who_leaves_makes_those_forgotten_who_left_ten_minutes_ago() -> None:
    """No other event is needed for that."""
    room = Room()
    room.lived("A", ALERT)
    room.shelf.participant_left("alice", 0.0)
    room.shelf.participant_left("bob", 700.0)
    assert list(room.shelf._left) == ["bob"]
    assert not room.shelf._memory


def test_one_who_leaves_again_is_the_newest_of_those_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so not the first to be forgotten when there are too many."""
    room = Room()
    for track, identity in (("A", "alice"), ("B", "bob")):
        room.lived(track, ALERT, identity)
    monkeypatch.setattr("ds_actors.detection.levels.assessment.MEMORY_LIMIT", 2)
    for at, identity in enumerate(("alice", "bob", "alice", "carol")):
        room.shelf.participant_left(identity, float(at))
    assert room.add("A2", "alice") is Level.ALERT
    assert room.add("B2", "bob") is Level.UNKNOWN
