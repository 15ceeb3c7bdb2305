"""The uplink's mailbox: which track may make a sample next, and what became of every sample that was due. Pure.

A track asks for a *turn*. A few turns are granted at a time, the most urgent first (`turn_queue` has the order). Only
then a frame is captured, so that no sample is stale when it is made. At every moment, per track and in total,

    due = sent + dropped (by reason) + waiting + granted

where a turn counts as granted from the grant until its sample was sent or dropped.

A budget belongs to the room. A turn that would exceed it is not granted, so samples become fewer in the same order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import ClassVar, Final

from attrs import frozen

from ds_actors._mailbox import EMPTY, Dropped, Empty, MailboxStatistics
from ds_actors.detection.budget import Budget, TokenBuckets
from ds_actors.detection.turns import CaptureLate, Deliver, GiveUp, OutboxMessage, Relevel, RequestTurn, Withdraw
from ds_actors.detection.uplink.grant_history import GrantHistory
from ds_actors.detection.uplink.turn_queue import Turn, TurnQueue, TurnState

WINDOW: Final = 8
"""Turns granted at a time."""
LATE_CAPTURES: Final = 2
"""Captures a participant may have under way outside the window."""
AGE_LIMIT: Final = 2.0
"""Seconds from the end of its capture after which a sample is dropped."""


@frozen
class OutboxAccount:
    """What became of the samples that were due."""

    due: int
    sent: int
    dropped: Mapping[str, int]
    waiting: int
    granted: int


class Outbox:
    """At most one turn per track, so memory grows with the live tracks only."""

    timed: ClassVar[bool] = True

    def __init__(
        self,
        *,
        window: int = WINDOW,
        age_limit: float = AGE_LIMIT,
        budget: Budget | None = None,
        alerts_first: bool = True,
    ) -> None:
        self._alerts_first = alerts_first
        self._buckets = None if budget is None else TokenBuckets(budget)
        self._window = window
        self._age_limit = age_limit
        self._turns: dict[str, Turn] = {}
        self._queue = TurnQueue()
        self._history = GrantHistory()
        self._ready: deque[Turn] = deque()
        self._in_hand: Turn | None = None
        self._unsettled: dict[str, Turn] = {}  # granted turns whose request is not settled yet
        self._open = 0  # turns that hold a place in the window
        self._requests = 0
        self._due = self._sent = self._offered = self._refused = self._handled = self._dead = 0
        self._dropped: Counter[str] = Counter()
        self._messages_dropped: Counter[str] = Counter()

    # ---- the mailbox

    def has_room(self, _message: OutboxMessage, /) -> bool:
        """Always: the bound is one turn per track."""
        return True

    def put(self, message: OutboxMessage, now: float, /) -> Dropped[OutboxMessage] | None:
        """Apply a message; a request is refused as "superseded", a late capture as "no_frame", a sample as "stale"."""
        self._offered += 1
        if self._ready or self._queue.with_frame:
            self._expire(now)
        cost = self._apply(message, now)
        if cost is not None:
            self._refused += 1
        elif not isinstance(message, (RequestTurn, Deliver)):
            self._handled += 1
        return cost

    def _apply(self, message: OutboxMessage, now: float) -> Dropped[OutboxMessage] | None:
        turn = self._turns.get(message.track)
        match message:
            case RequestTurn():
                return self._request(message)
            case Deliver():
                return self._deliver(turn, message, now)
            case CaptureLate():
                return self._capture_late(turn, message)
            case Relevel(_, level):
                if turn is not None:
                    self._queue.relevel(turn, level)
            case GiveUp(_, reason):
                if turn is not None and turn.state in (TurnState.GRANTED, TurnState.LATE):
                    self._drop(turn, reason)
            case Withdraw(track, reason, for_good):
                if turn is self._in_hand and turn is not None:
                    turn.withdrawn = reason
                elif turn is not None:
                    self._drop(turn, reason)
                if for_good:
                    self._history.forget(track)
        return None

    def take(self, now: float, /) -> RequestTurn | Deliver | Empty:
        """Take the next fresh sample in hand, or grant the most urgent turn and return its request, or EMPTY."""
        if self._in_hand is not None:
            return EMPTY
        if self._ready or self._queue.with_frame:
            self._expire(now)
        if self._ready:
            turn = self._ready.popleft()
        elif self._queue and self._open < self._window:
            turn = self._queue.most_urgent()
            if not self._reserve(turn, now):
                return EMPTY
            self._grant(turn)
            if turn.sample is None:
                self._unsettled[turn.request.track] = turn
                return turn.request
        else:
            return EMPTY
        assert turn.sample is not None
        turn.state = TurnState.IN_HAND
        self._in_hand = turn
        return turn.sample

    def ready_at(self, now: float, /) -> float | None:
        """Return when the budget holds enough for the turn that waits; None when nothing waits for that."""
        if self._buckets is None or not self._queue or self._in_hand is not None or self._open >= self._window:
            return None
        return self._buckets.ready_at(now)

    def settle(self, message: OutboxMessage, _now: float, /) -> None:
        """Count a sample in hand as sent, or a request as handed to its grantee."""
        turn = self._in_hand
        if turn is not None and turn.sample is message:
            if self._buckets is not None and isinstance(message, Deliver):
                turn.reserved = False
                self._buckets.settle(len(message.sample.data))
            self._in_hand = None
            self._sent += 1
            self._handled += 1
            self._remove(turn)
            return
        granted = self._unsettled.get(message.track)
        if granted is not None and granted.request is message:
            self._request_handled(granted)

    def interrupted(self, now: float, /) -> Iterable[Dropped[OutboxMessage]]:
        """The connection died in mid-send: put the sample back in front while it is fresh and wanted."""
        for granted in tuple(self._unsettled.values()):
            # The grantee may not know about the grant: the turn waits again instead of holding a place forever.
            del self._unsettled[granted.request.track]
            self._open -= 1
            self._queue.add(granted)
        turn, self._in_hand = self._in_hand, None
        if turn is None:
            return ()
        assert turn.sample is not None
        reason = turn.withdrawn or ("stale" if self._is_stale(turn, now) else None)
        turn.state = TurnState.READY
        self._ready.appendleft(turn)
        if reason is None:
            return ()
        self._drop(turn, reason)
        return (Dropped(turn.sample, reason),)

    def close(self, _now: float, /) -> Iterable[OutboxMessage]:
        """Drop all that is left as "closed", and return the messages that still waited."""
        rest = [turn for turn in self._turns.values() if turn is not self._in_hand]
        dead: list[OutboxMessage] = []
        for turn in rest:
            message = self._queued(turn)
            if message is not None:
                dead.append(message)
            self._dropped["closed"] += 1
            self._remove(turn)
        self._dead += len(dead)
        return dead

    def statistics(self) -> MailboxStatistics:
        """Return the counts of messages; `account` has those of samples."""
        return MailboxStatistics(
            capacity=self._window,
            offered=self._offered,
            refused=self._refused,
            handled=self._handled,
            dead=self._dead,
            queued=len(self._queue) + len(self._ready),
            in_hand=len(self._unsettled) + (self._in_hand is not None),
            dropped=MappingProxyType(dict(self._messages_dropped)),
        )

    def account(self) -> OutboxAccount:
        """Return what became of every sample that was due."""
        granted = len(self._turns) - len(self._queue)
        return OutboxAccount(self._due, self._sent, MappingProxyType(dict(self._dropped)), len(self._queue), granted)

    # ---- turns

    def _request(self, message: RequestTurn) -> Dropped[OutboxMessage] | None:
        self._due += 1
        if message.track in self._turns:
            self._dropped["superseded"] += 1
            return Dropped(message, "superseded")
        track = self._history.track(message)
        self._requests += 1
        turn = Turn(message, track, self._requests, track.last == 0, self._alerts_first)
        turn.relevel(message.level)
        self._turns[message.track] = turn
        self._queue.add(turn)
        return None

    def _deliver(self, turn: Turn | None, message: Deliver, now: float) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state not in (TurnState.GRANTED, TurnState.LATE):
            return Dropped(message, "no_turn")
        if now - message.sample.captured_at >= self._age_limit:
            self._drop(turn, "stale")
            return Dropped(message, "stale")
        self._request_handled(turn)
        turn.sample = message
        if turn.state is TurnState.GRANTED:
            turn.state = TurnState.READY
            self._ready.append(turn)
        else:
            self._queue.with_frame[turn.request.track] = turn
            self._queue.add(turn)
        return None

    def _capture_late(self, turn: Turn | None, message: CaptureLate) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state is not TurnState.GRANTED:
            return Dropped(message, "no_turn")
        if turn.participant.late >= LATE_CAPTURES:
            self._drop(turn, "no_frame")
            return Dropped(message, "no_frame")
        self._request_handled(turn)
        turn.participant.late += 1
        self._open -= 1
        turn.state = TurnState.LATE
        return None

    def _request_handled(self, turn: Turn) -> None:
        if self._unsettled.pop(turn.request.track, None) is not None:
            self._handled += 1

    def _reserve(self, turn: Turn, now: float) -> bool:
        """Set a sample's cost aside for the turn until its sample is sent or dropped."""
        if self._buckets is not None and not turn.reserved:
            if self._buckets.ready_at(now) > now:
                return False
            self._buckets.reserve(now)
            turn.reserved = True
        return True

    def _grant(self, turn: Turn) -> None:
        self._queue.grant(turn)
        self._history.granted(turn.track)
        self._open += 1

    def _is_stale(self, turn: Turn, now: float) -> bool:
        return turn.sample is not None and now - turn.sample.sample.captured_at >= self._age_limit

    def _expire(self, now: float) -> None:
        for turn in [due for due in chain(self._ready, self._queue.with_frame.values()) if self._is_stale(due, now)]:
            self._drop(turn, "stale")

    def _queued(self, turn: Turn) -> OutboxMessage | None:
        """Return the message of a turn that waits in the mailbox; None while its capture is under way."""
        if turn.state in (TurnState.WAITING, TurnState.READY):
            return turn.sample or turn.request
        return None

    def _drop(self, turn: Turn, reason: str) -> None:
        if self._queued(turn) is not None:
            self._messages_dropped[reason] += 1
        self._dropped[reason] += 1
        self._remove(turn)

    def _remove(self, turn: Turn) -> None:
        if turn.reserved and self._buckets is not None:
            self._buckets.give_back()
        track = turn.request.track
        del self._turns[track]
        self._request_handled(turn)
        if not self._queue.drop_frame(turn) and turn.state is TurnState.LATE:
            turn.participant.late -= 1
        match turn.state:
            case TurnState.WAITING:
                self._queue.remove(turn)
            case TurnState.LATE:
                pass
            case TurnState.READY:
                self._ready.remove(turn)
                self._open -= 1
            case _:
                self._open -= 1
