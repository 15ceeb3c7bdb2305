"""Levels as an attribute of the agent's participant, for participants who join later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from attrs import define
from livekit import rtc
from livekit.plugins.dataspike._handlers import Handlers, is_connected
from livekit.plugins.dataspike.log import logger

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import Level, ResultEvent, Undelivered
from ds_actors.detection.events import TOPIC

ATTRIBUTE: Final = f"{TOPIC}.levels"
"""JSON: track sid to level."""
ATTRIBUTE_LIMIT: Final = 8_000
"""Bytes; the most severe levels go in first."""
UPDATE_WITHIN: Final = 5.0
KEPT: Final = 4_000
"""Tracks whose level is kept; beyond that, tracks that are not in the room are forgotten."""


def levels_json(levels: Mapping[str, Level]) -> str:
    """Return the attribute's value: as many tracks as fit, the most severe first."""
    entries: list[str] = []
    left = ATTRIBUTE_LIMIT - 2
    for sid, level in sorted(levels.items(), key=lambda item: (-item[1].severity, item[0])):
        entry = f"{json.dumps(sid)}:{json.dumps(level.value)}"
        left -= len(entry) + 1
        if left < 0:
            break
        entries.append(entry)
    return "{" + ",".join(entries) + "}"


@define(eq=False)
class LevelsSink:
    """Updates the attribute with each verdict."""

    bridge: LoopBridge
    levels: RoomLevels
    name: str = "levels"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: show the track's level if it changed."""
        if event.level.is_verdict:
            await self.bridge.call(self.levels.verdict, event)


class RoomLevels:
    """Sets the attribute on the loop, one update at a time; changes that come meanwhile go into the next update.

    The attribute holds the last verdict of each track that is in the room now. A track that ended disappears from it,
    even when late results arrive; a track that is back after a reconnect appears again.
    """

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._handlers = Handlers(room)
        self._levels: dict[str, Level] = {}
        self._lock = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._shown = "{}"
        self._refused = False

    def start(self) -> None:
        """Show the levels again whenever the room reconnects."""
        self._handlers.on("connection_state_changed", self.look_again)

    def stop(self) -> None:
        """Stop updating; the attribute stays as long as the participant."""
        self._handlers.stop()
        if self._looking is not None:
            self._looking.cancel()

    async def verdict(self, event: ResultEvent) -> None:
        """Show a track's level.

        Raises:
            Undelivered: when the room is away, or the participant may not set its attributes; it is shown later.
            TimeoutError: when the server does not answer.
        """
        self._levels[event.track_id] = event.level
        async with self._lock:
            if not is_connected(self._room):
                raise Undelivered("reconnecting")
            await self._show()

    def look_again(self, *_: object) -> None:
        """Update soon: tracks came or went, or the room is back."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        async with self._lock:
            self._looking = None
            try:
                await self._show()
            except Undelivered:
                pass  # logged already
            except Exception:
                logger.exception("levels could not be shown")

    async def _show(self) -> None:
        room = self._room
        if not is_connected(room):
            return
        present = {sid for participant in room.remote_participants.values() for sid in participant.track_publications}
        shown = {sid: level for sid, level in self._levels.items() if sid in present}
        if len(self._levels) > KEPT:
            self._levels = shown
        value = levels_json(shown)
        if value == self._shown:
            return
        if not room.local_participant.permissions.can_update_metadata:
            if not self._refused:
                self._refused = True
                logger.error("levels cannot be shown: the agent's token lacks can_update_metadata")
            raise Undelivered("can_update_metadata")
        self._refused = False
        await asyncio.wait_for(room.local_participant.set_attributes({ATTRIBUTE: value}), UPDATE_WITHIN)
        self._shown = value
