"""How often a receiver is told the same level of a participant: a cooldown that an escalation always passes. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define, field

from ds_actors.detection.events import Level, ResultEvent

PARTICIPANTS_LIMIT: Final = 10_000
"""Participants whose notifications are remembered; those notified longest ago go first."""


@define
class _Told:
    last: Level
    """The level of the last notification."""
    at: dict[Level, float]
    """When each level was notified last."""


@define
class LevelCooldown:
    """Which event a receiver may get now; times are monotonic, in seconds.

    An event above the level of its participant's last notification always passes. Any other one passes `seconds` after
    the last notification of that participant and level. While an event is on its way to the receiver, no other one of
    that participant and level passes: several tracks of one person change at once.
    """

    seconds: float = 0.0
    _told: OrderedDict[str, _Told] = field(factory=OrderedDict[str, _Told], init=False)
    """By participant, the one notified longest ago first."""
    _on_its_way: set[tuple[str, Level]] = field(factory=set[tuple[str, Level]], init=False)

    def __len__(self) -> int:
        return len(self._told)

    def passes(self, event: ResultEvent, now: float) -> bool:
        """Return whether the event may be delivered now."""
        if (event.participant_id, event.level) in self._on_its_way:
            return False
        told = self._told.get(event.participant_id)
        if told is None or event.level.severity > told.last.severity or event.level not in told.at:
            return True
        return now - told.at[event.level] >= self.seconds

    def begins(self, event: ResultEvent) -> None:
        """Record that an event is on its way to the receiver."""
        if self.seconds > 0:
            self._on_its_way.add((event.participant_id, event.level))

    def ends(self, event: ResultEvent) -> None:
        """Record that it is no longer, whatever became of it."""
        self._on_its_way.discard((event.participant_id, event.level))

    def nothing_is_on_its_way(self) -> None:
        """Record that all attempts are over, as after a crash."""
        self._on_its_way.clear()

    def delivered(self, event: ResultEvent, now: float) -> None:
        """Record that the receiver got an event, and forget what no longer holds anything back."""
        told = self._told.setdefault(event.participant_id, _Told(event.level, {}))
        told.last, told.at[event.level] = event.level, now
        self._told.move_to_end(event.participant_id)
        while self._told:
            oldest = next(iter(self._told.values()))
            if len(self._told) <= PARTICIPANTS_LIMIT and now - max(oldest.at.values()) < self.seconds:
                break
            self._told.popitem(last=False)
