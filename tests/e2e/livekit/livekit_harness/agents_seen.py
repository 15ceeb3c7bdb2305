"""Which agents the server lists in which rooms, again and again: who watches, and how long two of them do."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final, Self

from livekit import api

from livekit_harness.server import Server

EVERY: Final = 0.25


class AgentsSeen:
    """Asks the server four times a second, in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="agents-seen")
        self.now: dict[str, set[str]] = {}
        """By room, the agents' identities that are listed and whose process was not killed."""
        self.killed: set[str] = set()
        """Identities whose process was killed; the server lists them for a while."""
        self.longest_doubled = 0.0
        """The longest time in which a room had two living agents, seconds."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def copy(self) -> dict[str, set[str]]:
        """Return who watches now."""
        return {room: set(agents) for room, agents in self.now.items()}

    async def _watch(self) -> None:
        since: dict[str, float] = {}
        async with api.LiveKitAPI(self._server.url, self._server.key, self._server.secret) as livekit:
            while not self._stop.is_set():
                for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms:
                    try:
                        listed = await livekit.room.list_participants(api.ListParticipantsRequest(room=room.name))
                    except api.ServerError:
                        continue  # it has ended
                    agents = {p.identity for p in listed.participants if p.kind == api.ParticipantInfo.Kind.AGENT}
                    self.now[room.name] = agents - self.killed
                    if len(self.now[room.name]) > 1:
                        began = since.setdefault(room.name, time.monotonic())
                        self.longest_doubled = max(self.longest_doubled, time.monotonic() - began)
                    else:
                        since.pop(room.name, None)
                await asyncio.sleep(EVERY)
