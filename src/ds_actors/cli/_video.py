"""Opening an untrusted video file with PyAV. These functions block: run them in a worker thread."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
import av.container
import av.stream
import av.video.stream
from attrs import define, field
from av.error import FFmpegError, InvalidDataError

from ds_actors.detection.events import plain


class BadInput(Exception):
    """A file that cannot be played; the message is one line that says why."""


@define(eq=False)
class OpenVideo:
    """An open file and its video stream; `close` it.

    Raises:
        BadInput: when there is no such file, or no video in it.
    """

    path: Path
    container: av.container.InputContainer = field(init=False)
    stream: av.video.stream.VideoStream = field(init=False)
    _file: BinaryIO = field(init=False)

    def __attrs_post_init__(self) -> None:
        _check(self.path)
        try:
            self._file = self.path.open("rb")
        except (OSError, ValueError) as error:
            raise BadInput(words(error)) from error
        try:
            # Opened by Python, and nothing else may be opened from inside: a playlist could name any file or host.
            self.container = av.open(self._file, "r", options={"protocol_whitelist": "none"}, metadata_errors="ignore")
        except (FFmpegError, OSError, ValueError) as error:
            self._file.close()
            raise BadInput(_opening(error)) from error
        attached = av.stream.Disposition.attached_pic
        streams = [one for one in self.container.streams.video if not one.disposition & attached]
        if not streams:
            self.close()
            raise BadInput("there is no video stream in it")
        self.stream = streams[0]
        # Slices, not frames: with threads by frame, PyAV does not raise the error of a file's last packet.
        self.stream.thread_type = "SLICE"

    def close(self) -> None:
        """Close the file."""
        self.container.close()
        self._file.close()


def quarter_turns(frame: av.VideoFrame) -> int:
    """Return how many quarter turns clockwise the picture must be turned to stand upright, 0 to 3."""
    # FFmpeg counts the display matrix's degrees against the clock.
    return round(-frame.rotation / 90) % 4


def words(error: Exception) -> str:
    """Return what an error says, as one line."""
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
    if isinstance(error, FFmpegError) and not isinstance(error, PermissionError):
        return f"it is no video, or was cut off before its index ({words(error)})"
    return words(error)
