"""Laws of a sink's mailbox: order within a track, tracks side by side, and what a full one gives up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ds_actors._mailbox import EMPTY, Refused
from ds_actors.detection.events import Level, ResultEvent, ResultType
from ds_actors.detection.sinks._queue import SinkQueue

types = st.sampled_from([ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT, ResultType.ERROR])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), types, st.sampled_from([Level.CLEAR, Level.ALERT])),
        st.tuples(st.sampled_from(["take", "settle", "interrupt"]), st.integers(0, 3), types, st.none()),
    ),
    max_size=80,
)


def event(number: int, track: int, kind: ResultType, previous: Level) -> ResultEvent:
    return ResultEvent(kind, f"p{track}", f"T{track}", "", number, previous_level=previous)


@given(actions)
def test_order_bounds_and_counts_hold_at_every_moment(script: list[tuple[str, int, ResultType, Level | None]]) -> None:
    """Events of a track keep their order, at most one per track is in hand, bounds hold, all are counted once."""
    queue = SinkQueue(per_track=3, at_once=2)
    hand: dict[str, ResultEvent] = {}
    last: dict[str, int] = {}
    for number, (action, track, kind, previous) in enumerate(script):
        if action == "put" and previous is not None:
            offered = event(number, track, kind, previous)
            had_room = queue.has_room(offered)
            cost = queue.put(offered)
            assert had_room == (not isinstance(cost, Refused))
        elif action == "take":
            got = queue.take()
            if got is not EMPTY:
                assert got.track_id not in hand
                assert got.timestamp_ms > last.get(got.track_id, -1)
                hand[got.track_id] = got
                last[got.track_id] = got.timestamp_ms
        elif action == "settle" and hand:
            queue.settle(hand.pop(next(iter(hand))))
        elif action == "interrupt":
            assert {loss.what for loss in queue.interrupted()} == set(hand.values())
            hand.clear()
        s = queue.statistics()
        assert len(hand) == s.in_hand <= 2
        assert s.queued <= 4 * 3
        assert s.accepted == s.handled + s.failed + sum(s.dropped.values()) + s.dead + s.queued + s.in_hand


def test_the_least_valuable_event_goes_first() -> None:
    """The oldest without a change of level, then the oldest that is not an ALERT, then the oldest."""
    queue = SinkQueue(per_track=3)
    kinds = [
        (ResultType.ALERT, Level.CLEAR),
        (ResultType.SUSPICIOUS, Level.ALERT),
        (ResultType.SUSPICIOUS, Level.SUSPICIOUS),
        (ResultType.ALERT, Level.SUSPICIOUS),
        (ResultType.ALERT, Level.CLEAR),
        (ResultType.ALERT, Level.CLEAR),
    ]
    dropped = [queue.put(event(n, 0, kind, previous)) for n, (kind, previous) in enumerate(kinds)]
    assert [None if loss is None else loss.what.timestamp_ms for loss in dropped] == [None, None, None, 2, 1, 0]


def test_an_event_that_is_itself_the_least_valuable_is_refused() -> None:
    """It displaces no change of level, and the sender is notified of the refusal."""
    queue = SinkQueue(per_track=1)
    queue.put(event(0, 0, ResultType.SUSPICIOUS, Level.CLEAR))
    repeat = event(1, 0, ResultType.SUSPICIOUS, Level.SUSPICIOUS)
    cost = queue.put(repeat)
    assert cost is not None
    assert cost.what is repeat
    assert (queue.statistics().refused, queue.statistics().queued) == (1, 1)


def test_a_track_that_waits_on_its_event_in_hand_delays_no_other() -> None:
    """Sixteen tracks are served side by side, and the next of one comes after it is settled."""
    queue = SinkQueue()
    for number in range(2):
        for track in range(17):
            queue.put(event(number, track, ResultType.ALERT, Level.CLEAR))
    hand = [queue.take() for _ in range(17)]
    assert hand[16] is EMPTY
    first = hand[0]
    assert first is not EMPTY
    queue.settle(first)
    following = queue.take()
    assert following is not EMPTY
    assert following.track_id == "T16"
