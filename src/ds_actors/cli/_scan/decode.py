"""A video stream's samples, decoded from front to back by PyAV. These functions block: run them in a worker thread."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import av.container
import av.video.stream
import numpy as np
from attrs import define, field, frozen
from av.error import FFmpegError

from ds_actors.cli._heif import StillPicture
from ds_actors.cli._pixels import Pixels, upright
from ds_actors.cli._scan.clock import NEAR_ZERO, Clock
from ds_actors.cli._scan.damage import DamageLog
from ds_actors.cli._scan.packets import AnyPacket, decoded, read_packets
from ds_actors.cli._scan.segments import samples_due
from ds_actors.cli._stills import assembled
from ds_actors.cli._video import BadInput, OpenVideo, words
from ds_actors.cli._video_streams import late_streams
from ds_actors.detection.tracks.encoding import EncodingError, Frame, encode_jpeg

THUMBNAIL_SIDE: Final = 320
_STEP: Final = 32
"""The most packets that one step reads, so that its caller can stop between two steps."""
_NOT_WHOLE: Final = "its last picture is incomplete"
_BEGIN_ANYWHERE: Final = frozenset({"mpegts", "mpeg"})
"""FFmpeg's names of the formats whose files begin at any time."""


@frozen
class DueFrame:
    """One picture and the samples it makes: several where the rate is above the video's own."""

    count: int
    seconds: float
    """The frame's time."""
    jpeg: bytes = field(repr=False)
    thumbnail: bytes | None = field(default=None, repr=False)


