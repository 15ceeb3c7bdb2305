"""A LiveKit server in virtual time, with rooms, detectors that die and fall silent, and keepers. For laws."""

from __future__ import annotations

from attrs import define, evolve, field
from livekit.plugins.dataspike.keeper.rules import KeeperRules, RoomAction, SeenDetector, SeenRoom

EVERY = 2
GHOST = 21
"""Seconds for which the server lists a participant whose process was killed (seen with livekit-server 1.11)."""


@define(eq=False)
class Detector:
    number: int
    joins_at: int
    silent_until: int = -1
    gone_at: int | None = None
    """When its process died; None while it lives."""


@define(eq=False)
class World:
    """Time goes in whole seconds."""

    joins_after: int = 1
    capacity: bool = True
    keepers: list[KeeperRules] = field(factory=lambda: [KeeperRules()])
    now: int = 0
    rooms: dict[str, list[Detector]] = field(factory=dict[str, list[Detector]])
    dispatched: set[str] = field(factory=set[str])
    acted: list[tuple[int, int, RoomAction]] = field(factory=list[tuple[int, int, RoomAction]])
    """Time, keeper, action."""
    doubled: dict[str, int] = field(factory=dict[str, int])
    longest_doubled: int = 0
    """The longest time for which two detectors answered in one room and every keeper ran on, seconds."""
    _made: int = 0

    def restart(self, number: int) -> None:
        self.keepers[number] = KeeperRules()
        self.doubled.clear()

    def open(self, room: str, *, dispatched: bool = True) -> None:
        if room not in self.rooms:
            self.rooms[room] = []
            if dispatched:
                self.dispatch(room)

    def dispatch(self, room: str) -> None:
        self.dispatched.add(room)
        if self.capacity:
            self._made += 1
            self.rooms[room].append(Detector(self._made, self.now + self.joins_after))

    def kill(self, room: str) -> None:
        for detector in self.rooms[room]:
            if detector.gone_at is None:
                detector.gone_at = self.now

    def silence(self, room: str, seconds: int) -> None:
        for detector in self.rooms[room]:
            detector.silent_until = self.now + seconds

    def watching(self, room: str) -> list[Detector]:
        return [d for d in self.rooms[room] if d.gone_at is None and d.joins_at <= self.now]

    def seen(self, room: str) -> SeenRoom:
        listed = [
            SeenDetector(
                f"agent-{d.number}",
                f"PA_{d.number}",
                d.joins_at,
                answers=d.gone_at is None and d.silent_until <= self.now,
            )
            for d in self.rooms[room]
            if d.joins_at <= self.now and (d.gone_at is None or self.now < d.gone_at + GHOST)
        ]
        here = {detector.identity for detector in listed}
        # The server counts a job as running whose worker died, too.
        starting = [f"agent-{d.number}" for d in self.rooms[room] if f"agent-{d.number}" not in here]
        return SeenRoom(room, f"RM_{room}", 1, tuple(listed), room in self.dispatched, tuple(starting))

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            for number in range(len(self.keepers)):
                if (self.now + number) % EVERY == 0:
                    self._look(number)
            for room in self.rooms:
                twice = sum(d.silent_until <= self.now for d in self.watching(room)) > 1
                self.doubled[room] = self.doubled.get(room, 0) + 1 if twice else 0
                self.longest_doubled = max(self.longest_doubled, self.doubled[room])

    def _look(self, number: int) -> None:
        actions = self.keepers[number].look([self.seen(room) for room in self.rooms], self.now, 0.5)
        for action in actions:
            self.acted.append((self.now, number, action))
            self.judge(action)
            for detector in self.rooms[action.room]:
                if f"agent-{detector.number}" in action.remove:
                    detector.gone_at = self.now - GHOST
            if action.request:
                self.dispatch(action.room)

    def judge(self, action: RoomAction) -> None:
        """Check what must hold of every action, whatever happened before."""
        seen = self.seen(action.room)
        answering = {d.identity for d in seen.detectors if d.answers}
        assert not answering or answering - set(action.remove), "the last detector that answers is removed"
        if action.request:
            assert not answering, "a dispatch is requested beside a detector that answers"
            left = {d.identity for d in seen.detectors} - set(action.remove)
            assert not left, "a dispatch is requested while a detector may come back"


def silent(detector: SeenDetector) -> SeenDetector:
    """Return the same, without an answer."""
    return evolve(detector, answers=False)
