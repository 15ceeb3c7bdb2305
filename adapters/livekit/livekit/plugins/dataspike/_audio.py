"""A subscribed microphone as a source of PCM: a stream is open only while a chunk is recorded."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from livekit import rtc
from livekit.plugins.dataspike._closing import Closing
from livekit.plugins.dataspike.log import logger

from ds_actors.asyncio import LoopBridge, LoopClosed

SAMPLE_RATE: Final = 16_000
BLOCK_MS: Final = 100
BLOCKS_KEPT: Final = 20
"""Two seconds of sound wait for a slow reader; older blocks are lost."""


class RoomAudio:
    """The sound of one subscribed track, mono, 16 kHz, blocks of 100 ms; `read` after `aclose` opens a new stream."""

    def __init__(self, bridge: LoopBridge, track: rtc.Track) -> None:
        self._bridge = bridge
        self.track = track
        self._stream: rtc.AudioStream | None = None
        self._closing = Closing()

    async def read(self) -> bytes:
        """In trio: return the next block; empty at the end."""
        try:
            return await self._bridge.call(self._next)
        except LoopClosed:
            return b""

    async def aclose(self) -> None:
        """In trio: close the stream if one is open."""
        if self._stream is not None or self._closing:
            with suppress(LoopClosed):
                await self._bridge.call(self.close)

    async def close(self) -> None:
        """On the loop: close the stream if one is open, within 2 s."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._closing.begin(stream.aclose())
        await self._closing.wait()

    async def _next(self) -> bytes:
        if self._stream is None:
            try:
                self._stream = rtc.AudioStream.from_track(
                    track=self.track,
                    sample_rate=SAMPLE_RATE,
                    num_channels=1,
                    frame_size_ms=BLOCK_MS,
                    capacity=BLOCKS_KEPT,
                )
            except Exception:
                logger.debug("a track ended before its sound was taken", exc_info=True)
                await asyncio.sleep(0)
                return b""
        try:
            event = await self._stream.__anext__()
        except StopAsyncIteration:
            return b""
        return bytes(event.frame.data.cast("B"))
