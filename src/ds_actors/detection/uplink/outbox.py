"""The uplink's mailbox: which track may make a sample next, and what became of every sample that was due. Pure.

A track asks for a *turn*. A few turns are granted at a time, the most urgent first (`turn_queue` has the order). Only
then a frame is captured, so that no sample is stale when it is made. At every moment, per track and in total,

    due = sent + dropped (by reason) + waiting + granted

where a turn counts as granted from the grant until its sample was sent or dropped.

A budget belongs to the room. A turn that would exceed it is not granted, so samples become fewer in the same order.
The same holds for a slow link: turns are granted, and samples sent, only as fast as it carries them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import ClassVar, Final

from ds_actors._mailbox import EMPTY, Dropped, Empty, MailboxStatistics, Refused
from ds_actors.detection.budget import Budget, TokenBuckets
from ds_actors.detection.turns import (
    CaptureLate,
    Deliver,
    GiveUp,
    LinkConfirmed,
    OutboxMessage,
    Relevel,
    RequestTurn,
    TurnMessage,
    Withdraw,
)
from ds_actors.detection.uplink.grant_history import GrantHistory
from ds_actors.detection.uplink.link_pace import ARRIVES_WITHIN, TOO_SLOW, LinkPace
from ds_actors.detection.uplink.outbox_counts import OutboxAccount, OutboxCounts
from ds_actors.detection.uplink.turn_queue import Turn, TurnQueue, TurnState

WINDOW: Final = 8
"""Turns granted at a time."""
LATE_CAPTURES: Final = 2
"""Captures a participant may have under way outside the window."""
AGE_LIMIT: Final = ARRIVES_WITHIN
"""Seconds from the end of its capture after which a sample is dropped."""


class Outbox:
    """At most one turn per track, so memory grows with the live tracks only."""

    timed: ClassVar[bool] = True

    def __init__(
        self,
        *,
        window: int = WINDOW,
        age_limit: float = AGE_LIMIT,
        budget: Budget | None = None,
        link: LinkPace | None = None,
        alerts_first: bool = True,
    ) -> None:
        self._link = link
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
        self._counts = OutboxCounts()

    # ---- the mailbox

    def has_room(self, _message: OutboxMessage, /) -> bool:
        """Always: the bound is one turn per track."""
        return True

    def put(self, message: OutboxMessage, now: float, /) -> Dropped[OutboxMessage] | None:
        """Apply a message; a request is refused as "superseded", a late capture as "no_frame", a sample as "stale"."""
        self._counts.offered += 1
        if isinstance(message, LinkConfirmed):  # it only has the uplink look again
            self._counts.handled += 1
            return None
        if self._ready or self._queue.with_frame:
            self._expire(now)
        cost = self._apply(message, now)
        if cost is not None:
            self._counts.refused += 1
        elif not isinstance(message, (RequestTurn, Deliver)):
            self._counts.handled += 1
        return cost

    def _apply(self, message: TurnMessage, now: float) -> Dropped[OutboxMessage] | None:
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
        while (turn := self._next(now)) is not None:
            if turn.sample is None:
                self._unsettled[turn.request.track] = turn
                return turn.request
            if self._link is None or not self._link.arrives_late(turn.size, turn.captured_at, now):
                self._ready.popleft()
                turn.state = TurnState.IN_HAND
                self._in_hand = turn
                return turn.sample
            self._link.refused(turn.size, now)
            self._drop(turn, TOO_SLOW)
        return EMPTY

    def _next(self, now: float) -> Turn | None:
        """Return the oldest sample that is ready, or grant the most urgent turn; None when neither may be sent."""
        if not self._ready:
            if not self._queue or self._open >= self._window or not self._link_is_free(now, self._open):
                return None
            turn = self._queue.most_urgent()
            if not self._reserve(turn, now):
                return None
            self._grant(turn)
            if turn.sample is None:
                return turn
            turn.state = TurnState.READY
            self._ready.append(turn)
        return self._ready[0] if self._link_is_free(now, 0) else None

    def _link_is_free(self, now: float, made: int) -> bool:
        return self._link is None or self._link.is_free(now, made)

    def ready_at(self, now: float, /) -> float | None:
        """Return when the link or the budget allows more, `now` if they do already; None when nothing waits for that.

        They may have begun to since the last `take`, whose clock was earlier.
        """
        waits = bool(self._queue) and self._open < self._window
        if self._in_hand is not None or not (waits or self._ready):
            return None
        made = 0 if self._ready else self._open
        if self._link is not None and not self._link.is_free(now, made):
            return self._link.free_at(now, made)
        return self._buckets.ready_at(now) if self._buckets is not None and not self._ready else now

    def settle(self, message: OutboxMessage, _now: float, /) -> None:
        """Count a sample in hand as sent, or a request as handed to its grantee."""
        assert not isinstance(message, LinkConfirmed)
        turn = self._in_hand
        if turn is not None and turn.sample is message:
            if self._buckets is not None and isinstance(message, Deliver):
                turn.reserved = False
                self._buckets.settle(len(message.sample.data))
            self._in_hand = None
            self._counts.sent += 1
            self._counts.handled += 1
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
            if turn.queued is not None:
                dead.append(turn.queued)
            self._counts.dropped["closed"] += 1
            self._remove(turn)
        self._counts.dead += len(dead)
        return dead

    def statistics(self) -> MailboxStatistics:
        """Return the counts of messages; `account` has those of samples."""
        return self._counts.statistics(
            capacity=self._window,
            queued=len(self._queue) + len(self._ready),
            in_hand=len(self._unsettled) + (self._in_hand is not None),
        )

    def account(self) -> OutboxAccount:
        """Return what became of every sample that was due."""
        return self._counts.account(waiting=self.waiting, granted=len(self._turns) - self.waiting)

    @property
    def waiting(self) -> int:
        """The turns that wait to be granted."""
        return len(self._queue)

    # ---- turns

    def _request(self, message: RequestTurn) -> Dropped[OutboxMessage] | None:
        self._counts.due += 1
        if message.track in self._turns:
            self._counts.dropped["superseded"] += 1
            return Refused(message, "superseded")
        track = self._history.track(message)
        self._requests += 1
        turn = Turn(message, track, self._requests, track.last == 0, self._alerts_first)
        turn.relevel(message.level)
        self._turns[message.track] = turn
        self._queue.add(turn)
        return None

    def _deliver(self, turn: Turn | None, message: Deliver, now: float) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state not in (TurnState.GRANTED, TurnState.LATE):
            return Refused(message, "no_turn")
        if now - message.sample.captured_at >= self._age_limit:
            self._drop(turn, "stale")
            return Refused(message, "stale")
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
            return Refused(message, "no_turn")
        if turn.participant.late >= LATE_CAPTURES:
            self._drop(turn, "no_frame")
            return Refused(message, "no_frame")
        self._request_handled(turn)
        turn.participant.late += 1
        self._open -= 1
        turn.state = TurnState.LATE
        return None

    def _request_handled(self, turn: Turn) -> None:
        if self._unsettled.pop(turn.request.track, None) is not None:
            self._counts.handled += 1

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
        return now - turn.captured_at >= self._age_limit

    def _expire(self, now: float) -> None:
        for turn in [due for due in chain(self._ready, self._queue.with_frame.values()) if self._is_stale(due, now)]:
            self._drop(turn, "stale")

    def _drop(self, turn: Turn, reason: str) -> None:
        if turn.queued is not None:
            self._counts.messages_dropped[reason] += 1
        self._counts.dropped[reason] += 1
        self._remove(turn)

    def _remove(self, turn: Turn) -> None:
        if turn.reserved and self._buckets is not None:
            self._buckets.give_back()
        track = turn.request.track
        del self._turns[track]
        self._request_handled(turn)
        self._queue.drop_frame(turn)
        match turn.state:
            case TurnState.WAITING:
                self._queue.remove(turn)
            case TurnState.LATE:
                turn.participant.late -= 1
            case TurnState.READY:
                self._ready.remove(turn)
                self._open -= 1
            case _:
                self._open -= 1
