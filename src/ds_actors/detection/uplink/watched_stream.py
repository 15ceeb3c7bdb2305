"""A stream whose every byte counts as a sign of life, and whose frames are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from ds_actors.detection.uplink.frames import HEAD_LIMIT, FrameScanner, UpgradeAnswer
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.metered_socket import report_moves
from ds_actors.detection.uplink.streams import WrappedStream

_SMALLEST_PIECE: Final = 1024
"""Bytes: what a link of 0.1 KiB/s moves in the 10 s after which a send that moves nothing is dead."""
_LARGEST_PIECE: Final = 8 * 1024


class WatchedStream(WrappedStream):
    """A stream that tells a heartbeat of every byte moved, and keeps the head of the answer to the upgrade.

    A socket reports what moves. Other streams say nothing before a whole send is done, so it goes in pieces: small ones
    on a slow link, and larger ones while they take less than a second, because each costs.
    """

    def __init__(self, stream: trio.abc.Stream, heartbeat: Heartbeat) -> None:
        super().__init__(stream)
        self._heartbeat = heartbeat
        self.spoiled: bool = False
        """A send was cut off: the other side cannot find the next message any more."""
        self.head: bytearray = bytearray()
        self.on_end: Callable[[], object] | None = None
        """Called when the stream ends; set while the upgrade is under way only."""
        self.violation: str = ""
        """The rule about frames that the other side broke."""
        self._answer: UpgradeAnswer = UpgradeAnswer()
        self._frames: FrameScanner | None = None
        self._is_metered = report_moves(stream, self._moved)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes; cancelling it spoils the stream."""
        self._heartbeat.send_started(trio.current_time())
        try:
            if self._is_metered:
                await self.inner.send_all(data)
            else:
                await self._send_pieces(memoryview(data))
        except BaseException:
            self.spoiled = True
            self._heartbeat.send_cut_off()
            raise
        finally:
            self._heartbeat.send_ended()

    def _moved(self) -> None:
        self._heartbeat.send_progress(trio.current_time())

    async def _send_pieces(self, view: memoryview) -> None:
        size, began = _SMALLEST_PIECE, trio.current_time()
        while True:
            piece, view = view[:size], view[size:]
            await self.inner.send_all(piece)
            now = trio.current_time()
            self._heartbeat.send_progress(now)
            if not view:
                return
            size = min(2 * size, _LARGEST_PIECE) if now - began < 1 else _SMALLEST_PIECE
            began = now

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes, b"" at the end."""
        try:
            data = await self.inner.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._ended()
            raise
        if not data:
            self._ended()
            return data
        self._heartbeat.received(trio.current_time())
        if self.on_end is not None and len(self.head) < HEAD_LIMIT:
            self.head += data[:HEAD_LIMIT]
        self._scan(data)
        if self.violation or self._answer.is_rejection:
            # The body of a rejection says nothing more, and may be endless.
            self._ended()
            raise trio.BrokenResourceError(self.violation)
        return data

    def _scan(self, data: bytes | bytearray) -> None:
        if self._frames is None:
            rest = self._answer.feed(data)
            if rest is None:
                self.violation = self._answer.violation
                return
            data, self._frames = rest, FrameScanner()
        frames, completed, controls = self._frames, self._frames.completed, self._frames.controls
        was_unfinished = frames.unfinished
        self.violation = frames.feed(data) or ""
        flood = self._heartbeat.control_frames(frames.controls - controls, trio.current_time())
        if flood is not None:
            self.violation = flood.reason
        if not frames.unfinished:
            self._heartbeat.message_ended()
        elif not was_unfinished or frames.completed > completed:
            self._heartbeat.message_began(trio.current_time())

    async def aclose(self) -> None:
        """Close the stream."""
        try:
            await self.inner.aclose()
        finally:
            self._ended()

    def _ended(self) -> None:
        if self.on_end is not None:
            self.on_end()
