"""A subscribed video track as a source of frames: a stream is open only while a sample is made.

The stream opens when a turn is granted, gives one frame and closes. When samples follow each other so fast that opening
is not worth it, the stream stays open between them. All of `rtc` happens on the agent's loop; only the bytes of the due
frame cross to trio.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import Final, Literal

import trio
from livekit import rtc
from livekit.plugins.dataspike._closing import Closing
from livekit.plugins.dataspike._forwarding import TrackForwarding
from livekit.plugins.dataspike._frame_requests import TrackFrames
from livekit.plugins.dataspike._layers import LARGER_WITHIN, LayerPatience
from livekit.plugins.dataspike.log import logger

from ds_actors.asyncio import LoopBridge, LoopClosed
from ds_actors.detection import EncodingError, Frame, FrameTooSmallError
from ds_actors.detection.tracks.encoding import SampleTooLargeError
from ds_actors.detection.tracks.frame_size import FrameSize, frame_size

KEEP_OPEN: Final = 0.15
"""Seconds: the stream stays open this long for the next sample when samples are frequent."""


_Layout = Literal["i420", "nv12", "rgb24", "rgba"]
_LAYOUTS: Final[dict[int, _Layout]] = {
    rtc.VideoBufferType.I420: "i420",
    rtc.VideoBufferType.NV12: "nv12",
    rtc.VideoBufferType.RGB24: "rgb24",
    rtc.VideoBufferType.RGBA: "rgba",
}
_ROTATIONS: Final[dict[object, Literal[0, 90, 180, 270]]] = {0: 0, 1: 90, 2: 180, 3: 270}


class RoomVideo:
    """The frames of one subscribed track; usable again after `aclose`, because a track may restart."""

    def __init__(
        self,
        bridge: LoopBridge,
        track: rtc.Track,
        forwarding: TrackForwarding | None = None,
        frames: TrackFrames | None = None,
    ) -> None:
        self._bridge = bridge
        self.track = track
        self._forwarding = forwarding
        self._frames = frames
        self._stream: rtc.VideoStream | None = None
        self._last: float | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closing = Closing()
        self._patience = LayerPatience()
        self._in_vain = False
        """Whether the capture under way waited in vain for a larger layer."""

    async def capture(self) -> Frame | None:
        """In trio: return the next frame, waiting for one; None when the track has ended.

        Raises:
            FrameTooSmallError: when the frame is too small to judge.
            SampleTooLargeError: when the frame has too many pixels to encode.
            EncodingError: when its pixels cannot be converted.
        """
        try:
            event = await self._bridge.call(self._next)
        except LoopClosed:
            return None
        if event is None:
            return None
        frame, rotation = event.frame, _ROTATIONS.get(event.rotation, 0)
        match frame_size(frame.width, frame.height):
            case FrameSize.TOO_SMALL:
                raise FrameTooSmallError(f"a frame of {frame.width} x {frame.height} pixels is too small to judge")
            case FrameSize.TOO_LARGE:
                raise SampleTooLargeError(f"a frame of {frame.width} x {frame.height} pixels is too large to encode")
            case _:
                pass
        layout = _LAYOUTS.get(frame.type)
        if layout is None:
            # Ten bits, alpha, 4:4:4 and the like: the conversion copies the picture, so it runs on no loop.
            frame, layout = await trio.to_thread.run_sync(_converted, frame), "i420"
        return Frame(frame.width, frame.height, layout, frame.data, rotation)

    @property
    def frame_requests(self) -> int:
        """How often the server was asked for frames, because none came."""
        return 0 if self._frames is None else self._frames.asked

    def expect(self, due: float | None, *, steady: bool) -> None:
        """In trio: learn when the next sample is due, for the forwarding."""
        if self._forwarding is not None:
            at = math.inf if due is None else time.monotonic() + due - trio.current_time()
            self._bridge.post(self._forwarding.expect, at, steady)

    async def aclose(self) -> None:
        """In trio: close the stream if one is open, and have the track forwarded."""
        if self._stream is not None or self._closing or self._forwarding is not None or self._frames is not None:
            with suppress(LoopClosed):
                await self._bridge.call(self.close)

    async def close(self) -> None:
        """On the loop: close the stream if one is open, within 2 s, and have the track forwarded."""
        if self._forwarding is not None:
            self._forwarding.release()
        if self._frames is not None:
            self._frames.release()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        stream, self._stream = self._stream, None
        if stream is not None:
            self._closing.begin(stream.aclose())
        await self._closing.wait()

    async def _next(self) -> rtc.VideoFrameEvent | None:
        event = None
        self._in_vain = False
        if self._forwarding is not None:
            self._forwarding.capture_began()
        if self._frames is not None:
            self._frames.capture_began()
        try:
            event = await self._next_forwarded()
        finally:
            if self._forwarding is not None:
                self._forwarding.capture_ended(frame=event is not None, learn=not self._in_vain)
            if self._frames is not None:
                self._frames.capture_ended(frame=event is not None)
        return event

    async def _next_forwarded(self) -> rtc.VideoFrameEvent | None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        frequent = self._last is not None and now - self._last < KEEP_OPEN
        self._last = now
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        stream, self._stream = self._stream, None
        event = None
        try:
            if stream is None:
                try:
                    stream = rtc.VideoStream.from_track(track=self.track, capacity=1)
                except Exception:
                    logger.debug("a track ended before its frame was taken", exc_info=True)
                    return None
            event = await self._first(stream)
            if frequent and event is not None:
                self._stream, stream = stream, None
                self._idle = loop.call_later(KEEP_OPEN, self._close_idle)
        finally:
            if stream is not None:
                self._closing.begin(stream.aclose())
                await self._closing.wait()
        return event

    async def _first(self, stream: rtc.VideoStream) -> rtc.VideoFrameEvent | None:
        """Return the first frame that is not blank and not of a layer that is too small; None at the track's end."""
        least = 0 if self._forwarding is None else self._forwarding.least_side
        smaller: rtc.VideoFrameEvent | None = None
        try:
            async with asyncio.timeout(None) as limit:
                async for event in stream:
                    frame = event.frame
                    if frame_size(frame.width, frame.height) is FrameSize.BLANK:
                        continue
                    if not self._patience.waits(min(frame.width, frame.height), least):
                        self._patience.taken()
                        return event
                    if smaller is None:
                        limit.reschedule(asyncio.get_running_loop().time() + LARGER_WITHIN)
                    smaller = event
        except TimeoutError:
            self._in_vain = True
            self._patience.in_vain()
        return smaller

    def _close_idle(self) -> None:
        self._idle = None
        stream, self._stream = self._stream, None
        if stream is not None:
            self._closing.begin(stream.aclose())


def _converted(frame: rtc.VideoFrame) -> rtc.VideoFrame:
    try:
        return frame.convert(rtc.VideoBufferType.I420)
    except Exception as error:
        raise EncodingError(f"a frame of type {frame.type} cannot be converted to I420") from error
