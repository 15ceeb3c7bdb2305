"""How well each track is covered, as data packets of the room; off unless the host asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from livekit import rtc
from livekit.plugins.dataspike._coverage_reports import COVERAGE_TOPIC, CoverageReports
from livekit.plugins.dataspike._handlers import is_connected
from livekit.plugins.dataspike.log import logger
from livekit.rtc.participant import PublishDataError

from ds_actors.detection import Status

LOOK_EVERY: Final = 1.0
PUBLISH_WITHIN: Final = 5.0


class CoveragePublisher:
    """Publishes on the loop, once per second, what has changed or was told 5 s ago."""

    def __init__(self, room: rtc.Room, status: Callable[[], Status], destination_identities: Sequence[str]) -> None:
        self._room = room
        self._status = status
        self._destinations = list(destination_identities)
        self._reports = CoverageReports()
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Publish no more; receivers see that nothing comes."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._publish()
            except (PublishDataError, TimeoutError):
                # Coverage is told again within seconds, so a lost packet needs no retry of its own.
                if not self._failed:
                    logger.exception("coverage could not be published")
                self._failed = True
            except Exception:
                logger.exception("coverage is not published any more")
                return
            else:
                self._failed = False

    async def _publish(self) -> None:
        local = self._room.local_participant if is_connected(self._room) else None
        if local is None or not local.permissions.can_publish_data:
            return
        now = asyncio.get_running_loop().time()
        for packet in self._reports.due(self._status().tracks, now):
            publishing = local.publish_data(
                packet.payload, reliable=True, destination_identities=self._destinations, topic=COVERAGE_TOPIC
            )
            await asyncio.wait_for(publishing, PUBLISH_WITHIN)
            self._reports.told(packet, now)
