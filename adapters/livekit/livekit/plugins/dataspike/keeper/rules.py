"""When a room gets a detector requested, when a detector counts as dead, and which one of two leaves. Pure.

A keeper looks at the server every few seconds; the server is the only memory that counts. A new keeper, or a second
one beside the first, therefore decides the same:

    a detector answers             ──►  the room is watched; of two for two looks in a row, the younger is removed
    none for 3 s (10 s after one   ──►  a dispatch is requested, and again after 10 s, 20 s, 40 s, then every minute
    was requested by another)
    one does not answer for 5 s    ──►  it is removed, so that it cannot come back beside the one requested
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

SETTLE: Final = 3.0
"""Seconds without a detector before one is requested, so that one that only reconnects is not replaced."""
SETTLE_DISPATCHED: Final = 10.0
"""The same for a room that has a dispatch and was never seen with a detector: it may be starting, for LiveKit's own
dispatch or another keeper's."""
STARTS_WITHIN: Final = 30.0
"""Seconds that a job may take from when it was first seen until its agent is in the room; nothing is requested then."""
DEAD_AFTER: Final = 5.0
"""Seconds since its last answer after which a detector counts as dead."""
UNANSWERED: Final = 2
"""Looks in a row without an answer before a detector counts as dead, however long the keeper itself was held up."""
TWICE: Final = 2
"""Looks in a row that find two detectors before one is removed."""
FIRST_WAIT: Final = 10.0
"""Seconds from the first request of a room to the second; each later wait is twice as long."""
LONGEST_WAIT: Final = 60.0
AT_ONCE: Final = 10
"""Rooms acted on after one look."""
REMEMBERED: Final = 100
"""Detectors that are remembered of one room."""
REPORT_AFTER: Final = 15.0
"""Seconds without a detector from which on a room is reported as unwatched."""


@frozen
class SeenDetector:
    """A participant of kind AGENT with the agent's name, as the server lists it."""

    identity: str
    sid: str
    joined_ms: int
    """When it joined, by the server's clock (milliseconds since the epoch)."""
    answers: bool = True
    """False when its process did not answer the server just now; True also where the server cannot ask."""


@frozen
class SeenRoom:
    """A room that should be watched while people are in it."""

    name: str
    sid: str
    people: int
    """Participants who are neither agents nor egress."""
    detectors: tuple[SeenDetector, ...] = ()
    dispatched: bool = False
    """Whether the server has a dispatch of the agent for it; only read while it has no detector."""
    starting: tuple[str, ...] = ()
    """Identities of the agent's jobs that run, as the server has it, and are not in the room; read as `dispatched`."""
    known: bool = True
    """False when the server did not say who is in it."""


@frozen
class RoomAction:
    """What to do for one room: first remove these participants, then request a dispatch."""

    room: str
    sid: str
    remove: tuple[str, ...] = ()
    """Identities."""
    request: bool = False


@define(eq=False)
class _Room:
    name: str
    dark_since: float | None = None
    """When the first look of an unbroken series found no detector that answers."""
    detectors: dict[str, None] = field(factory=dict[str, None])
    """The identities of the last detectors that were seen."""
    starting_since: dict[str, float] = field(factory=dict[str, float])
    requests: int = 0
    next_request: float = 0.0
    looks_with_two: int = 0
    answers: dict[str, tuple[float, int]] = field(factory=dict[str, tuple[float, int]])
    """By sid, when a detector answered last, or was seen first, and how many looks it has not answered since."""