@define(eq=False)
class Video:
    """One video stream of an open file. Used by one thread at a time; `close` it.

    Args:
        path: a regular file.
        fps: samples a second of video.
        thumbnails: make a small JPEG of each sample too.
        index: the stream's index in the file; without it, the stream that a player would choose.
        max_side: pixels of a sample's longer side, at most.
        quality: of a sample's JPEG, 0 to 100.
    """

    path: Path
    fps: Fraction
    thumbnails: bool = False
    index: int | None = None
    max_side: int | None = None
    quality: int = 75
    due: int = field(default=0, init=False)
    """Samples due by what is decoded."""
    last: Fraction | None = field(default=None, init=False)
    """The latest time of a decoded frame, in seconds."""
    stated: float | None = field(default=None, init=False)
    """The container's own figure for its length, in seconds."""
    ended: bool = field(default=False, init=False)
    truncated: str = field(default="", init=False)
    """Why the end of the file is missing; empty when the file was decoded to its end."""
    late: tuple[int, ...] = field(default=(), init=False)
    """Indexes of the video streams that were announced after the beginning, too late for a scan."""
    damage: DamageLog = field(factory=DamageLog, init=False)
    _clock: Clock = field(factory=Clock, init=False)
    _seen: bool = field(default=False, init=False)
    """Whether a picture was decoded."""
    _opened: OpenVideo | None = field(default=None, init=False)
    _frames: Iterator[av.VideoFrame | None] = field(factory=lambda: iter(()), init=False)
    _reach: Fraction = field(default=Fraction(0), init=False)
    _packets: int = field(default=0, init=False)
    _indexed: int = field(default=0, init=False)
    """How many packets the container's index lists; 0 when it has none."""

    def open(self) -> None:
        """Open the file and its video stream.

        Raises:
            BadInput: as `OpenVideo`.
        """
        self._opened = opened = OpenVideo(self.path, self.index)
        container = opened.container
        if container.duration is not None and container.duration > 0:
            self.stated = container.duration / av.time_base
        ticks = cast("int | None", container.start_time)  # None where the container has no times
        start = None if ticks is None else Fraction(ticks, av.time_base)
        self._clock.start = start
        self._clock.any_start = container.format.name in _BEGIN_ANYWHERE
        self._indexed = opened.stream.frames
        if container.format.name == "avi" and opened.stream.time_base is not None:
            # FFmpeg's figure is for what is left of a cut AVI; the header's count, in ticks, is of the whole.
            self.stated = max(self.stated or 0.0, float(self._indexed * opened.stream.time_base)) or None
        if container.format.name.startswith("matroska") and self.stated and start and NEAR_ZERO < start < self.stated:
            self.stated -= float(start)  # FFmpeg's muxer states the time of the end, not the length
        self._frames = self._decode(container, opened.stream) if opened.grid is None else _still(container, opened.grid)

    @property
    def origin(self) -> Fraction:
        """The container's time at second 0 of the video, in seconds; known from the first picture on."""
        return self._clock.origin

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()

    def step(self) -> DueFrame | None:
        """Decode on for a while; return the next samples when they are due, None when none is yet.

        Raises:
            BadInput: when the file is over and gave no picture at all.
        """
        for _ in range(_STEP):
            try:
                frame = next(self._frames)
                made = None if frame is None else self._take(frame)
            except StopIteration:
                self._finish(self.damage.reason if self.damage.at_end else "")
                return None
            except EncodingError as error:
                self._fail(None, str(error))
                continue
            except (FFmpegError, ValueError, OSError, MemoryError) as error:
                self._finish(words(error))
                return None
            if made is not None:
                return made
        return None

    def _finish(self, error: str) -> None:
        self.ended = True
        assert self._opened is not None
        self.late = late_streams(self._opened.container)
        if self.last is None:
            raise BadInput(self._opened.unseen(error or self.damage.reason))
        if error:
            self.truncated = f"it could be decoded up to {float(self.last):.1f} s only: {error}"
        elif self.stated is not None and self.stated > self._reach + self._margin(self.stated):
            # Matroska ends without an error wherever it is cut, MP4 where it is cut between two packets.
            self.truncated = f"it ends after {float(self._reach):.1f} s and states {self.stated:.1f} s"
        elif missing := self._opened.missing_end():
            self.truncated = f"it ends after {float(self._reach):.1f} s: {missing}"

    def _margin(self, stated: float) -> float:
        """Return how many seconds a container's figure may be wrong without a meaning."""
        # An edit list too hides packets that the index counts, but then the stated length is without them.
        return 0.25 if self._packets < self._indexed else max(2.0, 0.05 * stated)

    def _decode(
        self, container: av.container.InputContainer, stream: av.video.stream.VideoStream
    ) -> Iterator[av.VideoFrame | None]:
        """Yield frames, and None between packets; record data that cannot be decoded, and continue after it."""
        start = Fraction(container.start_time or 0, av.time_base)
        last: AnyPacket | None = None
        cut = False
        for packet in read_packets(container):
            if isinstance(packet, FFmpegError):
                self.damage.fail(float(self._clock.latest or 0), words(packet))
                yield None
                continue
            self._note(packet, start)
            if packet.stream.index != stream.index:
                yield None
                continue
            if packet.size == 0:
                # An empty packet repeats a picture in Theora. Decoding one ends the decoder: only the last is decoded.
                last = packet
                yield None
                continue
            self._packets += 1
            cut = packet.is_corrupt
            yield from self._pictures(packet)
            yield None
        if last is not None:
            yield from self._pictures(last)
        if cut and not self.damage.at_end:
            self._fail(None, _NOT_WHOLE)

    def _note(self, packet: AnyPacket, start: Fraction) -> None:
        base, length = packet.time_base, packet.duration or 0
        shown = packet.dts if packet.pts is None else packet.pts
        if shown is not None:
            self._reach = max(self._reach, (shown + length) * base - start)
        # Decoding times are in order; presentation times of packets are not.
        read = shown if packet.dts is None else packet.dts
        if read is not None:
            self._clock.note(packet.stream.index, read * base, length * base)

    def _pictures(self, packet: AnyPacket) -> Iterator[av.VideoFrame]:
        try:
            frames = decoded(packet)
        except FFmpegError as error:
            # A recording may begin between two key frames: failures before the first key frame are not damage.
            if self._seen or packet.is_keyframe:
                self._fail(packet, words(error))
            return
        if packet.size:
            self.damage.succeed()
        for frame in frames:
            if frame.is_corrupt and self._seen:
                self._fail(packet, _NOT_WHOLE)
            self._seen = True
            yield frame

    def _fail(self, packet: AnyPacket | None, reason: str) -> None:
        pts = None if packet is None or packet.pts is None else packet.pts * packet.time_base
        self.damage.fail(float(self._clock.estimate(pts)), reason)

    def _take(self, frame: av.VideoFrame) -> DueFrame | None:
        time = self._time(frame)
        due = max(self.due, samples_due(self.fps, time))
        made: DueFrame | None = None
        if due > self.due:
            assert self._opened is not None
            pixels = upright(frame, self._opened.aspect)
            small = _thumbnail(pixels) if self.thumbnails else None
            made = DueFrame(due - self.due, float(time), self._encoded(pixels), small)
        self.due = due
        self.last = self._clock.latest
        return made

    def _encoded(self, pixels: Pixels) -> bytes:
        return encode_jpeg(_picture(pixels), quality=self.quality, max_side=self.max_side)

    def _time(self, frame: av.VideoFrame) -> Fraction:
        assert self._opened is not None
        ticks = frame.pts if frame.pts is not None else frame.dts
        # A bare stream has no times: its pictures follow each other at its rate.
        pts = None if ticks is None or frame.time_base is None else ticks * frame.time_base
        return self._clock.next(pts, 1 / (self._opened.stream.guessed_rate or Fraction(25)))


def _picture(pixels: Pixels) -> Frame:
    height, width = pixels.shape[:2]
    return Frame(width, height, "rgb24", np.ascontiguousarray(pixels).reshape(-1).data)


def _thumbnail(pixels: Pixels) -> bytes:
    # Without every row and column, so that resizing a large picture takes no further copies of it.
    step = max(1, max(pixels.shape[:2]) // (4 * THUMBNAIL_SIDE))
    return encode_jpeg(_picture(pixels[::step, ::step]), quality=70, max_side=THUMBNAIL_SIDE)


def _still(container: av.container.InputContainer, picture: StillPicture) -> Iterator[av.VideoFrame | None]:
    yield assembled(container, picture)
