"""The uplink's mailbox: who may make a sample next, and what became of every one that was due. Pure.

A track asks for a *turn*; turns are granted a few at a time, the most urgent first; only then a frame is captured, so
that nothing stale is ever made. At every moment, for each track and in sum,

    due = sent + dropped (by reason) + waiting + granted

where a turn counts as granted from the grant until its sample has left or was dropped.

Order: ALERT, SUSPICIOUS, never granted, oldest last grant; within a class round-robin by participant, then by track.
Every fourth turn goes to the participant whose last grant is oldest, so that no participant starves the rest.

With a budget, which is the room's, no turn is granted that it does not hold: samples get fewer in this same order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import ClassVar, Final

from attrs import define, frozen

from ds_actors._mailbox import EMPTY, Dropped, Empty, MailboxStatistics
from ds_actors.detection.budget import Budget, TokenBuckets
from ds_actors.detection.events import Level
from ds_actors.detection.turns import CaptureLate, Deliver, GiveUp, OutboxMessage, Relevel, RequestTurn, Withdraw

WINDOW: Final = 8
"""Turns granted at a time."""
LATE_CAPTURES: Final = 2
"""Captures a participant may have under way outside the window."""
AGE_LIMIT: Final = 2.0
"""Seconds from the end of its capture after which a sample is dropped."""
FAIR_EVERY: Final = 4


class _State(Enum):
    WAITING = "waiting"
    GRANTED = "granted"
    LATE = "late"
    """Captured outside the window; its frame will take the next free turn of its class."""
    READY = "ready"
    IN_HAND = "in hand"


_CLASSES: Final = 4
"""ALERT, SUSPICIOUS, never granted, and the rest."""


@define(eq=False)
class _Participant:
    last: int
    """When it was granted last, or else became known: one who leaves and comes back gains nothing by it."""
    tracks: int = 0
    late: int = 0
    """Turns outside the window: captures under way, and frames that wait for the next free turn."""


@define(eq=False)
class _Track:
    name: str
    participant: _Participant
    last: int = 0


@define(eq=False)
class _Turn:
    request: RequestTurn
    participant: _Participant
    number: int
    fresh: bool
    """The track had never been granted a turn when it asked for this one."""
    rank: int = 0
    state: _State = _State.WAITING
    sample: Deliver | None = None
    reserved: bool = False
    """The budget has what one sample is reckoned at set aside for it."""
    withdrawn: str | None = None
    """Why its track was withdrawn while its sample was in hand."""

    def relevel(self, level: Level) -> None:
        if level.elevated:
            self.rank = 0 if level is Level.ALERT else 1
        else:
            self.rank = 2 if self.fresh else 3


@frozen
class OutboxAccount:
    """What became of the samples that were due."""

    due: int
    sent: int
    dropped: Mapping[str, int]
    waiting: int
    granted: int


_last: Final = attrgetter("last")


class Outbox:
    """One turn a track at most; memory grows with the live tracks only."""

    timed: ClassVar[bool] = True

    def __init__(self, *, window: int = WINDOW, age_limit: float = AGE_LIMIT, budget: Budget | None = None) -> None:
        self._buckets = None if budget is None else TokenBuckets(budget)
        self._window = window
        self._age_limit = age_limit
        self._turns: dict[str, _Turn] = {}
        self._classes: tuple[dict[_Participant, dict[str, _Turn]], ...] = tuple({} for _ in range(_CLASSES))
        self._waiting = 0
        self._made: dict[str, _Turn] = {}  # waiting turns that have their frame, oldest first
        self._ready: deque[_Turn] = deque()
        self._in_hand: _Turn | None = None
        self._told: dict[str, _Turn] = {}  # granted turns whose request is not settled yet
        self._open = 0  # turns that hold a place in the window
        self._grants = self._requests = self._clock = 0
        self._tracks: dict[str, _Track] = {}
        self._participants: dict[str, _Participant] = {}
        self._due = self._sent = self._offered = self._refused = self._handled = self._dead = 0
        self._dropped: Counter[str] = Counter()
        self._messages_dropped: Counter[str] = Counter()

    # ---- the mailbox

    def has_room(self, _message: OutboxMessage, /) -> bool:
        """Always: the bound is one turn a track."""
        return True

    def put(self, message: OutboxMessage, now: float, /) -> Dropped[OutboxMessage] | None:
        """Apply a message; a request is refused as "superseded", a late capture as "no_frame", a sample as "stale"."""
        self._offered += 1
        if self._ready or self._made:
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
                    self._relevel(turn, level)
            case GiveUp(_, reason):
                if turn is not None and turn.state in (_State.GRANTED, _State.LATE):
                    self._drop(turn, reason)
            case Withdraw(track, reason, for_good):
                if turn is self._in_hand and turn is not None:
                    turn.withdrawn = reason
                elif turn is not None:
                    self._drop(turn, reason)
                if for_good:
                    self._forget(track)
        return None

    def take(self, now: float, /) -> RequestTurn | Deliver | Empty:
        """Take the next fresh sample in hand, or grant the most urgent turn and return its request, or EMPTY."""
        if self._in_hand is not None:
            return EMPTY
        if self._ready or self._made:
            self._expire(now)
        if self._ready:
            turn = self._ready.popleft()
        elif self._waiting and self._open < self._window:
            turn = self._most_urgent()
            if not self._reserve(turn, now):
                return EMPTY
            self._grant(turn)
            if turn.sample is None:
                self._told[turn.request.track] = turn
                return turn.request
        else:
            return EMPTY
        assert turn.sample is not None
        turn.state = _State.IN_HAND
        self._in_hand = turn
        return turn.sample

    def ready_at(self, now: float, /) -> float | None:
        """Return when the budget holds enough for the turn that waits; None when nothing waits for that."""
        if self._buckets is None or not self._waiting or self._in_hand is not None or self._open >= self._window:
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
        told = self._told.get(message.track)
        if told is not None and told.request is message:
            self._heard(told)

    def interrupted(self, now: float, /) -> Iterable[Dropped[OutboxMessage]]:
        """The connection died in mid-send: put the sample back in front while it is fresh and wanted."""
        for told in tuple(self._told.values()):
            # The grantee may not have been told: the turn waits again instead of holding a place forever.
            del self._told[told.request.track]
            self._open -= 1
            self._wait(told)
        turn, self._in_hand = self._in_hand, None
        if turn is None:
            return ()
        assert turn.sample is not None
        reason = turn.withdrawn or ("stale" if self._is_stale(turn, now) else None)
        turn.state = _State.READY
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
            queued=self._waiting + len(self._ready),
            in_hand=len(self._told) + (self._in_hand is not None),
            dropped=MappingProxyType(dict(self._messages_dropped)),
        )

    def account(self) -> OutboxAccount:
        """Return what became of every sample that was due."""
        granted = len(self._turns) - self._waiting
        return OutboxAccount(self._due, self._sent, MappingProxyType(dict(self._dropped)), self._waiting, granted)

    # ---- turns

    def _request(self, message: RequestTurn) -> Dropped[OutboxMessage] | None:
        self._due += 1
        if message.track in self._turns:
            self._dropped["superseded"] += 1
            return Dropped(message, "superseded")
        track = self._tracks.get(message.track)
        if track is None or track.name != message.participant:
            self._forget(message.track)
            track = self._know(message)
        self._requests += 1
        turn = _Turn(message, track.participant, self._requests, track.last == 0)
        turn.relevel(message.level)
        self._turns[message.track] = turn
        self._wait(turn)
        return None

    def _deliver(self, turn: _Turn | None, message: Deliver, now: float) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state not in (_State.GRANTED, _State.LATE):
            return Dropped(message, "no_turn")
        if now - message.sample.captured_at >= self._age_limit:
            self._drop(turn, "stale")
            return Dropped(message, "stale")
        self._heard(turn)
        turn.sample = message
        if turn.state is _State.GRANTED:
            turn.state = _State.READY
            self._ready.append(turn)
        else:
            self._made[turn.request.track] = turn
            self._wait(turn)
        return None

    def _capture_late(self, turn: _Turn | None, message: CaptureLate) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state is not _State.GRANTED:
            return Dropped(message, "no_turn")
        if turn.participant.late >= LATE_CAPTURES:
            self._drop(turn, "no_frame")
            return Dropped(message, "no_frame")
        self._heard(turn)
        turn.participant.late += 1
        self._open -= 1
        turn.state = _State.LATE
        return None

    def _relevel(self, turn: _Turn, level: Level) -> None:
        if turn.state is _State.WAITING:
            self._unwait(turn)
            turn.relevel(level)
            self._wait(turn)
        else:
            turn.relevel(level)

    def _heard(self, turn: _Turn) -> None:
        if self._told.pop(turn.request.track, None) is not None:
            self._handled += 1

    def _reserve(self, turn: _Turn, now: float) -> bool:
        """Set a sample's cost aside for the turn, which keeps it until its sample is sent or dropped."""
        if self._buckets is not None and not turn.reserved:
            if self._buckets.ready_at(now) > now:
                return False
            self._buckets.reserve(now)
            turn.reserved = True
        return True

    def _grant(self, turn: _Turn) -> None:
        self._unwait(turn)
        if self._made.pop(turn.request.track, None) is not None:
            turn.participant.late -= 1
        turn.state = _State.GRANTED
        self._open += 1
        self._grants += 1
        self._clock += 1
        turn.participant.last = self._tracks[turn.request.track].last = self._clock

    def _wait(self, turn: _Turn) -> None:
        turn.state = _State.WAITING
        self._waiting += 1
        self._classes[turn.rank].setdefault(turn.participant, {})[turn.request.track] = turn

    def _unwait(self, turn: _Turn) -> None:
        self._waiting -= 1
        waiting = self._classes[turn.rank][turn.participant]
        del waiting[turn.request.track]
        if not waiting:
            del self._classes[turn.rank][turn.participant]

    def _most_urgent(self) -> _Turn:
        if self._waiting == 1:
            return self._only()
        chosen: _Participant | None = None
        if (self._grants + 1) % FAIR_EVERY == 0:
            # Each fair turn moves its participant behind all others, and who comes later starts behind them: at most
            # n - 1 fair turns go to others while one waits, hence 4n grants.
            chosen = min(chain.from_iterable(self._classes), key=_last)
        for rank, waiting in enumerate(self._classes):
            if not waiting or (chosen is not None and chosen not in waiting):
                continue
            # A frame that is made already goes first in its class: it only gets older.
            for turn in self._made.values():
                if turn.rank == rank and chosen in (None, turn.participant):
                    return turn
            participant = min(waiting, key=_last) if chosen is None else chosen
            return min(waiting[participant].values(), key=self._track_order)
        raise AssertionError("nothing waits")

    def _only(self) -> _Turn:
        for waiting in self._classes:
            for turns in waiting.values():
                for turn in turns.values():
                    return turn
        raise AssertionError("nothing waits")

    def _track_order(self, turn: _Turn) -> tuple[int, int]:
        return self._tracks[turn.request.track].last, turn.number

    def _is_stale(self, turn: _Turn, now: float) -> bool:
        return turn.sample is not None and now - turn.sample.sample.captured_at >= self._age_limit

    def _expire(self, now: float) -> None:
        for turn in [one for one in chain(self._ready, self._made.values()) if self._is_stale(one, now)]:
            self._drop(turn, "stale")

    def _queued(self, turn: _Turn) -> OutboxMessage | None:
        """Return the message of a turn that waits in the mailbox; None while its capture is under way."""
        if turn.state in (_State.WAITING, _State.READY):
            return turn.sample or turn.request
        return None

    def _drop(self, turn: _Turn, reason: str) -> None:
        if self._queued(turn) is not None:
            self._messages_dropped[reason] += 1
        self._dropped[reason] += 1
        self._remove(turn)

    def _remove(self, turn: _Turn) -> None:
        if turn.reserved and self._buckets is not None:
            self._buckets.give_back()
        track = turn.request.track
        del self._turns[track]
        self._heard(turn)
        if self._made.pop(track, None) is not None or turn.state is _State.LATE:
            turn.participant.late -= 1
        match turn.state:
            case _State.WAITING:
                self._unwait(turn)
            case _State.LATE:
                pass
            case _State.READY:
                self._ready.remove(turn)
                self._open -= 1
            case _:
                self._open -= 1

    # ---- who is known

    def _know(self, message: RequestTurn) -> _Track:
        participant = self._participants.get(message.participant)
        if participant is None:
            self._clock += 1
            participant = self._participants[message.participant] = _Participant(self._clock)
        participant.tracks += 1
        track = self._tracks[message.track] = _Track(message.participant, participant)
        return track

    def _forget(self, name: str) -> None:
        track = self._tracks.pop(name, None)
        if track is not None:
            track.participant.tracks -= 1
            if not track.participant.tracks:
                del self._participants[track.name]
