"""Listens where bytes leave the monitor and reach it: how old its samples are there, and when verdicts arrive."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field, frozen
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from ds_actors.detection.events import ResultType
from ds_actors.detection.uplink.frames import UpgradeAnswer
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.wire import MalformedMessage, decode_request, decode_result

_VERDICTS: Final = frozenset({ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT})
_KEPT: Final = 500
_HEAD_ENDS: Final = b"\r\n\r\n"


@frozen
class Leaving:
    """A sample whose send begins: the last moment at which it can be dropped."""

    at: float
    age: float
    """Seconds since its capture."""


@define(eq=False)
class Tap:
    """What left the monitor and what reached it, by all its connections."""

    track: str
    leaving: deque[Leaving] = field(factory=lambda: deque[Leaving](maxlen=_KEPT))
    oldest: float | None = None
    """The highest age of a sample."""
    verdict_at: float | None = None
    """When the last verdict about the track arrived."""

    def left_since(self, at: float) -> Leaving | None:
        """Return the first sample that left at that time or later."""
        return next((sample for sample in self.leaving if sample.at >= at), None)

    def sent(self, request: bytes) -> None:
        """Take note of a message of the monitor."""
        age = time.time() - decode_request(request).timestamp_ms / 1_000
        self.leaving.append(Leaving(trio.current_time(), age))
        self.oldest = age if self.oldest is None else max(self.oldest, age)

    def received(self, message: bytes) -> None:
        """Take note of a message of the service."""
        with suppress(MalformedMessage):
            result = decode_result(message)
            if result.track == self.track and result.number in _VERDICTS:
                self.verdict_at = trio.current_time()


@define(eq=False)
class _Messages:
    """The binary messages in one direction of a WebSocket; none any more, once a frame cannot be read."""

    _frames: FrameProtocol
    _message: bytearray = field(factory=bytearray)
    _readable: bool = True

    def feed(self, data: bytes | bytearray) -> list[bytes]:
        whole: list[bytes] = []
        if not self._readable:
            return whole
        try:
            self._frames.receive_bytes(bytes(data))
            for frame in self._frames.received_frames():
                if frame.opcode is Opcode.BINARY and isinstance(frame.payload, bytes | bytearray):
                    self._message += frame.payload
                    if frame.message_finished:
                        whole.append(bytes(self._message))
                        self._message.clear()
        except ParseFailed:
            self._readable = False
        return whole


@define(eq=False)
class TappedStream(WrappedStream):
    """A stream to the service, of which the tap hears."""

    tap: Tap
    _request: bytearray = field(factory=bytearray)
    _answer: UpgradeAnswer = field(factory=UpgradeAnswer)
    _upgraded: bool = False
    _outgoing: _Messages = field(factory=lambda: _Messages(FrameProtocol(client=False, extensions=[])))
    _incoming: _Messages = field(factory=lambda: _Messages(FrameProtocol(client=True, extensions=[])))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes; the age of a sample counts before its first one goes."""
        if self._request.endswith(_HEAD_ENDS):
            for message in self._outgoing.feed(bytes(data)):
                self.tap.sent(message)
        else:
            self._request += data
        await self.inner.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes; b"" at the end."""
        data = await self.inner.receive_some(max_bytes)
        frames: bytes | bytearray | None = data
        if not self._upgraded:
            frames = self._answer.feed(data)
            self._upgraded = frames is not None
        for message in self._incoming.feed(frames or b""):
            self.tap.received(message)
        return data
