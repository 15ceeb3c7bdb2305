"""Opening an untrusted video file with PyAV. These functions block: run them in a worker thread."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
import av.container
import av.video.stream
from attrs import define, evolve, field
from av.error import ArgumentError, FFmpegError, InvalidDataError

from ds_actors.cli._endings import missing_end
from ds_actors.cli._heif import StillPicture, still_pictures
from ds_actors.cli._heif_boxes import HeifError
from ds_actors.cli._pixels import MOST_PIXELS, SQUARE, too_large
from ds_actors.cli._unscanned import unscanned_parts
from ds_actors.cli._video_streams import VideoStreams, described, in_playing_order
from ds_actors.detection.events import plain

_BOUNDS: Final = {"max_pixels": str(MOST_PIXELS)}
"""Options of FFmpeg's decoders, which otherwise allocate a picture of any size before its size is known here."""
_REFUSED: Final = "FFmpeg refuses it as invalid"
_NO_VIDEO: Final = "there is no video stream in it"


class BadInput(Exception):
    """A file that cannot be played; the message is one line that says why."""


@define(eq=False)
class OpenVideo:
    """An open file and one of its video streams; `close` it.

    Args:
        path: a regular file.
        index: the stream's index in the file; without it, the stream that a player would choose.

    Raises:
        BadInput: when there is no such file, no such video stream in it, or no decoder for that stream.
    """

    path: Path
    index: int | None = None
    container: av.container.InputContainer = field(init=False)
    stream: av.video.stream.VideoStream = field(init=False)
    grid: StillPicture | None = field(default=None, init=False)
    """The picture whose first tile is the stream; None for any other stream."""
    _file: BinaryIO = field(init=False)
    _found: VideoStreams = field(init=False)
    _first_aspect: Fraction | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._file, self.container, self._found = _open(self.path)
        try:
            self.stream = self._chosen()
        except BadInput:
            self.close()
            raise
        # Slices, not frames: with threads by frame, PyAV does not raise the error of a file's last packet.
        self.stream.thread_type = "SLICE"

    def _chosen(self) -> av.video.stream.VideoStream:
        index = self.index
        if index is None:
            index = next((stream.index for stream in in_playing_order(self._found.streams)), None)
        if index is None:
            raise BadInput(_NO_VIDEO)
        stream = next((stream for stream in self.container.streams.video if stream.index == index), None)
        name = next((entry for entry in self._found.streams if entry.index == index), None)
        if stream is None or name is None:
            raise BadInput(f"it lost its video stream {index}: the file was changed during the scan")
        if not name.decodable:
            raise BadInput("no decoder for its codec is available; convert it, for example to H.264 in MP4")
        self.grid = self._found.grids.get(index)
        if problem := too_large(name.width, name.height):
            raise BadInput(problem)
        for part in self.container.streams.video:
            context = getattr(part, "codec_context", None)  # None without a decoder, whatever PyAV's stubs say
            if context is not None:
                context.options = dict(_BOUNDS)
        return stream

    @property
    def aspect(self) -> Fraction:
        """The sample aspect ratio of the latest picture: the width of a stored pixel, with its height as 1."""
        if self._found.stills or self.container.format.name.endswith("_pipe"):
            return SQUARE  # viewers of photos ignore it
        now = self.stream.codec_context.sample_aspect_ratio
        if self._first_aspect is None:
            self._first_aspect = now or SQUARE
        # A broadcast may change its aspect ratio; the ratio that the container states is that of the beginning.
        changed = now is not None and now != self._first_aspect
        return (now if changed else self.stream.sample_aspect_ratio) or SQUARE

    def unseen(self, reason: str = "") -> str:
        """Return in one line that no picture was decoded, with the reason as far as it is known."""
        if self.stream.codec_context.width or reason not in ("", _REFUSED):
            return f"none of its pictures could be decoded{f': {reason}' if reason else ''}"
        return f"its pictures have no valid size, or more than {MOST_PIXELS // 1_000_000} megapixels; make them smaller"

    def missing_end(self) -> str:
        """Return what is missing at the end of the file, as `missing_end` does; call it after the last packet."""
        return missing_end(self._file, os.fstat(self._file.fileno()).st_size)

    def close(self) -> None:
        """Close the file."""
        self.container.close()
        self._file.close()


def video_streams(path: Path) -> VideoStreams:
    """Return the video streams of a file.

    Raises:
        BadInput: when there is no such file, or no video stream in it.
    """
    file, container, found = _open(path)
    container.close()
    with file:
        unscanned = unscanned_parts(file)
    if not found.streams:
        raise BadInput(_NO_VIDEO)
    return evolve(found, unscanned=unscanned)


def _open(path: Path) -> tuple[BinaryIO, av.container.InputContainer, VideoStreams]:
    _check(path)
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise BadInput(words(error)) from error
    try:
        stills = still_pictures(file)
        # Opened by Python, and nothing else may be opened from inside: a playlist could name any file or host.
        container = av.open(file, "r", options={"protocol_whitelist": "none", **_BOUNDS}, metadata_errors="ignore")
        return file, container, described(container, stills)
    except HeifError as error:
        file.close()
        raise BadInput(str(error)) from error
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        file.close()
        raise BadInput(_opening(error)) from error


def words(error: Exception) -> str:
    """Return what an error says, as one line."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, ArgumentError):
        return _REFUSED
    if isinstance(error, InvalidDataError):
        return "its data is damaged"  # FFmpeg's words say no more, and are longer
    return plain(str(getattr(error, "strerror", None) or error), 200) or type(error).__name__


def _check(path: Path) -> None:
    try:
        if path.is_dir():
            raise BadInput("it is a folder")
        if not path.exists():
            raise BadInput("there is no such file")
        if not path.is_file():
            raise BadInput("it is not a regular file")
        if path.stat().st_size == 0:
            raise BadInput("it is empty")
    except (OSError, ValueError) as error:
        raise BadInput(words(error)) from error


def _opening(error: Exception) -> str:
    if isinstance(error, InvalidDataError):
        return "it is no video, or was cut off before its index"
    if isinstance(error, FFmpegError) and not isinstance(error, (PermissionError, MemoryError)):
        return f"it is no video, or was cut off before its index ({words(error)})"
    return words(error)
