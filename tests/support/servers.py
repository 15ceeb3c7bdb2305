"""Servers of a test's own, each for as long as its block."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio
from trio_websocket import WebSocketRequest, serve_websocket

Handler = Callable[[WebSocketRequest], Awaitable[None]]


@asynccontextmanager
async def websocket_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve WebSockets at the port that this yields."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, handler, "127.0.0.1", 0, context))
        yield server.port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def tcp_server(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncGenerator[int]:
    """Serve TCP at the port that this yields."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
