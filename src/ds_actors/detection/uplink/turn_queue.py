"""The waiting turns, and which of them is the most urgent. Pure.

Order: ALERT, SUSPICIOUS, never granted, oldest last grant; within a class round-robin by participant, then by track.
Every fourth turn goes to the participant whose last grant is oldest, so that no participant starves the rest.

Where levels are the evidence's, an alert is decided, and a sample of it tells little: it waits with the rest.
"""

from __future__ import annotations

import math
from enum import Enum
from itertools import chain
from operator import attrgetter
from typing import Final

from attrs import define

from ds_actors.detection.events import Level
from ds_actors.detection.turns import Deliver, RequestTurn
from ds_actors.detection.uplink.grant_history import ParticipantGrants, TrackGrants

FAIR_EVERY: Final = 4

_CLASSES: Final = 4
"""ALERT, SUSPICIOUS, never granted, and the rest."""

_last: Final = attrgetter("last")


class TurnState(Enum):
    """Where a turn is between its request and its end."""

    WAITING = "waiting"
    GRANTED = "granted"
    LATE = "late"
    """Captured outside the window; its frame will take the next free turn of its class."""
    READY = "ready"
    IN_HAND = "in hand"


@define(eq=False)
class Turn:
    """One sample that is due, from its track's request until it is sent or dropped."""

    request: RequestTurn
    track: TrackGrants
    number: int
    fresh: bool
    """The track had never been granted a turn when it asked for this one."""
    alerts_first: bool = True
    """False where an alert is decided by evidence, so that its next sample tells no more than that of a clear track."""
    rank: int = 0
    state: TurnState = TurnState.WAITING
    sample: Deliver | None = None
    reserved: bool = False
    """The budget has one sample's estimated cost set aside for it."""
    withdrawn: str | None = None
    """Why its track was withdrawn while its sample was in hand."""

    @property
    def participant(self) -> ParticipantGrants:
        """The track's participant."""
        return self.track.participant

    @property
    def size(self) -> int:
        """The bytes of its sample; 0 without one."""
        return 0 if self.sample is None else len(self.sample.sample.data)

    @property
    def captured_at(self) -> float:
        """When its sample was captured; infinity without one."""
        return math.inf if self.sample is None else self.sample.sample.captured_at

    @property
    def queued(self) -> RequestTurn | Deliver | None:
        """Its message, while it waits in the mailbox; None while its capture is under way."""
        return (self.sample or self.request) if self.state in (TurnState.WAITING, TurnState.READY) else None

    def relevel(self, level: Level) -> None:
        """Put the turn into the class of a level."""
        if level is Level.ALERT:
            self.rank = 0 if self.alerts_first else 3
        elif level is Level.SUSPICIOUS:
            self.rank = 1
        else:
            self.rank = 2 if self.fresh else 3


class TurnQueue:
    """Turns that wait for a grant."""

    def __init__(self) -> None:
        self.with_frame: dict[str, Turn] = {}
        """The turns that have their frame already, oldest first, by track."""
        self._classes: tuple[dict[ParticipantGrants, dict[str, Turn]], ...] = tuple({} for _ in range(_CLASSES))
        self._waiting = self._grants = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, turn: Turn) -> None:
        """Let a turn wait."""
        turn.state = TurnState.WAITING
        self._waiting += 1
        self._classes[turn.rank].setdefault(turn.participant, {})[turn.request.track] = turn

    def remove(self, turn: Turn) -> None:
        """Take a turn out."""
        self._waiting -= 1
        waiting = self._classes[turn.rank][turn.participant]
        del waiting[turn.request.track]
        if not waiting:
            del self._classes[turn.rank][turn.participant]

    def relevel(self, turn: Turn, level: Level) -> None:
        """Move a turn to the class of its track's new level, whether it waits or not."""
        waits = turn.state is TurnState.WAITING
        if waits:
            self.remove(turn)
        turn.relevel(level)
        if waits:
            self.add(turn)

    def grant(self, turn: Turn) -> None:
        """Take a turn out because it is granted."""
        self.remove(turn)
        self.drop_frame(turn)
        turn.state = TurnState.GRANTED
        self._grants += 1

    def drop_frame(self, turn: Turn) -> None:
        """Forget that a turn waits with its frame, if it does."""
        turn.participant.late -= self.with_frame.pop(turn.request.track, None) is not None

    def most_urgent(self) -> Turn:
        """Return the turn to grant next; there must be one."""
        chosen: ParticipantGrants | None = None
        if (self._grants + 1) % FAIR_EVERY == 0:
            # Each fair turn moves its participant behind all others, and a new participant starts behind them: at most
            # n - 1 fair turns go to others while one waits, hence 4n grants.
            chosen = min(chain.from_iterable(self._classes), key=_last)
        for rank, waiting in enumerate(self._classes):
            if not waiting or (chosen is not None and chosen not in waiting):
                continue
            # A frame that is made already goes first in its class: it only gets older.
            for turn in self.with_frame.values():
                if turn.rank == rank and chosen in (None, turn.participant):
                    return turn
            participant = min(waiting, key=_last)  # the chosen one, if it was chosen from all
            return min(waiting[participant].values(), key=lambda turn: (turn.track.last, turn.number))
        raise AssertionError("nothing waits")
