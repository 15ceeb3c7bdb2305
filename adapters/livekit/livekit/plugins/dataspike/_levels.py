"""Levels as an attribute of the detector's participant, for those who join later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from attrs import define
from livekit import rtc
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import Level, ResultEvent, Undelivered
from ds_actors.detection.events import TOPIC

from ._bridge import LoopBridge

ATTRIBUTE: Final = f"{TOPIC}.levels"
"""JSON: track sid to level."""
ATTRIBUTE_LIMIT: Final = 8_000
"""Bytes; the most severe levels go in first."""
UPDATE_WITHIN: Final = 5.0


def levels_json(levels: Mapping[str, Level]) -> str:
    """Return the attribute's value: as many tracks as it holds, the most severe first."""
    entries: list[str] = []
    left = ATTRIBUTE_LIMIT - 2
    for sid, level in sorted(levels.items(), key=lambda one: (-one[1].severity, one[0])):
        entry = f"{json.dumps(sid)}:{json.dumps(level.value)}"
        left -= len(entry) + 1
        if left < 0:
            break
        entries.append(entry)
    return "{" + ",".join(entries) + "}"


@define(eq=False)
class LevelsSink:
    """Keeps the attribute as the verdicts say."""

    bridge: LoopBridge
    levels: RoomLevels
    name: str = "levels"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: show the track's level if it is another one."""
        if event.level.is_verdict:
            await self.bridge.call(self.levels.verdict, event)


class RoomLevels:
    """Sets the attribute on the loop, one update at a time; what comes meanwhile goes with the next."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._levels: dict[str, Level] = {}
        self._lock = asyncio.Lock()
        self._shown = ""
        self._refused = False

    async def verdict(self, event: ResultEvent) -> None:
        """Show a track's level.

        Raises:
            Undelivered: when the participant may not set its attributes.
        """
        self._levels[event.track_id] = event.level
        await self._show()

    async def ended(self, track: str) -> None:
        """Show a track no more."""
        if self._levels.pop(track, None) is not None:
            await self._show()

    async def _show(self) -> None:
        async with self._lock:
            value = levels_json(self._levels)
            if value == self._shown or not self._room.isconnected():
                return
            if not self._room.local_participant.permissions.can_update_metadata:
                if not self._refused:
                    self._refused = True
                    logger.error("levels cannot be shown: the agent's token lacks can_update_metadata")
                raise Undelivered("can_update_metadata")
            self._refused = False
            await asyncio.wait_for(
                self._room.local_participant.set_attributes({ATTRIBUTE: value}), UPDATE_WITHIN
            )
            self._shown = value
