"""A video file as moving pictures: any size and rotation, over and over, in real time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from attrs import define, field
from av.error import FFmpegError
from numpy.typing import NDArray

from ds_actors.cli._video import BadInput, OpenVideo, quarter_turns, words
from ds_actors.cli.clips import HEIGHT, WIDTH

_PATIENCE: Final = 0.25
"""Seconds that one decoding step may take: a video too heavy for this machine plays more slowly."""


@define(eq=False)
class Player:
    """Plays a file in a loop. One thread may use it at a time."""

    path: Path
    _opened: OpenVideo | None = field(default=None, init=False)
    _frames: Iterator[av.VideoFrame] = field(factory=lambda: iter(()), init=False)
    _began: float = field(default=0.0, init=False)

    def at(self, seconds: float) -> NDArray[np.uint8]:
        """Return the RGB picture (360 x 640 x 3) that the file shows at that time; times only grow.

        Raises:
            BadInput: when the file is missing, contains no video, or no picture of it can be decoded.
        """
        patience = time.monotonic() + _PATIENCE
        for frame in self._frames:
            if (frame.time or 0.0) >= seconds - self._began or time.monotonic() > patience:
                return fitted(frame)
        return fitted(self._again(seconds))

    def close(self) -> None:
        """Close the file; the next request for a picture starts it again."""
        self._frames = iter(())
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _again(self, seconds: float) -> av.VideoFrame:
        self.close()
        self._opened = OpenVideo(self.path)
        self._frames = _decodable(self._opened)
        first = next(self._frames, None)
        if first is None:
            raise BadInput("none of its pictures could be decoded")
        # A file's timestamps may begin with any number.
        self._began = seconds - (first.time or 0.0)
        return first


def _decodable(opened: OpenVideo) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded; a damaged frame is skipped."""
    packets = opened.container.demux(opened.stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
        except (FFmpegError, ValueError, OSError):
            return
        try:
            yield from packet.decode()
        except (FFmpegError, ValueError):
            continue


def fitted(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the frame upright, scaled to fit 640 x 360, on black."""
    turns = quarter_turns(frame)
    room = (HEIGHT, WIDTH) if turns % 2 else (WIDTH, HEIGHT)
    scale = min(room[0] / frame.width, room[1] / frame.height)
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    try:
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    except (FFmpegError, ValueError) as error:
        raise BadInput(f"its pictures cannot be shown ({words(error)})") from error
    upright = np.rot90(pixels, -turns)
    high, wide = upright.shape[:2]
    top, left = (HEIGHT - high) // 2, (WIDTH - wide) // 2
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    canvas[top : top + high, left : left + wide] = upright
    return canvas
