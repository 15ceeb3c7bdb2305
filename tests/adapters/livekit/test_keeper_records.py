"""What a keeper's memory counts and says, look by look."""

from __future__ import annotations

import logging

import pytest
from livekit.plugins.dataspike.keeper.records import LONGEST_NAME, NAMED, KeeperRecord, quoted
from livekit.plugins.dataspike.keeper.rules import REPORT_AFTER, SETTLE, RoomAction, SeenDetector, SeenRoom
from livekit.plugins.dataspike.keeper.status import KeeperStatus


def room(name: str, *, watched: bool = False) -> SeenRoom:
    detectors = (SeenDetector("agent", f"PA_{name}", 0),) if watched else ()
    return SeenRoom(name, f"RM_{name}", 1, detectors)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what was logged since the last call."""
    lines = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
    caplog.clear()
    return lines


@pytest.fixture(autouse=True)
def _everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_a_room_waits_for_fifteen_seconds_and_is_then_unwatched() -> None:
    """Both are counted at each look, and so are the rooms that are watched."""
    record = KeeperRecord()
    seen = [room("a", watched=True), room("b")]
    record.looked(seen, 0.0, 0.0)
    assert record.status == KeeperStatus(watched=1, waiting=1, looks=1)
    record.looked([*seen, room("c")], REPORT_AFTER + 1, 0.0, left_out=7)
    assert record.status == KeeperStatus(watched=1, waiting=1, unwatched=("b",), looks=2, left_out=7)


def test_a_look_returns_what_to_do() -> None:
    """As the rules decide."""
    record = KeeperRecord()
    assert record.looked([room("a")], 0.0, 0.0) == []
    assert record.looked([room("a")], SETTLE, 0.0) == [RoomAction("a", "RM_a", request=True)]


def test_unwatched_rooms_are_logged_once_and_when_they_are_no_longer_so(caplog: pytest.LogCaptureFixture) -> None:
    """In one line each, however many they are."""
    record = KeeperRecord()
    record.looked([room("a")], 0.0, 0.0)
    record.looked([room("a")], 16.0, 0.0)
    assert said(caplog) == [("WARNING", "1 room is without a detector for more than 15 s: 'a'")]
    for now in (17.0, 18.0):
        record.looked([room("c"), room("b"), room("a")], now, 0.0)
    assert said(caplog) == []
    record.looked([room("c"), room("b"), room("a")], 33.0, 0.0)
    assert said(caplog) == [("WARNING", "2 rooms are without a detector for more than 15 s: 'b', 'c'")]
    record.looked([room("b", watched=True), room("a")], 34.0, 0.0)
    assert said(caplog) == [("INFO", "no longer without a detector, or over: 'b', 'c'")]


def test_a_server_that_cannot_be_asked_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """Since when is known, and the last reason, until it answers."""
    record = KeeperRecord()
    record.unavailable("refused", 5.0)
    record.unavailable("no answer", 6.0)
    since = [record.unavailable_since]
    assert record.status == KeeperStatus(unavailable="no answer", failed=2)
    assert said(caplog) == [
        ("WARNING", "the LiveKit server cannot be asked about its rooms (refused); the keeper tries again")
    ]
    record.looked([], 7.0, 0.0)
    record.looked([], 8.0, 0.0)
    assert [*since, record.unavailable_since] == [5.0, None]
    assert record.status == KeeperStatus(failed=2, looks=2)
    assert said(caplog) == [("INFO", "the LiveKit server answers again")]


def test_rooms_that_are_left_out_are_logged_when_that_begins(caplog: pytest.LogCaptureFixture) -> None:
    """And again after a look that left out none."""
    record = KeeperRecord()
    for left_out in (0, 2, 3, 0, 1):
        record.looked([], 0.0, 0.0, left_out)
    assert [line.split(" ")[0] for _, line in said(caplog)] == ["2", "1"]


def test_what_was_done_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What failed and what had no place, too."""
    record = KeeperRecord()
    record.performed(RoomAction("a", "RM_a", ("agent-1", "agent-2"), request=True))
    assert said(caplog) == [
        ("INFO", "removed from room 'a': 2 of its detectors"),
        ("INFO", "room 'a' has no detector: a dispatch is requested"),
    ]
    record.performed(RoomAction("a", "RM_a", ("agent-3",)))
    record.performed(RoomAction("b", "RM_b", request=True))
    assert [line.split(" ")[0] for _, line in said(caplog)] == ["removed", "room"]
    for number in range(3):
        record.action_failed(RoomAction("c", "RM_c"), f"fault {number}")
    assert said(caplog)[0] == ("WARNING", "room 'c': what the keeper asked for failed (fault 0)")
    for _ in range(4):
        record.action_postponed()
    assert record.status == KeeperStatus(requested=2, removed=3, failed=3, postponed=4)


def test_a_line_names_five_rooms_and_says_how_many_more_there_are() -> None:
    """Each by a hundred characters at most."""
    assert quoted("abcde"[:NAMED]) == "'a', 'b', 'c', 'd', 'e'"
    assert quoted("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
    assert quoted(["x" * (LONGEST_NAME + 1)]) == repr("x" * LONGEST_NAME)
