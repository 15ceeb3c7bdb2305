"""A TCP relay that is as slow as it is told to be: what a slow link does to a real socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

SLICE = 0.05
"""Seconds of the link per piece."""
SMALL_BUFFER = 4 * 1024
"""Bytes: like a link without a large queue; the kernel takes a few times as much."""


@define(eq=False)
class SlowRelay:
    """Passes bytes on to a port of this machine; what goes there shares one link.

    Args:
        target: the port.
        bytes_per_second: of the link; change it at any time. 0 stops it.
        buffer: bytes of the kernel's buffer before the link; None leaves the system's, which hides megabytes.
    """

    target: int
    bytes_per_second: float
    buffer: int | None = SMALL_BUFFER
    passed: int = 0
    """Bytes that went to the target."""
    _link: trio.Lock = field(factory=trio.Lock, init=False)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Relay one connection until one end closes it."""
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.target) as onward, trio.open_nursery() as nursery:
                nursery.start_soon(self._return, onward, stream, nursery.cancel_scope)
                while data := await stream.receive_some(self._piece()):
                    async with self._link:
                        await self._wait(len(data))
                    await onward.send_all(data)
                    self.passed += len(data)
                nursery.cancel_scope.cancel()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def _piece(self) -> int:
        return max(64, int(self.bytes_per_second * SLICE))

    async def _wait(self, size: int) -> None:
        while not self.bytes_per_second:
            await trio.sleep(SLICE)
        await trio.sleep(size / self.bytes_per_second)

    async def _return(self, onward: trio.abc.Stream, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        while data := await onward.receive_some():
            await stream.send_all(data)
        scope.cancel()


@asynccontextmanager
async def slow_relay(
    target: int, bytes_per_second: float, buffer: int | None = SMALL_BUFFER
) -> AsyncGenerator[tuple[SlowRelay, int]]:
    """Run a relay; yields it and its port."""
    relay = SlowRelay(target, bytes_per_second, buffer)
    listener = trio.socket.socket()
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # accepted sockets inherit it
    await listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, relay.serve, [trio.SocketListener(listener)])
        yield relay, listener.getsockname()[1]
        nursery.cancel_scope.cancel()
