"""A stream under a WebSocket that ends when a message has too many fragments: the library would keep them all."""

from __future__ import annotations

import re
from typing import Final

import trio
from attrs import define, field

from ds_actors.detection.uplink.frames import FRAMES_PER_MESSAGE, HEAD_LIMIT, FrameScanner
from ds_actors.detection.uplink.streams import WrappedStream

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")  # as the library ends one, which is more than HTTP allows


@define(eq=False)
class FrameLimitedStream(WrappedStream):
    """A client's request, and after it its frames."""

    _head: bytearray | None = field(factory=bytearray, init=False, repr=False)
    """The request so far; None once frames follow."""
    _frames: FrameScanner = field(factory=FrameScanner, init=False, repr=False)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes.

        Raises:
            trio.BrokenResourceError: when a message has more fragments than any client needs, or a request too long a
                head.
        """
        data = await super().receive_some(max_bytes)
        frames = data
        if self._head is not None:
            self._head += data
            end = _END_OF_HEAD.search(self._head)
            frames = b"" if end is None else self._head[end.end() :]
            if end is not None:
                self._head = None
            elif len(self._head) > HEAD_LIMIT:
                raise trio.BrokenResourceError(f"the head of a request has more than {HEAD_LIMIT:,} bytes")
        if self._frames.feed(frames) is not None:
            raise trio.BrokenResourceError(f"a message has more than {FRAMES_PER_MESSAGE} frames")
        return data
