"""The uplink's mailbox: who may make a sample next, and what became of every one that was due. Pure.

A track asks for a *turn*; turns are granted a few at a time, the most urgent first; only then a frame is captured, so
that nothing stale is ever made. At every moment, for each track and in sum,

    due = sent + dropped (by reason) + waiting + granted

where a turn counts as granted from the grant until its sample has left or was dropped.

Order: ALERT, SUSPICIOUS, never granted, oldest last grant; within a class round-robin by participant, then by track.
Every fourth turn goes to the participant whose last grant is oldest, so that nobody starves the rest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from attrs import define, field, frozen

from ds_actors._mailbox import EMPTY, Dropped, Empty, MailboxStatistics
from ds_actors.detection.events import Level, Sample

WINDOW: Final = 8
"""Turns granted at a time."""
LATE_CAPTURES: Final = 2
"""Captures a participant may have under way outside the window."""
AGE_LIMIT: Final = 2.0
"""Seconds from the end of its capture after which a sample is dropped."""
FAIR_EVERY: Final = 4


@frozen
class RequestTurn:
    """A sample of this track is due."""

    track: str
    participant: str
    level: Level
    grantee: Any = field(repr=False, eq=False)
    """Whom the uplink tells when the turn is granted."""


@frozen
class Relevel:
    """The track's level changed, and with it the urgency of a waiting turn."""

    track: str
    level: Level


@frozen
class CaptureLate:
    """A capture takes long: give the turn back and go on outside the window; refused when too many do already."""

    track: str


@frozen
class Deliver:
    """The sample of a granted turn, or of a late capture."""

    track: str
    sample: Sample


@frozen
class GiveUp:
    """The turn gave no sample."""

    track: str
    reason: str


@frozen
class Withdraw:
    """The track ended, was muted or restarted: whatever it has here is dropped."""

    track: str
    reason: str = "ended"


OutboxMessage = RequestTurn | Relevel | CaptureLate | Deliver | GiveUp | Withdraw


class _State(Enum):
    WAITING = "waiting"
    GRANTED = "granted"
    LATE = "late"
    """Captured outside the window; its frame will take the next free turn of its class."""
    READY = "ready"
    IN_HAND = "in hand"


@define(eq=False)
class _Turn:
    request: RequestTurn
    level: Level
    number: int
    state: _State = _State.WAITING
    sample: Deliver | None = None


@frozen
class OutboxAccount:
    """What became of the samples that were due."""

    due: int
    sent: int
    dropped: Mapping[str, int]
    waiting: int
    granted: int


