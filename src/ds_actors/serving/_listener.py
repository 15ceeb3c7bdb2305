"""The actor that listens: it serves each connection on its own, and accepts no more when the service drains."""

from __future__ import annotations

import ssl
from functools import partial

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, HandshakeError
from wsproto.utilities import ProtocolError

from ds_actors import Actor
from ds_actors.serving._client import Reception
from ds_actors.serving._upgrade import take_or_listen

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
    _sockets: int = field(default=0, init=False)

    async def run(self) -> None:
        """Serve until a stop is requested."""
        socket = await take_or_listen(self.first, self.host, self.port)
        draining = self.reception.dispatcher.draining
        async with trio.open_nursery() as clients:
            self.context.spawn(self._end_on_stop, clients.cancel_scope)
            async with trio.open_nursery() as accepting:
                listeners = [trio.SocketListener(socket)]
                serve = partial(trio.serve_listeners, self._serve, listeners, handler_nursery=clients)
                accepting.start_soon(serve)
                await draining.wait()
                accepting.cancel_scope.cancel()
            await self.context.wait_stop_requested()

    async def _end_on_stop(self, scope: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._sockets >= 2 * self.reception.limits.connections:
            return  # not one more that may take ten seconds to say what it wants
        self._sockets += 1
        try:
            address = str(stream.socket.getpeername()[0])
            secured: trio.abc.Stream = stream
            if self.tls is not None:
                secured = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
            await serve_stream(self.reception, secured, address)
        except OSError:
            pass  # the client left before it was served
        finally:
            self._sockets -= 1


async def serve_stream(reception: Reception, stream: trio.abc.Stream, address: str) -> None:
    """Serve one client; its errors end its connection alone."""
    try:
        await reception.serve(stream, address)
    except* (*_CLIENT_ERRORS, OSError):
        pass  # a client's end is no problem of the service
    except* Exception as group:  # noqa: BLE001 - one client's connection must not end those of others
        error = group.exceptions[0]
        reception.dispatcher.warn("client", f"a connection failed: {type(error).__name__}")
