"""The service's end of a connection: it implements silence, reports each send, and notes when each message came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from attrs import define, field

from ds_actors.detection.uplink.frames import FrameScanner
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.faults import Silence

_PING = 0x9


@define(eq=False)
class GatedStream(WrappedStream):
    """A stream that discards sent data while the service is silent, and reports every other send.

    trio-websocket sends each frame with one `send_all`, so discarding a send keeps the framing intact.
    """

    faults: Faults
    sent: Callable[[bool], None] = lambda _answer: None
    """Called before each send; with False when it is a ping, which answers nothing."""
    _frames: FrameScanner | None = field(default=None, init=False)
    _began: float = field(default=0.0, init=False)
    _arrivals: deque[tuple[float, float]] = field(factory=deque[tuple[float, float]], init=False)

    def upgraded(self) -> None:
        """Take what arrives from now on as frames."""
        self._frames = FrameScanner()

    def arrival(self, now: float) -> tuple[float, float]:
        """Return when the first and the last byte of the oldest message came that this was not asked about yet."""
        return self._arrivals.popleft() if self._arrivals else (now, now)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the data, or discard it while the service is silent."""
        if self.faults.active(Silence) is not None:
            await trio.lowlevel.checkpoint()
            return
        self.sent(self._frames is not None and data[0] & 0x0F != _PING)
        await super().send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes; b"" at the end."""
        data = await super().receive_some(max_bytes)
        if self._frames is not None:
            self._note(self._frames, data, trio.current_time())
        return data

    def _note(self, frames: FrameScanner, data: bytes | bytearray, now: float) -> None:
        before, was_unfinished = frames.messages, frames.unfinished
        if frames.feed(data) is not None:
            self._frames = None  # so many fragments are not followed: their messages took no time
            return
        for _ in range(frames.messages - before):
            self._arrivals.append((self._began if was_unfinished else now, now))
            was_unfinished = False
        if frames.unfinished and not was_unfinished:
            self._began = now
