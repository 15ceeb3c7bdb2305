"""Turns and their queue, by themselves; the laws of the order are the outbox's."""

from __future__ import annotations

import math

import pytest

from ds_actors.detection.events import Level, Sample
from ds_actors.detection.turns import Deliver, RequestTurn
from ds_actors.detection.uplink.grant_history import GrantHistory
from ds_actors.detection.uplink.turn_queue import Turn, TurnQueue, TurnState


class Queue:
    """A queue with the history of its turns."""

    def __init__(self) -> None:
        self.queue, self.history = TurnQueue(), GrantHistory()
        self.number = 0

    def turn(self, track: str, participant: str, level: Level = Level.CLEAR, *, waits: bool = True) -> Turn:
        request = RequestTurn(track, participant, level, None)
        grants = self.history.track(request)
        self.number += 1
        turn = Turn(request, grants, self.number, grants.last == 0)
        turn.relevel(level)
        if waits:
            self.queue.add(turn)
        return turn

    def with_frame(self, turn: Turn) -> Turn:
        turn.sample = Deliver(turn.request.track, Sample("p", turn.request.track, 0, b"jpeg", 7.0))
        turn.participant.late += 1
        self.queue.with_frame[turn.request.track] = turn
        return turn

    def grant(self) -> str:
        turn = self.queue.most_urgent()
        self.queue.grant(turn)
        self.history.granted(turn.track)
        return turn.request.track


def test_a_turn_is_in_the_class_of_its_level() -> None:
    """A track that was never granted goes before one that was, and evidence puts an alert with the rest."""
    fresh, granted = Queue().turn("A", "alice"), Queue().turn("B", "bob")
    granted.fresh = False
    ranks: dict[Level, int] = {}
    for level in Level:
        fresh.relevel(level)
        ranks[level] = fresh.rank
    assert ranks == {
        Level.CLEAR: 2,
        Level.SUSPICIOUS: 1,
        Level.ALERT: 0,
        Level.ERROR: 2,
        Level.UNKNOWN: 2,
    }
    granted.relevel(Level.CLEAR)
    assert granted.rank == 3
    granted.alerts_first = False
    granted.relevel(Level.ALERT)
    assert granted.rank == 3


def test_a_turn_knows_its_message_its_size_and_its_age() -> None:
    """Of its request until it has a sample, and of none while its capture or its send is under way."""
    queue = Queue()
    turn = queue.turn("A", "alice")
    assert (turn.queued, turn.size, turn.captured_at) == (turn.request, 0, math.inf)
    queue.with_frame(turn)
    assert (turn.queued, turn.size, turn.captured_at) == (turn.sample, 4, 7.0)
    expected = {TurnState.WAITING: True, TurnState.READY: True}
    for state in TurnState:
        turn.state = state
        assert (turn.queued is not None) is expected.get(state, False)


def test_the_queue_counts_what_waits_and_keeps_no_empty_place() -> None:
    """Whether a turn is granted, taken out, or moved to another class."""
    queue = Queue()
    first, second = queue.turn("A1", "alice"), queue.turn("A2", "alice")
    assert len(queue.queue) == 2
    queue.queue.relevel(first, Level.ALERT)
    assert len(queue.queue) == 2
    assert queue.queue.most_urgent() is first
    queue.queue.remove(second)
    queue.queue.grant(first)
    assert (len(queue.queue), first.state) == (0, TurnState.GRANTED)
    assert not any(queue.queue._classes)
    queue.queue.relevel(first, Level.CLEAR)
    assert (first.rank, len(queue.queue)) == (2, 0)
    with pytest.raises(AssertionError, match="nothing waits"):
        queue.queue.most_urgent()


def test_a_frame_that_waits_is_forgotten_with_its_turn() -> None:
    """And no longer counts as a late capture of its participant."""
    queue = Queue()
    turn, other = queue.with_frame(queue.turn("A", "alice")), queue.turn("B", "alice")
    assert turn.participant.late == 1
    queue.queue.drop_frame(other)
    assert turn.participant.late == 1
    queue.queue.grant(turn)
    assert (turn.participant.late, queue.queue.with_frame) == (0, {})
    queue.queue.drop_frame(turn)
    assert turn.participant.late == 0


def test_within_a_class_it_is_the_participants_turn_and_then_the_tracks() -> None:
    """The participant granted longest ago; of their tracks the same, and then the first that asked."""
    queue = Queue()
    for track, who in (("A1", "alice"), ("A2", "alice"), ("B1", "bob")):
        queue.turn(track, who)
    order = [queue.grant() for _ in range(3)]
    assert order == ["A1", "B1", "A2"]
    for track, who in (("A2", "alice"), ("A1", "alice"), ("B1", "bob")):
        queue.turn(track, who)
    assert [queue.grant() for _ in range(3)] == ["B1", "A1", "A2"]


def test_a_frame_that_is_made_goes_first_in_its_class_and_not_before_a_higher_one() -> None:
    """It only gets older; the oldest of several goes first."""
    queue = Queue()
    queue.turn("A", "alice")
    queue.with_frame(queue.turn("B", "bob"))
    queue.with_frame(queue.turn("C", "carol"))
    queue.turn("D", "dave", Level.SUSPICIOUS)
    assert [queue.grant() for _ in range(3)] == ["D", "B", "C"]


def test_every_fourth_turn_is_that_of_the_one_who_waits_longest() -> None:
    """Of its tracks the most urgent; a frame of someone else does not go before it."""
    queue = Queue()
    queue.turn("H1", "honest")
    queue.turn("X", "x")
    assert [queue.grant(), queue.grant()] == ["H1", "X"]
    queue.turn("H1", "honest")
    queue.turn("H2", "honest", Level.SUSPICIOUS)
    for n in range(4):
        queue.with_frame(queue.turn(f"D{n}", f"decoy{n}", Level.ALERT))
    assert [queue.grant() for _ in range(4)] == ["D0", "H2", "D1", "D2"]
    queue.turn("E", "eve", Level.ALERT)
    assert [queue.grant() for _ in range(2)] == ["D3", "H1"]


def test_the_fair_ones_own_frame_goes_first_in_its_class() -> None:
    """Before a request of the same track's class that asked earlier."""
    queue = Queue()
    for n in range(3):
        queue.turn(f"X{n}", "x")
        queue.grant()
    queue.turn("A1", "alice")
    queue.with_frame(queue.turn("A2", "alice"))
    queue.turn("X9", "x", Level.ALERT)
    alice = queue.history.participants["alice"]
    alice.last = 0
    assert queue.grant() == "A2"


def test_a_turn_that_is_added_waits_whatever_it_was() -> None:
    """A grant that came to nothing is a turn like any other."""
    queue = Queue()
    turn = queue.turn("A", "alice")
    queue.grant()
    assert turn.state is TurnState.GRANTED
    queue.queue.add(turn)
    assert (turn.state, turn.queued) == (TurnState.WAITING, turn.request)


@pytest.mark.parametrize("waits", [True, False])
def test_a_new_level_moves_a_turn_to_its_class(waits: bool) -> None:
    """At once where it waits, or for later."""
    queue = Queue()
    queue.turn("A", "alice")
    turn = queue.turn("B", "bob", waits=waits)
    if not waits:
        turn.state = TurnState.GRANTED
    queue.queue.relevel(turn, Level.ALERT)
    assert turn.rank == 0
    assert len(queue.queue) == 1 + waits
    if not waits:
        queue.queue.add(turn)
    assert [queue.grant() for _ in range(2)] == ["B", "A"]
