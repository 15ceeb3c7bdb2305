"""The uplink: one actor that multiplexes all samples over one WebSocket.

It never retries: the end of a connection ends the incarnation, and its supervisor starts the next after
`UplinkBackoff`. Its mailbox is the outbox, which outlives it; while it is down, no turn is granted.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from ds_actors import Actor, Exit
from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.service import Dataspike
from ds_actors.detection.turns import Deliver, Granted, LinkConfirmed, OutboxMessage, RequestTurn
from ds_actors.detection.uplink.connection import Connect, open_websocket
from ds_actors.detection.uplink.heartbeat import PING_AFTER, Heartbeat
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.receiving import ping, start_receiving
from ds_actors.detection.uplink.wire import encode_request
from ds_actors.detection.uplink.wire_names import WireNames


class UplinkHost(Protocol):
    """The interface that the uplink needs from its monitor; no method may wait."""

    @property
    def link(self) -> LinkPace:
        """What the link carries, by all connections so far."""
        ...

    def sample_arrived(self, age: float) -> None:
        """The service has a sample, `age` seconds after the end of its capture."""
        ...

    def uplink_connecting(self) -> None:
        """An attempt begins."""
        ...

    def uplink_up(self) -> None:
        """The upgrade was accepted."""
        ...

    def uplink_answered(self) -> None:
        """A result or a pong arrived."""
        ...

    def uplink_down(self, error: Exception | None, heard: float | None) -> None:
        """The connection or the attempt ended; an open connection's last byte arrived at `heard`."""
        ...

    def sample_sending(self, sample: Sample) -> None:
        """A sample's send begins; its answer may arrive before the send returns."""
        ...

    def sample_sent(self, sample: Sample) -> None:
        """A sample's send returned."""
        ...

    def result(self, result: WireResult) -> bool:
        """The service answered; return whether about a known track."""
        ...

    def malformed(self) -> None:
        """The service sent a message that is not a result."""
        ...


@define(eq=False)
class Uplink(Actor[OutboxMessage]):
    """One connection per incarnation."""

    service: Dataspike
    host: UplinkHost
    connect: Connect
    names: WireNames | None = None
    """Replaces the names on the wire; None sends them as they are."""
    _heartbeat: Heartbeat | None = field(default=None, init=False)
    _last_track: str = field(default="", init=False)
    """The track of the last sample sent."""

    async def started(self) -> None:
        """Be ready at once: readiness is not connectedness."""
        self.context.mark_unproven()

    async def run(self) -> None:
        """Connect, then send, receive and watch the heartbeat until one of them fails or a stop is requested."""
        self.host.uplink_connecting()
        self._heartbeat = heartbeat = Heartbeat(trio.current_time())
        with trio.CancelScope() as attempt:
            watcher = self.context.spawn(self._give_up_on_stop, attempt)
            async with open_websocket(self.service, connect=self.connect, heartbeat=heartbeat) as websocket:
                watcher.cancel()
                heartbeat.opened(trio.current_time())
                self.host.uplink_up()
                async with trio.open_nursery() as nursery:
                    start_receiving(
                        nursery,
                        websocket,
                        heartbeat,
                        result=partial(self._result, heartbeat),
                        malformed=self.host.malformed,
                        answered=self.host.uplink_answered,
                        alive=partial(self._alive, heartbeat),
                    )
                    await self._send(nursery, websocket, heartbeat)
                    nursery.cancel_scope.cancel()

    async def _give_up_on_stop(self, attempt: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        attempt.cancel()

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Notify the host that there is no connection."""
        self.host.link.speed.connection_ended(trio.current_time())
        self.host.uplink_down(exit.crash, None if self._heartbeat is None else self._heartbeat.heard)

    async def _send(self, nursery: trio.Nursery, websocket: WebSocketConnection, heartbeat: Heartbeat) -> None:
        link, is_first = self.host.link, True
        async for message in self.inbox:
            match message:
                case RequestTurn():
                    message.grantee.tell(Granted(message))
                case Deliver(_, sample):
                    if is_first:
                        is_first = False
                        await nursery.start(self._measure_delay, websocket)
                    request = encode_request(self._as_sent(sample))
                    self.host.sample_sending(sample)
                    link.send_began(len(request), trio.current_time())
                    await websocket.send_message(request)
                    now, self._last_track = trio.current_time(), sample.track
                    probe = link.speed.sent(now)
                    heartbeat.sample_sent(now)
                    self.host.sample_sent(sample)
                    self.inbox.settle(message)  # before the next checkpoint, or else a crash sends it again
                    if probe is not None:
                        await nursery.start(self._probe, websocket, heartbeat, probe, sample)
                case _:
                    pass

    # Both report that they started, and go on without a checkpoint: their ping is the next thing that is sent.

    async def _measure_delay(self, websocket: WebSocketConnection, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        began = trio.current_time()
        if await ping(websocket):
            self.host.link.speed.idle_pong(trio.current_time() - began)

    async def _probe(
        self,
        websocket: WebSocketConnection,
        heartbeat: Heartbeat,
        number: int,
        sample: Sample,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        task_status.started()
        if not await ping(websocket):
            return
        now = trio.current_time()
        self.host.link.speed.confirmed(number, now)
        self.host.sample_arrived(now - sample.captured_at)
        self.context.ref.tell(LinkConfirmed())
        if heartbeat.is_older_than(PING_AFTER, now):
            heartbeat.answered()
            self.host.uplink_answered()

    def _as_sent(self, sample: Sample) -> Sample:
        return sample if self.names is None else self.names.hide(sample)

    def _result(self, heartbeat: Heartbeat, result: WireResult) -> None:
        if self.host.result(result if self.names is None else self.names.reveal(result)):
            heartbeat.sample_answered()
            if result.track == self._last_track and self.host.link.speed.answered(trio.current_time()):
                self.context.ref.tell(LinkConfirmed())

    def _alive(self, heartbeat: Heartbeat, now: float) -> None:
        if heartbeat.is_healthy(now):
            self.context.mark_healthy()
