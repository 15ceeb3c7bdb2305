"""How results become levels, and what outlives a track."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.coverage import Coverage, Facts, coverage
from ds_actors.detection.events import Level, ResultEvent, ResultType, TrackInfo, WireResult, plain
from ds_actors.detection.levels.assessment import Applied, Assessments

CLEAR, SUSPICIOUS, ALERT, ERROR = ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT, ResultType.ERROR


class Shelf:
    def __init__(self) -> None:
        self.shelf = Assessments()
        self.now = 0.0

    def add(self, track: str, participant: str = "alice") -> Level:
        return self.shelf.add_track(TrackInfo(participant, track), self.now)

    def end(self, track: str) -> None:
        self.shelf.end_track(track, self.now)

    def judge(self, number: int, track: str = "A", participant: str = "alice") -> Applied | None:
        return self.shelf.result(WireResult(number, participant, track), self.now, 7)


def test_a_result_must_match_track_and_participant() -> None:
    """Anything else is counted as unknown_track and changes nothing."""
    shelf = Shelf()
    shelf.add("A")
    assert shelf.judge(ALERT, "B") is None
    assert shelf.judge(ALERT, "A", "mallory") is None
    assert shelf.shelf.counts == {"unknown_track": 2}
    assert shelf.shelf.level("A") is Level.UNKNOWN


@given(st.lists(st.integers(0, 9), max_size=20))
def test_a_tracks_level_is_its_last_verdict(numbers: list[int]) -> None:
    """Errors, unknown and numbers not known yet change nothing; the last verdict rules."""
    shelf = Shelf()
    shelf.add("A")
    expected = Level.UNKNOWN
    for number in numbers:
        applied = shelf.judge(number)
        assert applied is not None
        assert applied.event.previous_level is expected
        level = ResultType.from_wire(number).level
        expected = level if level.is_verdict else expected
        assert shelf.shelf.level("A") is expected


def test_the_changes_filter_passes_what_changed() -> None:
    """A first clear is no news; a first error after a non-error is."""
    shelf = Shelf()
    shelf.add("A")
    said = [shelf.judge(n) for n in (CLEAR, CLEAR, SUSPICIOUS, SUSPICIOUS, ERROR, ERROR, ALERT, CLEAR)]
    assert [event.notable for event in said if event] == [False, False, True, False, True, False, True, True]


@pytest.mark.parametrize(("first", "notable"), [(CLEAR, False), (SUSPICIOUS, True), (ALERT, True), (ERROR, True)])
def test_a_first_result_is_news_unless_it_is_clear(first: ResultType, notable: bool) -> None:
    """A sink that receives only changes takes a track for clear until it hears otherwise."""
    shelf = Shelf()
    shelf.add("A")
    event = shelf.judge(first)
    assert event is not None
    assert event.notable is notable


def test_a_number_not_known_yet_is_no_error() -> None:
    """The first error after it is news, and it is none itself."""
    shelf = Shelf()
    shelf.add("A")
    said = [shelf.judge(n) for n in (CLEAR, ResultType.UNKNOWN, ERROR)]
    assert [event.notable for event in said if event is not None] == [False, False, True]


def test_turning_the_camera_off_and_on_does_not_clear_an_alert() -> None:
    """The participant's next track of the kind starts at the level, and takes it over."""
    shelf = Shelf()
    shelf.add("A")
    shelf.judge(ALERT)
    shelf.end("A")
    assert shelf.add("V", "bob") is Level.UNKNOWN
    assert shelf.add("B") is Level.ALERT
    assert shelf.add("C") is Level.UNKNOWN
    cleared = shelf.judge(CLEAR, "B")
    assert cleared is not None
    assert cleared.notable
    shelf.end("B")
    assert shelf.add("D") is Level.UNKNOWN


def test_a_late_alert_counts_for_a_minute_and_may_only_raise_the_successor() -> None:
    """After 60 s it is an unknown track."""
    shelf = Shelf()
    shelf.add("A")
    shelf.judge(SUSPICIOUS)
    shelf.end("A")
    shelf.add("B")
    late = shelf.judge(ALERT, "A")
    assert late is not None
    assert (late.track, late.level) == ("B", Level.ALERT)
    late = shelf.judge(CLEAR, "A")
    assert late is not None
    assert late.level is None
    assert shelf.shelf.level("B") is Level.ALERT
    shelf.now = 60.0
    assert shelf.judge(ALERT, "A") is None


def test_a_late_alert_of_a_track_that_ended_clear_raises_the_successor() -> None:
    """Turning the camera off and on again eats no ALERT."""
    shelf = Shelf()
    shelf.add("A")
    shelf.judge(CLEAR)
    shelf.end("A")
    assert shelf.add("B") is Level.UNKNOWN
    late = shelf.judge(ALERT, "A")
    assert late is not None
    assert (late.track, late.level) == ("B", Level.ALERT)
    assert shelf.shelf.level("B") is Level.ALERT
    shelf.end("B")
    shelf.now = 130.0
    shelf.add("C")
    assert not shelf.shelf._alone


