"""A TCP stream that reports every part of a send that the kernel takes, so that a send need not be cut into pieces."""

from __future__ import annotations

import errno
from collections.abc import Callable

import trio
from attrs import define, field

from ds_actors.detection.uplink.streams import WrappedStream


def _nothing() -> None:
    pass


@define(eq=False)
class MeteredSocket(WrappedStream):
    """A `trio.SocketStream` that calls `moved` for every part of a send that the kernel took."""

    socket: trio.socket.SocketType
    """The socket of `inner`."""
    moved: Callable[[], object] = field(default=_nothing, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes.

        Raises:
            trio.ClosedResourceError: when this side closed the socket.
            trio.BrokenResourceError: when the connection broke.
        """
        rest = memoryview(data)
        if not rest:
            await self.inner.send_all(rest)
            return
        try:
            while rest:
                rest = rest[await self.socket.send(rest) :]
                self.moved()
        except OSError as error:
            if error.errno == errno.EBADF:
                raise trio.ClosedResourceError("this socket was closed") from None
            raise trio.BrokenResourceError(f"the connection broke: {error}") from error


def metered(stream: trio.SocketStream) -> MeteredSocket:
    """Return the stream, metered."""
    return MeteredSocket(stream, stream.socket)


def report_moves(stream: trio.abc.Stream, moved: Callable[[], object]) -> bool:
    """Have the socket below a stream report what moves; return False where none can."""
    below: object = stream
    while isinstance(below, trio.abc.Stream):
        if isinstance(below, MeteredSocket):
            below.moved = moved
            return True
        below = getattr(below, "inner", None) or getattr(below, "transport_stream", None)
    return False
