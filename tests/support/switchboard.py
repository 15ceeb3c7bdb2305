"""A relay in front of a port: a test puts a handler in its place, speaks into live connections, or cuts them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio
from attrs import define, field

from ds_actors.detection.uplink.frames import FrameScanner, UpgradeAnswer

StreamHandler = Callable[[trio.abc.Stream], Awaitable[None]]
_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


@define(eq=False)
class _Line:
    """One live connection."""

    client: trio.abc.Stream
    scope: trio.CancelScope
    sending: trio.Lock = field(factory=trio.Lock)
    _upgrade: UpgradeAnswer = field(factory=UpgradeAnswer)
    _frames: FrameScanner | None = None
    _held: bytearray = field(factory=bytearray)

    async def to_client(self, data: bytes | bytearray) -> None:
        async with self.sending:
            await self.client.send_all(data)

    async def relay(self, data: bytes | bytearray) -> None:
        """Pass on what the target sends, once it has the last byte of a message: another may speak in between."""
        self._held += data
        frames: bytes | bytearray | None = data
        if self._frames is None:
            frames = self._upgrade.feed(data)
            if frames is not None:
                self._frames = FrameScanner()
        if self._frames is not None and frames is not None:
            self._frames.feed(frames)
            if self._frames.unfinished:
                return
        whole, self._held = self._held, bytearray()
        await self.to_client(whole)


@define(eq=False)
class Switchboard:
    """Relays to a port of 127.0.0.1, or lets a handler serve what comes from now on."""

    target: int
    context: ssl.SSLContext | None = None
    """Speaks TLS with the client, from the next connection on."""
    port: int = 0
    handler: StreamHandler | None = None
    """Serves the next connections in place of the target, behind TLS where there is a context."""
    usual: StreamHandler | None = None
    """Serves those that no `handler` serves, in place of the relay."""
    accepted: int = 0
    _lines: set[_Line] = field(factory=set[_Line])

    def cut(self) -> None:
        """End every live connection."""
        for line in self._lines:
            line.scope.cancel()

    async def say(self, data: bytes) -> None:
        """Send bytes to every client, between two frames of the target's; a cancellation waits for their last."""
        for line in list(self._lines):
            with suppress(*_BROKEN), trio.move_on_after(5, shield=True):
                await line.to_client(data)
        await trio.lowlevel.checkpoint()

    async def serve(self, raw: trio.SocketStream) -> None:
        """Serve one connection."""
        self.accepted += 1
        stream: trio.abc.Stream = raw
        try:
            async with raw:
                if self.context is not None:
                    secured = trio.SSLStream(raw, self.context, server_side=True, https_compatible=True)
                    await secured.do_handshake()
                    stream = secured
                handler = self.handler or self.usual
                if handler is not None:
                    await handler(stream)
                else:
                    await self._relay(stream)
        except* _BROKEN:
            pass

    async def _relay(self, client: trio.abc.Stream) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", self.target) as target, trio.open_nursery() as nursery:
            line = _Line(client, nursery.cancel_scope)
            self._lines.add(line)
            try:
                nursery.start_soon(_pump, client, target.send_all)
                await _pump(target, line.relay)
                nursery.cancel_scope.cancel()
            finally:
                self._lines.discard(line)


async def _pump(source: trio.abc.Stream, send: Callable[[bytes | bytearray], Awaitable[None]]) -> None:
    # What ends one direction ends the connection.
    while data := await source.receive_some():
        await send(data)
    raise trio.BrokenResourceError


@asynccontextmanager
async def open_switchboard(
    target: int, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncGenerator[Switchboard]:
    """Run the relay for the length of a block."""
    board = Switchboard(target, context)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, board.serve, 0, host=host))
        board.port = listeners[0].socket.getsockname()[1]
        yield board
        nursery.cancel_scope.cancel()
