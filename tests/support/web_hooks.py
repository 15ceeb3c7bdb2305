"""A receiver of webhooks for tests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define, field


@define(eq=False)
class Hooks:
    """A plain HTTP/1.1 server that keeps what it was sent and answers what it was told to."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    first: list[bytes] = field(factory=list[bytes])
    """What it answers before that."""
    port: int = 0
    requests: list[tuple[list[str], bytes]] = field(factory=list[tuple[list[str], bytes]])

    async def serve(self, context: ssl.SSLContext | None, stream: trio.abc.Stream) -> None:
        if context is not None:
            stream = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            async with stream:
                await self._request(stream)
        except trio.BrokenResourceError:
            pass

    async def _request(self, stream: trio.abc.Stream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = sum(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        while len(body) < length:
            body += await stream.receive_some(65_536)
        self.requests.append((lines, body))
        if not self.answer:
            await trio.sleep_forever()
        await stream.send_all(self.first.pop(0) if self.first else self.answer)
        while b"chunked" in self.answer:
            await stream.send_all(b"1000\r\n" + b"x" * 4096 + b"\r\n")


@asynccontextmanager
async def hooks(
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", context: ssl.SSLContext | None = None
) -> AsyncGenerator[Hooks]:
    one = Hooks(answer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(one.serve, context), 0, host="127.0.0.1"))
        one.port = listeners[0].socket.getsockname()[1]
        yield one
        nursery.cancel_scope.cancel()