class Outbox:
    """One turn a track at most; memory grows with the live tracks only."""

    timed: ClassVar[bool] = True

    def __init__(self, *, window: int = WINDOW, age_limit: float = AGE_LIMIT) -> None:
        self._window = window
        self._age_limit = age_limit
        self._turns: dict[str, _Turn] = {}
        self._waiting: dict[str, dict[str, _Turn]] = {}  # by participant, then by track
        self._ready: deque[_Turn] = deque()
        self._in_hand: _Turn | None = None
        self._open = 0  # turns that hold a place in the window
        self._late: Counter[str] = Counter()
        self._grants = 0
        self._requests = 0
        self._last_track: dict[str, int] = {}  # the number of a track's last grant
        self._last_participant: dict[str, int] = {}
        self._tracks_of: Counter[str] = Counter()  # tracks known, so that a participant can be forgotten
        self._owner: dict[str, str] = {}
        self._due = self._sent = self._offered = self._refused = self._controls = 0
        self._dropped: Counter[str] = Counter()

    # ---- the mailbox

    def has_room(self, _message: OutboxMessage, /) -> bool:
        """Always: the bound is one turn a track."""
        return True

    def put(self, message: OutboxMessage, now: float, /) -> Dropped[OutboxMessage] | None:
        """Apply a message; a request is refused as "superseded", a late capture as "no_frame", a sample as "stale"."""
        self._offered += 1
        cost = self._apply(message, now)
        if cost is not None:
            self._refused += 1
        elif not isinstance(message, (RequestTurn, Deliver)):
            self._controls += 1
        return cost

    def _apply(self, message: OutboxMessage, now: float) -> Dropped[OutboxMessage] | None:
        match message:
            case RequestTurn():
                return self._request(message, now)
            case Deliver(track):
                return self._deliver(self._turns.get(track), message, now)
            case CaptureLate(track):
                return self._capture_late(self._turns.get(track), message)
            case Relevel(track, level):
                turn = self._turns.get(track)
                if turn is not None:
                    turn.level = level
            case GiveUp(track, reason):
                turn = self._turns.get(track)
                if turn is not None and turn.state in (_State.GRANTED, _State.LATE):
                    self._drop(turn, reason)
            case Withdraw(track, reason):
                turn = self._turns.get(track)
                if turn is not None and turn.state is not _State.IN_HAND:
                    self._drop(turn, reason)
                if reason == "ended":
                    self._forget(track)
        return None

    def take(self, now: float, /) -> RequestTurn | Deliver | Empty:
        """Take the next fresh sample in hand, or grant the most urgent turn and return its request, or EMPTY."""
        if self._in_hand is not None:
            return EMPTY
        self._expire(now)
        if self._ready:
            turn = self._in_hand = self._ready.popleft()
            turn.state = _State.IN_HAND
            assert turn.sample is not None
            return turn.sample
        while self._open < self._window and self._waiting:
            turn = self._most_urgent()
            self._grant(turn)
            if turn.sample is None:
                return turn.request
            # A late frame that has its turn now is ready at once.
            if now - turn.sample.sample.captured_at >= self._age_limit:
                self._drop(turn, "stale")
                continue
            turn.state = _State.IN_HAND
            self._in_hand = turn
            return turn.sample
        return EMPTY

    def settle(self, message: OutboxMessage, _now: float, /) -> None:
        """Count a sample in hand as sent; a granted request needs nothing."""
        turn = self._in_hand
        if turn is None or turn.sample is not message:
            return
        self._in_hand = None
        self._sent += 1
        self._remove(turn)

    def interrupted(self, now: float, /) -> Iterable[Dropped[OutboxMessage]]:
        """The connection died in mid-send: put the sample back in front while it is fresh."""
        turn, self._in_hand = self._in_hand, None
        if turn is None:
            return
        assert turn.sample is not None
        if now - turn.sample.sample.captured_at < self._age_limit:
            turn.state = _State.READY
            self._ready.appendleft(turn)
            return
        self._drop(turn, "stale")
        yield Dropped(turn.sample, "stale")

    def close(self, _now: float, /) -> Iterable[OutboxMessage]:
        """Drop all that is left as "closed"."""
        rest = [turn for turn in self._turns.values() if turn is not self._in_hand]
        for turn in rest:
            self._drop(turn, "closed")
        return [turn.sample or turn.request for turn in rest]

    def statistics(self) -> MailboxStatistics:
        """Return the counts of messages; `account` has those of samples."""
        turns = sum(1 for turn in self._turns.values() if turn is not self._in_hand)
        handled = self._offered - self._refused - turns - (self._in_hand is not None)
        return MailboxStatistics(
            capacity=self._window,
            offered=self._offered,
            refused=self._refused,
            handled=handled,
            queued=turns,
            in_hand=int(self._in_hand is not None),
        )

    def account(self) -> OutboxAccount:
        """Return what became of every sample that was due."""
        waiting = sum(turn.state is _State.WAITING for turn in self._turns.values())
        return OutboxAccount(
            self._due, self._sent, MappingProxyType(dict(self._dropped)), waiting, len(self._turns) - waiting
        )

    # ---- turns

    def _request(self, message: RequestTurn, now: float) -> Dropped[OutboxMessage] | None:
        self._expire(now)
        self._due += 1
        if message.track in self._turns:
            self._dropped["superseded"] += 1
            return Dropped(message, "superseded")
        if message.track not in self._owner:
            self._owner[message.track] = message.participant
            self._tracks_of[message.participant] += 1
        self._requests += 1
        turn = _Turn(message, message.level, self._requests)
        self._turns[message.track] = turn
        self._waiting.setdefault(message.participant, {})[message.track] = turn
        return None

    def _deliver(self, turn: _Turn | None, message: Deliver, now: float) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state not in (_State.GRANTED, _State.LATE) or turn.sample is not None:
            return Dropped(message, "no_turn")
        if now - message.sample.captured_at >= self._age_limit:
            self._drop(turn, "stale")
            return Dropped(message, "stale")
        turn.sample = message
        if turn.state is _State.GRANTED:
            turn.state = _State.READY
            self._ready.append(turn)
        else:
            self._uncount_late(turn)
            turn.state = _State.WAITING
            self._waiting.setdefault(turn.request.participant, {})[turn.request.track] = turn
        return None

    def _capture_late(self, turn: _Turn | None, message: CaptureLate) -> Dropped[OutboxMessage] | None:
        if turn is None or turn.state is not _State.GRANTED:
            return Dropped(message, "no_turn")
        participant = turn.request.participant
        if self._late[participant] >= LATE_CAPTURES:
            self._drop(turn, "no_frame")
            return Dropped(message, "no_frame")
        self._late[participant] += 1
        self._open -= 1
        turn.state = _State.LATE
        return None

    def _uncount_late(self, turn: _Turn) -> None:
        participant = turn.request.participant
        self._late[participant] -= 1
        if not self._late[participant]:
            del self._late[participant]

    def _grant(self, turn: _Turn) -> None:
        self._unwait(turn)
        turn.state = _State.GRANTED
        self._open += 1
        self._grants += 1
        self._last_track[turn.request.track] = self._grants
        self._last_participant[turn.request.participant] = self._grants

    def _unwait(self, turn: _Turn) -> None:
        waiting = self._waiting[turn.request.participant]
        del waiting[turn.request.track]
        if not waiting:
            del self._waiting[turn.request.participant]

    def _most_urgent(self) -> _Turn:
        participants: Iterable[str] = self._waiting
        if (self._grants + 1) % FAIR_EVERY == 0:
            participants = [min(self._waiting, key=lambda one: self._last_participant.get(one, 0))]
        turns = (turn for one in participants for turn in self._waiting[one].values())
        return min(turns, key=self._urgency)

    def _urgency(self, turn: _Turn) -> tuple[int, int, int, int, int]:
        track, participant = turn.request.track, turn.request.participant
        last = self._last_track.get(track, 0)
        elevated = turn.level.severity if turn.level.elevated else 0
        # A frame that is made already goes first in its class: it only gets older.
        made = 0 if turn.sample is not None else 1
        never = 0 if last == 0 else 1
        # Elevated and never granted classes go round the participants; the rest by the track's own last grant.
        turn_of = self._last_participant.get(participant, 0) if elevated or not never else last
        return (-elevated, 0 if elevated else never, made, turn_of, last or turn.number)

    def _expire(self, now: float) -> None:
        fresh: deque[_Turn] = deque()
        for turn in self._ready:
            assert turn.sample is not None
            if now - turn.sample.sample.captured_at < self._age_limit:
                fresh.append(turn)
            else:
                self._count_drop(turn, "stale")
        self._ready = fresh

    def _drop(self, turn: _Turn, reason: str) -> None:
        if turn.state is _State.READY and turn in self._ready:
            self._ready.remove(turn)
        self._count_drop(turn, reason)

    def _count_drop(self, turn: _Turn, reason: str) -> None:
        self._dropped[reason] += 1
        self._remove(turn)

    def _remove(self, turn: _Turn) -> None:
        del self._turns[turn.request.track]
        if turn.state is _State.WAITING:
            self._unwait(turn)
        elif turn.state is _State.LATE:
            self._uncount_late(turn)
        else:
            self._open -= 1

    def _forget(self, track: str) -> None:
        participant = self._owner.pop(track, None)
        self._last_track.pop(track, None)
        if participant is None:
            return
        self._tracks_of[participant] -= 1
        if not self._tracks_of[participant]:
            del self._tracks_of[participant]
            self._last_participant.pop(participant, None)