@define(eq=False)
class KeeperRules:
    """The decisions for all rooms of one server; times are seconds on one monotonic clock."""

    _rooms: dict[str, _Room] = field(factory=dict[str, _Room], init=False)

    def look(self, seen: Iterable[SeenRoom], now: float, u: float) -> list[RoomAction]:
        """Take what the server says now, and return what to do, those longest without a detector first.

        Args:
            seen: all rooms that should be watched; a room that is missing is forgotten.
            now: when it was asked.
            u: a random number in [0, 1), by which requests of different keepers drift apart.
        """
        inhabited = [room for room in seen if room.people or not room.known]
        self._rooms = {room.sid: self._rooms.get(room.sid) or _Room(room.name) for room in inhabited}
        due: list[tuple[float, RoomAction]] = []
        for room in inhabited:
            known = self._rooms[room.sid]
            action = self._decide(known, room, now)
            if action.remove or action.request:
                due.append((math.inf if known.dark_since is None else known.dark_since, action))
        due.sort(key=lambda entry: entry[0])
        actions = [action for _, action in due[:AT_ONCE]]
        for action in actions:
            if action.request:
                known = self._rooms[action.sid]
                wait = min(LONGEST_WAIT, math.ldexp(FIRST_WAIT, min(known.requests, 10)))
                known.requests += 1
                known.next_request = now + wait * (1 + u / 4)
        return actions

    @property
    def watched_rooms(self) -> int:
        """How many rooms have a detector that answers."""
        return len(self._rooms) - self.dark_rooms

    @property
    def dark_rooms(self) -> int:
        """How many have none."""
        return sum(room.dark_since is not None for room in self._rooms.values())

    def unwatched(self, now: float) -> list[str]:
        """Return the names of the rooms that have had none for more than 15 s, the longest first."""
        found = [
            (room.dark_since, room.name)
            for room in self._rooms.values()
            if room.dark_since is not None and now - room.dark_since > REPORT_AFTER
        ]
        return [name for _, name in sorted(found)]

    def _decide(self, known: _Room, room: SeenRoom, now: float) -> RoomAction:
        if not room.known:
            if known.dark_since is None:
                known.dark_since, known.next_request = now, now + SETTLE
            return RoomAction(room.name, room.sid)
        self._note_answers(known, room, now)
        answering = sorted((d for d in room.detectors if d.answers), key=lambda d: (d.joined_ms, d.sid))
        dead = [d for d in room.detectors if not d.answers and self._is_dead(known, d, now)]
        remove = [d.identity for d in dead]
        if answering:
            known.dark_since, known.requests = None, 0
            known.looks_with_two = known.looks_with_two + 1 if len(answering) > 1 else 0
            if known.looks_with_two >= TWICE:
                known.looks_with_two = 0
                remove += [d.identity for d in answering[1:]]
            return RoomAction(room.name, room.sid, tuple(remove))
        known.looks_with_two = 0
        if known.dark_since is None:
            may_be_starting = room.dispatched and not known.detectors
            known.dark_since, known.next_request = now, now + (SETTLE_DISPATCHED if may_be_starting else SETTLE)
        doubtful = len(dead) < len(room.detectors) or self._starts(known, room, now)
        return RoomAction(room.name, room.sid, tuple(remove), request=not doubtful and now >= known.next_request)

    @staticmethod
    def _starts(known: _Room, room: SeenRoom, now: float) -> bool:
        """Return whether a job is on its way: the server counts one as running for ever when its worker dies."""
        since = known.starting_since
        known.starting_since = {who: since.get(who, now) for who in room.starting if who not in known.detectors}
        return any(now - at < STARTS_WITHIN for at in known.starting_since.values())

    @staticmethod
    def _note_answers(known: _Room, room: SeenRoom, now: float) -> None:
        before, known.answers = known.answers, {}
        for detector in room.detectors:
            known.detectors[detector.identity] = None
            if len(known.detectors) > REMEMBERED:
                del known.detectors[next(iter(known.detectors))]
            answered_at, unanswered = before.get(detector.sid, (now, 0))
            known.answers[detector.sid] = (now, 0) if detector.answers else (answered_at, unanswered + 1)

    @staticmethod
    def _is_dead(known: _Room, detector: SeenDetector, now: float) -> bool:
        answered_at, unanswered = known.answers[detector.sid]
        return now - answered_at >= DEAD_AFTER and unanswered >= UNANSWERED
