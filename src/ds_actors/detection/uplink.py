"""The uplink: one actor that multiplexes all samples over one WebSocket.

It never retries: whatever ends the connection ends the incarnation, and its supervisor starts the next one after
`UplinkBackoff`. Its mailbox is the outbox, which outlives it; while it is down nothing is taken, so no turn is granted.
"""

from __future__ import annotations

from typing import Protocol

import trio
from attrs import define
from trio_websocket import WebSocketConnection

from ds_actors import Actor, Exit
from ds_actors.detection.connection import Connect, open_websocket
from ds_actors.detection.errors import Unreachable
from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.outbox import Deliver, OutboxMessage, RequestTurn
from ds_actors.detection.service import Dataspike
from ds_actors.detection.session import Close, SendPing, Session
from ds_actors.detection.track import Granted
from ds_actors.detection.wire import MalformedMessage, decode_result, encode_request


class UplinkHost(Protocol):
    """What the uplink needs of its monitor; nothing here may wait."""

    def uplink_connecting(self) -> None:
        """An attempt begins."""
        ...

    def uplink_up(self) -> None:
        """The upgrade was accepted."""
        ...

    def uplink_answered(self) -> None:
        """A result or a pong came."""
        ...

    def uplink_down(self, error: Exception | None) -> None:
        """The connection, or the attempt, ended."""
        ...

    def sample_sent(self, sample: Sample, *, slow: bool) -> None:
        """A sample's send returned; `slow` when it took longer than 10 s."""
        ...

    def result(self, result: WireResult) -> None:
        """The service answered."""
        ...

    def malformed(self) -> None:
        """The service sent what is no result."""
        ...


@define(eq=False)
class Uplink(Actor[OutboxMessage]):
    """One connection an incarnation."""

    service: Dataspike
    host: UplinkHost
    connect: Connect

    async def started(self) -> None:
        """Be ready at once: readiness is not connectedness."""
        self.context.needs_proof()

    async def run(self) -> None:
        """Connect, then send, receive and watch the heartbeat until one of them fails or a stop is requested."""
        self.host.uplink_connecting()
        session = Session(trio.current_time())
        with trio.CancelScope() as attempt:
            watcher = self.context.spawn(self._give_up_on_stop, attempt)
            async with open_websocket(self.service, connect=self.connect, session=session) as websocket:
                watcher.cancel()
                session.opened(trio.current_time())
                self.host.uplink_up()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._receive, websocket, session)
                    nursery.start_soon(self._watch, websocket, session, nursery)
                    await self._send(websocket, session)
                    nursery.cancel_scope.cancel()

    async def _give_up_on_stop(self, attempt: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        attempt.cancel()

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Tell the host that there is no connection."""
        self.host.uplink_down(exit.crash)

    async def _send(self, websocket: WebSocketConnection, session: Session) -> None:
        async for message in self.inbox:
            match message:
                case RequestTurn():
                    message.grantee.tell(Granted(message))
                case Deliver(_, sample):
                    before = session.slow_sends
                    await websocket.send_message(encode_request(sample))
                    self.host.sample_sent(sample, slow=session.slow_sends > before)
                case _:
                    pass

    async def _receive(self, websocket: WebSocketConnection, session: Session) -> None:
        # It only reads and tells: whatever waited here would leave pongs unread on a live connection.
        while True:
            data = await websocket.get_message()
            try:
                if isinstance(data, str):
                    raise MalformedMessage("text")
                result = decode_result(data)
            except MalformedMessage:
                self.host.malformed()
                close = session.malformed()
                if close is not None:
                    raise Unreachable(close.reason) from None
                continue
            session.wellformed()
            session.answered()
            self.host.uplink_answered()
            self.host.result(result)

    async def _watch(self, websocket: WebSocketConnection, session: Session, nursery: trio.Nursery) -> None:
        awaits_send = False
        while True:
            now = trio.current_time()
            # A send may begin, and with it a nearer deadline, while this sleeps.
            await trio.sleep_until(min(session.due(), now + (0.05 if awaits_send else 1.0)))
            if awaits_send and not session.sending:
                awaits_send = False
                session.ping_sent(trio.current_time())
            if session.is_healthy(trio.current_time()):
                self.context.healthy()
            match session.tick(trio.current_time()):
                case SendPing():
                    nursery.start_soon(self._ping, websocket, session)
                    awaits_send = True
                case Close(reason):
                    raise Unreachable(reason)
                case None:
                    pass

    async def _ping(self, websocket: WebSocketConnection, session: Session) -> None:
        await websocket.ping()
        session.answered()
        self.host.uplink_answered()
