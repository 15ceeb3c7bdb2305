"""A stream under a WebSocket that ends when a message has too many fragments: the library would keep them all."""

from __future__ import annotations

import trio
from attrs import define, field

from ds_actors.detection.uplink.frames import FRAMES_PER_MESSAGE, FrameScanner
from ds_actors.detection.uplink.streams import WrappedStream

_END_OF_HEAD = b"\r\n\r\n"


@define(eq=False)
class FrameLimitedStream(WrappedStream):
    """A client's request, and after it its frames."""

    _head: bytearray | None = field(factory=bytearray, init=False, repr=False)
    """The request so far, which the library bounds; None once frames follow."""
    _frames: FrameScanner = field(factory=FrameScanner, init=False, repr=False)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes.

        Raises:
            trio.BrokenResourceError: when a message has more fragments than any client needs.
        """
        data = await super().receive_some(max_bytes)
        frames = data
        if self._head is not None:
            self._head += data
            head, end, frames = self._head.partition(_END_OF_HEAD)
            self._head = None if end else head
        if self._frames.feed(frames) is not None:
            raise trio.BrokenResourceError(f"a message has more than {FRAMES_PER_MESSAGE} frames")
        return data
