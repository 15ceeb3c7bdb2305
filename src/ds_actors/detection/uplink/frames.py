"""The frames of a WebSocket's incoming bytes (RFC 6455, 5.2), counted: a message must come to an end. Pure.

The WebSocket's library limits the bytes of a message, and accepts any number of empty fragments.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from ds_actors.detection.uplink.close_reasons import parse_head

FRAMES_PER_MESSAGE: Final = 64
"""The most frames of one message."""
HEAD_LIMIT: Final = 16 * 1024
"""Bytes of the answer to the upgrade up to the blank line behind its head, and of those that announce it."""

_SWITCHING_PROTOCOLS: Final = 101
_FINAL_ANSWER: Final = 200
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_FIRST_CONTROL: Final = 0x8
_LENGTH_BYTES: Final = {126: 2, 127: 8}


@define
class UpgradeAnswer:
    """Finds where the frames begin: behind a head of status 101. A body follows any other head, and has none."""

    is_rejection: bool = field(default=False, init=False)
    """The answer is neither 101 nor one that announces another (100 to 199)."""
    violation: str = field(default="", init=False)
    """The rule that the answer breaks."""
    _head: bytearray = field(factory=bytearray, init=False)
    _size: int = field(default=0, init=False)

    def feed(self, data: bytes | bytearray) -> bytes | None:
        """Take the next bytes; return those of frames once the head is complete, None before and for a rejection."""
        if self.is_rejection or self.violation:
            return None
        self._head += data
        self._size += len(data)
        while not self.is_rejection:
            answer = parse_head(bytes(self._head))
            if answer is None:
                break
            rest = self._head.partition(b"\r\n\r\n")[2]
            if answer[0] == _SWITCHING_PROTOCOLS:
                return bytes(rest)
            self.is_rejection = answer[0] >= _FINAL_ANSWER
            self._head = rest
        if self._size > HEAD_LIMIT and not self.is_rejection:
            self.violation = f"the head of the answer to the upgrade has more than {HEAD_LIMIT:,} bytes"
        return None


@define
class FrameScanner:
    """Follows the boundaries of frames; what is in them, and whether it is valid, is the library's concern."""

    completed: int = field(default=0, init=False)
    """Messages that ended, and control frames outside a message."""
    messages: int = field(default=0, init=False)
    """Messages that ended."""
    controls: int = field(default=0, init=False)
    """Control frames: pings, pongs and closes."""
    _frames: int = field(default=0, init=False)
    """Frames of the message under way; 0 outside a message."""
    _header: bytearray = field(factory=bytearray, init=False)
    _left: int = field(default=0, init=False)
    """Bytes of the frame under way that have not arrived."""
    _ends: bool = field(default=False, init=False)
    """The frame under way ends what it belongs to."""

    @property
    def unfinished(self) -> bool:
        """Whether a frame or a message is under way."""
        return bool(self._frames or self._header or self._left)

    def feed(self, data: bytes | bytearray) -> str | None:
        """Take the next bytes; return the rule that they break, after which the scanner is not usable."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                if not self._left:
                    self._frame_ended()
                continue
            self._header.append(data[at])
            at += 1
            if len(self._header) == self._header_size() and self._header_ended() > FRAMES_PER_MESSAGE:
                return f"a message of the service has more than {FRAMES_PER_MESSAGE} frames"
        return None

    def _header_size(self) -> int:
        if len(self._header) < 2:
            return 2
        second = self._header[1]
        return 2 + _LENGTH_BYTES.get(second & 0x7F, 0) + (4 if second & _MASKED else 0)

    def _header_ended(self) -> int:
        """Begin a frame, and return how many its message has so far."""
        first, second = self._header[0], self._header[1]
        size = second & 0x7F
        extended = _LENGTH_BYTES.get(size, 0)
        self._left = int.from_bytes(self._header[2 : 2 + extended], "big") if extended else size
        self._header.clear()
        is_control = first & 0x0F >= _FIRST_CONTROL
        if is_control:
            self.controls += 1
        else:
            self._frames += 1
        self._ends = not self._frames if is_control else bool(first & _FINAL)
        frames = self._frames
        if not self._left:
            self._frame_ended()
        return frames

    def _frame_ended(self) -> None:
        if self._ends:
            self.completed += 1
            self.messages += bool(self._frames)
            self._frames = 0
