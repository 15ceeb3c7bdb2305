"""The nursery of a WebSocket's reading task, in which nothing that arrives after the close can be a failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from attrs import define
from trio_websocket import WebSocketConnection


@define(eq=False)
class ReaderNursery:
    """Starts a reading task in a nursery, and keeps what it raises after a close frame was sent or received.

    trio-websocket answers every ping, and wsproto refuses to send a pong behind a close frame (RFC 6455, 5.5.1): the
    task would fail, and with it the nursery.
    """

    nursery: trio.Nursery
    stream: trio.abc.Stream
    ended: Callable[[], object]
    """Called when such a task is over, and with it all hope for the rest of the closing handshake."""

    def start_soon(self, reader: Callable[[], Awaitable[object]]) -> None:
        """Start the reading task, a method of its WebSocket."""
        self.nursery.start_soon(self._read, reader)

    async def _read(self, reader: Callable[[], Awaitable[object]]) -> None:
        try:
            await reader()
        except Exception:
            websocket = getattr(reader, "__self__", None)
            if not isinstance(websocket, WebSocketConnection) or websocket.closed is None:
                raise
            # A socket that is closed with unread bytes is reset, and the close frame may be lost with it.
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                while await self.stream.receive_some():
                    pass
            self.ended()
