"""The actor that listens: it serves each connection on its own, and accepts no more when the service drains."""

from __future__ import annotations

import ssl
from functools import partial
from typing import Final

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, HandshakeError
from wsproto.utilities import ProtocolError

from ds_actors import Actor
from ds_actors.serving._reception import Reception
from ds_actors.serving._upgrade import take_or_listen

CLOSES_WITHIN: Final = 1.0
"""Seconds for the last answers and the closing of the connections, once a stop is requested."""
_CLIENT_ERRORS = (
    ConnectionClosed,
    HandshakeError,
    ProtocolError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)


@define(eq=False)
class ClientListener(Actor[object]):
    """Listens at one address; its first incarnation takes over a socket that listens already."""

    reception: Reception
    host: str
    port: int
    tls: ssl.SSLContext | None
    first: list[trio.socket.SocketType] = field(repr=False)

    async def run(self) -> None:
        """Serve until a stop is requested; then answer what is left, and close the connections."""
        socket = await take_or_listen(self.first, self.host, self.port)
        dispatcher = self.reception.dispatcher
        async with trio.open_nursery() as clients:
            clients.start_soon(self._accept, socket, clients)
            await self.context.wait_stop_requested()
            dispatcher.close()
            with trio.move_on_after(CLOSES_WITHIN):
                while dispatcher.connections:
                    await dispatcher.changed.park()
            clients.cancel_scope.cancel()

    async def _accept(self, socket: trio.socket.SocketType, clients: trio.Nursery) -> None:
        """Accept connections until the service drains."""
        async with trio.open_nursery() as accepting:
            listeners = [trio.SocketListener(socket)]
            accepting.start_soon(partial(trio.serve_listeners, self._serve, listeners, handler_nursery=clients))
            await self.reception.dispatcher.draining.wait()
            accepting.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:
            return  # the client left before it was served
        await serve_stream(self.reception, stream, address, self.tls)


async def serve_stream(
    reception: Reception, stream: trio.abc.Stream, address: str, tls: ssl.SSLContext | None = None
) -> None:
    """Serve one client; its errors end its connection alone."""
    try:
        await reception.serve(stream, address, tls)
    except* (*_CLIENT_ERRORS, OSError):
        pass  # a client's end is no problem of the service
    except* Exception as group:  # noqa: BLE001 - one client's connection must not end those of others
        error = group.exceptions[0]
        reception.dispatcher.warn("client", f"a connection failed: {type(error).__name__}")
