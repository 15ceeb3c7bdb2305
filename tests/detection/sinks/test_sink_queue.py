"""A sink's mailbox, step by step; the laws are in tests/laws."""

from __future__ import annotations

from ds_actors._mailbox import EMPTY
from ds_actors.detection.events import Level, ResultEvent, ResultType
from ds_actors.detection.sinks._queue import SinkQueue


def event(track: str, number: int = 0) -> ResultEvent:
    return ResultEvent(ResultType.ALERT, "p", track, "", number, previous_level=Level.CLEAR)


def test_a_track_is_held_while_its_event_waits_or_is_in_hand() -> None:
    """Not before, and not after it was delivered."""
    queue = SinkQueue()
    assert not queue.holds("A")
    first, second = event("A", 1), event("A", 2)
    queue.put(first)
    assert queue.holds("A")
    assert not queue.holds("B")
    assert queue.take() is first
    assert queue.holds("A")
    queue.put(second)
    queue.settle(first)
    assert queue.holds("A")
    assert queue.take() is second
    queue.settle(second)
    assert not queue.holds("A")


def test_an_error_changes_no_level_and_goes_before_any_change() -> None:
    """Its own level differs from the track's, but it leaves that as it is."""
    queue = SinkQueue(per_track=2)
    change = ResultEvent(ResultType.SUSPICIOUS, "p", "A", "", 1, previous_level=Level.CLEAR)
    error = ResultEvent(ResultType.ERROR, "p", "A", "", 2, previous_level=Level.SUSPICIOUS)
    assert [queue.put(waiting) for waiting in (change, error)] == [None, None]
    dropped = queue.put(event("A", 3))
    assert dropped is not None
    assert dropped.what is error


def test_a_track_goes_on_after_its_event_was_delivered_or_lost() -> None:
    """With the next one, in its turn behind the tracks that waited."""
    queue = SinkQueue(at_once=1)
    first, second, third, other = event("A", 1), event("A", 2), event("A", 3), event("B", 1)
    for waiting in (first, second, third, other):
        queue.put(waiting)
    assert queue.take() is first
    queue.settle(first)
    assert queue.take() is other
    queue.settle(other)
    assert queue.take() is second
    assert [loss.what for loss in queue.interrupted()] == [second]
    assert queue.take() is third
    assert queue.take() is EMPTY
    queue.settle(third)
    assert queue.take() is EMPTY


def test_what_is_lost_without_a_next_event_asks_for_no_turn() -> None:
    """The reason is given, and it counts as failed."""
    queue = SinkQueue()
    queue.put(event("A"))
    queue.take()
    assert [loss.reason for loss in queue.interrupted()] == ["interrupted"]
    assert queue.take() is EMPTY
    assert queue.statistics().failed == 1


def test_closing_returns_what_waited_and_counts_it_as_dead() -> None:
    """What is in hand is not among it; nothing can be taken any more."""
    queue = SinkQueue()
    first, second, other = event("A", 1), event("A", 2), event("B", 1)
    for waiting in (first, second, other):
        queue.put(waiting)
    assert queue.take() is first
    assert list(queue.close()) == [second, other]
    queue.settle(first)
    assert queue.take() is EMPTY
    statistics = queue.statistics()
    assert (statistics.dead, statistics.handled, statistics.queued, statistics.in_hand) == (2, 1, 0, 0)
