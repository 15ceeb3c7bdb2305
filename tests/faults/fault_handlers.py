"""Servers that stand in the service's place: they answer with given bytes, hang, or play a proxy."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import Final

import trio
from switchboard import StreamHandler

_SOCKS_ADDRESS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x00"


async def closes(_stream: trio.abc.Stream) -> None:
    """Close at once."""
    await trio.lowlevel.checkpoint()


async def hangs(stream: trio.abc.Stream) -> None:
    """Read everything, and say nothing."""
    while await stream.receive_some():
        pass


async def reads_nothing(_stream: trio.abc.Stream) -> None:
    """Neither read nor speak."""
    await trio.sleep_forever()


async def resets(stream: trio.abc.Stream) -> None:
    """Read the request, and reset the connection."""
    await stream.receive_some()
    assert isinstance(stream, trio.SocketStream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answers(*pieces: bytes, then: StreamHandler = closes) -> StreamHandler:
    """Read the request, and answer with these bytes."""

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        for piece in pieces:
            await stream.send_all(piece)
        await then(stream)

    return handler


def answers_without_end(first: bytes, piece: bytes) -> StreamHandler:
    """Read the request, and send as fast as the client reads."""

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(first)
        while True:
            await stream.send_all(piece)

    return handler


def http(status: int, reason: str = "No", *headers: str, body: bytes = b"no") -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def frame(opcode: int, payload: bytes = b"", *, first: int = 0x80) -> bytes:
    """Return a frame of a server (RFC 6455, 5.2); `first` holds FIN and the reserved bits."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([first | opcode]) + length + payload


def http_proxy(target: Callable[[], int]) -> StreamHandler:
    """Play an HTTP proxy in front of a port."""

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await _relay(stream, target())

    return handler


def socks_proxy(target: Callable[[], int]) -> StreamHandler:
    """Play a SOCKS5 proxy (RFC 1928, 1929) in front of a port."""

    async def handler(stream: trio.abc.Stream) -> None:
        await _socks_answers(stream, (b"\x05\x02", b"\x01\x00", b"\x05\x00" + _SOCKS_ADDRESS))
        await _relay(stream, target())

    return handler


def socks_that_refuses(*replies: bytes) -> StreamHandler:
    """Play a SOCKS5 proxy that gives these answers, and closes."""

    async def handler(stream: trio.abc.Stream) -> None:
        await _socks_answers(stream, replies)

    return handler


SOCKS_WRONG_PASSWORD: Final = (b"\x05\x02", b"\x01\x01")
SOCKS_HOST_UNREACHABLE: Final = (b"\x05\x02", b"\x01\x00", b"\x05\x04" + _SOCKS_ADDRESS)


async def _socks_answers(stream: trio.abc.Stream, replies: Iterable[bytes]) -> None:
    for reply in replies:
        await stream.receive_some()
        await stream.send_all(reply)


async def _relay(client: trio.abc.Stream, port: int) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as target, trio.open_nursery() as nursery:

        async def pump(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
            while data := await source.receive_some():
                await sink.send_all(data)
            nursery.cancel_scope.cancel()

        nursery.start_soon(pump, client, target)
        nursery.start_soon(pump, target, client)