def test_a_late_verdict_without_a_successor_goes_to_the_memory() -> None:
    """The next track of the participant starts there."""
    shelf = Shelf()
    shelf.add("A")
    shelf.judge(CLEAR)
    shelf.end("A")
    shelf.judge(ALERT, "A")
    assert shelf.add("B") is Level.ALERT


def test_the_memory_of_one_who_left_is_gone_after_ten_minutes() -> None:
    """Coming back earlier keeps it."""
    shelf = Shelf()
    shelf.add("A")
    shelf.judge(ALERT)
    shelf.end("A")
    shelf.shelf.participant_left("alice", shelf.now)
    shelf.now = 599.0
    shelf.shelf.participant_joined("alice")
    shelf.now = 5_000.0
    assert shelf.add("B") is Level.ALERT
    shelf.end("B")
    shelf.shelf.participant_left("alice", shelf.now)
    shelf.now += 600.0
    assert shelf.add("C") is Level.UNKNOWN


def test_the_memory_is_bounded() -> None:
    """The oldest of 10,000 go first."""
    shelf = Shelf()
    for n in range(10_050):
        shelf.add(f"T{n}", f"p{n}")
        shelf.judge(ALERT, f"T{n}", f"p{n}")
        shelf.end(f"T{n}")
    assert shelf.add("X", "p0") is Level.UNKNOWN
    assert shelf.add("Y", "p10049") is Level.ALERT


@given(st.text(max_size=3_000), st.text(max_size=3_000), st.text(max_size=3_000))
def test_the_payload_is_ascii_json_under_15_kb_with_the_documented_keys_first(who: str, track: str, text: str) -> None:
    """Whatever strangers chose as names and text."""
    shelf = Assessments()
    shelf.add_track(TrackInfo(who, track, source=who), 0.0)
    applied = shelf.result(WireResult(ALERT, who, track, text), 0.0, 7)
    assert applied is not None
    line = applied.event.json()
    assert line.isascii()
    assert len(line) < 15_000
    assert "\n" not in line
    keys = ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]
    assert list(json.loads(line)) == [*keys, "participant_sid", "source", "previous_level"]
    assert 0 < len(applied.event.message) <= 1_024


def test_an_empty_message_becomes_a_sentence_and_controls_are_removed() -> None:
    """Terminal escapes and direction overrides do not pass."""
    assert plain("a\x1b[31m\n\u202eb\ud800") == "a[31mb"
    event = ResultEvent(SUSPICIOUS, "alice", "A", "", 1)
    assert event.to_dict() == {"type": "SUSPICIOUS", "participantId": "alice", "trackId": "A", "message": ""}
    shelf = Shelf()
    shelf.add("A")
    applied = shelf.judge(SUSPICIOUS)
    assert applied is not None
    assert applied.event.message == "Possible manipulation indicators detected."


def test_coverage_is_the_first_that_applies() -> None:
    """In the contract's order, each made to apply by one fact more."""
    facts: dict[str, Any] = {"last_result": 10.0, "last_verdict": 0.0, "rate": 1.0, "due_since": 0.0}
    expected: list[tuple[Coverage, str, Any]] = [
        (Coverage.UNJUDGED, "published_at", 0.0),
        (Coverage.STALE, "last_result", 0.0),
        (Coverage.STALE, "empty_captures", 0),
        (Coverage.STALE, "small_captures", 2),
        (Coverage.TOO_SMALL, "small_captures", 3),
        (Coverage.NO_FRAMES, "empty_captures", 3),
        (Coverage.ENCRYPTED, "end_to_end", True),
        (Coverage.FAILING, "failing", True),
        (Coverage.NOT_SUBSCRIBED, "subscribed", False),
        (Coverage.ENCRYPTED, "encrypted", True),
        (Coverage.MUTED, "muted", True),
        (Coverage.NOT_MONITORED, "monitored", False),
    ]
    assert coverage(Facts(**facts), 14.9) is Coverage.CHECKED
    assert coverage(Facts(due_since=0.0, rate=1.0), 14.9) is Coverage.WAITING
    assert coverage(Facts(last_result=10.0, due_since=0.0, rate=1.0), 14.9) is Coverage.WAITING
    for wanted, name, value in expected:
        facts[name] = value
        assert coverage(Facts(**facts), 15.0) is wanted


@given(
    last_result=st.none() | st.integers(0, 100),
    last_verdict=st.none() | st.integers(0, 100),
    due_since=st.none() | st.integers(0, 100),
    now=st.integers(0, 200),
)
def test_a_checked_track_had_a_verdict_in_time(
    last_result: int | None, last_verdict: int | None, due_since: int | None, now: int
) -> None:
    """Whatever else arrived, and whenever it was muted."""
    found = coverage(Facts(last_result=last_result, last_verdict=last_verdict, due_since=due_since), now)
    recent = last_verdict is not None and now - last_verdict < 15
    assert recent or found is not Coverage.CHECKED
    assert not recent or found in (Coverage.CHECKED, Coverage.STALE)
