"""The room as a sink: each verdict is a data packet on the documented topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define
from livekit import rtc
from livekit.plugins.dataspike._handlers import Handlers, is_connected
from livekit.plugins.dataspike._pending import PendingResults
from livekit.plugins.dataspike.log import logger
from livekit.rtc.participant import PublishDataError

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import ResultEvent, Undelivered
from ds_actors.detection.events import TOPIC

PUBLISH_WITHIN: Final = 5.0
TRIES: Final = 3
TRY_AGAIN_AFTER: Final = 0.2


@define(eq=False)
class RoomSink:
    """Publishes verdicts, but no errors and no unknown results."""

    bridge: LoopBridge
    publisher: RoomPublisher
    name: str = "room"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: publish one event, or keep it while LiveKit reconnects."""
        if event.level.is_verdict:
            await self.bridge.call(self.publisher.publish, event)

    def when_lost(self, report: Callable[[ResultEvent], object], /) -> None:
        """Call `report(event)` in trio for each kept result that will not be published."""

        def lost(event: ResultEvent) -> None:
            self.bridge.tell(report, event)

        self.publisher.lost = lost


class RoomPublisher:
    """Publishes on the loop. While the room is not connected, the newest results wait for it, at most 60 s."""

    def __init__(self, room: rtc.Room, destination_identities: Sequence[str] = ()) -> None:
        self._room = room
        self._handlers = Handlers(room)
        self._destinations = list(destination_identities)
        self.lost: Callable[[ResultEvent], object] = _ignore
        """Called on the loop with the newest result of a track when that was kept and will not be published."""
        self._held = PendingResults()
        self._sending: str | None = None
        """The track whose held results are being sent; its later results queue up behind them."""
        self._flush: asyncio.Task[None] | None = None
        self._refused = False

    def start(self) -> None:
        """Publish the waiting results whenever the room connects."""
        self._handlers.on("connection_state_changed", self._connection_changed)
        self._handlers.on("reconnected", self._connection_changed)

    async def stop(self, within: float = 1.0) -> None:
        """Send the waiting results while the room is still connected, for at most `within` seconds, then end."""
        self._handlers.stop()
        if self._flush is not None:
            if not is_connected(self._room):
                self._flush.cancel()
            await asyncio.wait({self._flush}, timeout=within)
            self._flush.cancel()

    async def publish(self, event: ResultEvent) -> None:
        """Publish one event.

        Raises:
            Undelivered: when the participant may not publish data.
            PublishDataError, TimeoutError: after three tries.
        """
        if not is_connected(self._room) or event.track_id in self._held or event.track_id == self._sending:
            self._hold(event)
            return
        if not self._may_publish():
            raise Undelivered("can_publish_data")
        try:
            await self._publish(event)
        except (PublishDataError, TimeoutError):
            if is_connected(self._room):
                raise
            self._hold(event)

    async def _publish(self, event: ResultEvent) -> None:
        payload = event.json().encode("ascii")
        for attempt in range(TRIES):
            try:
                publishing = self._room.local_participant.publish_data(
                    payload, reliable=True, destination_identities=self._destinations, topic=TOPIC
                )
                await asyncio.wait_for(publishing, PUBLISH_WITHIN)
            except (PublishDataError, TimeoutError):
                if attempt == TRIES - 1 or not is_connected(self._room):
                    raise
                await asyncio.sleep(TRY_AGAIN_AFTER)
            else:
                return

    def _hold(self, event: ResultEvent) -> None:
        self._held.hold(event, asyncio.get_running_loop().time())
        self._report_lost()
        self._connection_changed()  # it may just have come back

    def _connection_changed(self, *_: object) -> None:
        if is_connected(self._room) and len(self._held) and (self._flush is None or self._flush.done()):
            self._flush = asyncio.get_running_loop().create_task(self._send_held())

    async def _send_held(self) -> None:
        while is_connected(self._room):
            taken = self._held.take(asyncio.get_running_loop().time())
            self._report_lost()
            if not taken:
                return
            newest = taken[-1][1]
            if not self._may_publish():
                self.lost(newest)
                continue
            self._sending = newest.track_id
            try:
                while taken and await self._send_one_held(taken[0][1], newest):
                    del taken[0]
            finally:
                self._sending = None
                self._held.put_back(taken)
                self._report_lost()

    async def _send_one_held(self, event: ResultEvent, newest: ResultEvent) -> bool:
        """Return False when the room is away again, so that the result must wait."""
        try:
            await self._publish(event)
        except (PublishDataError, TimeoutError):
            if not is_connected(self._room):
                return False
            logger.exception("a kept result could not be published")
            if event is newest:
                self.lost(event)
        return True

    def _report_lost(self) -> None:
        while self._held.lost:
            self.lost(self._held.lost.pop())

    def _may_publish(self) -> bool:
        allowed: bool = self._room.local_participant.permissions.can_publish_data
        if not allowed and not self._refused:
            logger.error("results cannot be published into the room: the agent's token lacks can_publish_data")
        self._refused = not allowed
        return allowed


def _ignore(_event: ResultEvent) -> None:
    """With notify="all" the next result says the same again."""
