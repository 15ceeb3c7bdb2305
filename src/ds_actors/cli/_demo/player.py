"""A video file as moving pictures: any size and rotation, over and over, in real time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from attrs import define, field
from av.error import FFmpegError
from numpy.typing import NDArray

from ds_actors.cli._pixels import SQUARE, orientation, rgb, shown_size
from ds_actors.cli._stills import TileError, assembled
from ds_actors.cli._video import BadInput, OpenVideo, video_streams, words
from ds_actors.cli._video_streams import in_playing_order
from ds_actors.cli.clips import HEIGHT, WIDTH

_PATIENCE: Final = 0.25
"""Seconds that one decoding step may take: a video too heavy for this machine plays more slowly."""
_MOST_TRIED: Final = 8
"""Video streams that are tried until one gives a picture."""


@define(eq=False)
class Player:
    """Plays a file in a loop. One thread may use it at a time."""

    path: Path
    _opened: OpenVideo | None = field(default=None, init=False)
    _frames: Iterator[av.VideoFrame] = field(factory=lambda: iter(()), init=False)
    _began: float = field(default=0.0, init=False)
    _index: int | None = field(default=None, init=False)
    """The stream that plays; None before the first picture."""

    def at(self, seconds: float) -> NDArray[np.uint8]:
        """Return the RGB picture (360 x 640 x 3) that the file shows at that time; times only grow.

        Raises:
            BadInput: when the file is missing, contains no video, or no picture of it can be decoded.
        """
        patience = time.monotonic() + _PATIENCE
        for frame in self._frames:
            if (frame.time or 0.0) >= seconds - self._began or time.monotonic() > patience:
                return self._fitted(frame)
        return self._fitted(self._again(seconds))

    def close(self) -> None:
        """Close the file; the next request for a picture starts it again."""
        self._frames = iter(())
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _fitted(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return fitted(frame, SQUARE if self._opened is None else self._opened.aspect)

    def _again(self, seconds: float) -> av.VideoFrame:
        problem = ""
        for index in self._candidates():
            self.close()
            try:
                self._opened = OpenVideo(self.path, index)
            except BadInput as error:
                problem = problem or str(error)
                continue
            self._frames = _decodable(self._opened)
            try:
                first = next(self._frames, None)
            except (TileError, MemoryError) as error:
                raise BadInput(words(error)) from error
            if first is None:
                problem = problem or self._opened.unseen()
            else:
                self._index = index
                # A file's timestamps may begin with any number.
                self._began = seconds - (first.time or 0.0)
                return first
        raise BadInput(problem)

    def _candidates(self) -> list[int]:
        if self._index is not None:
            return [self._index]
        streams = in_playing_order(video_streams(self.path).streams)
        return [stream.index for stream in streams[:_MOST_TRIED]]


def _decodable(opened: OpenVideo) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded; a damaged frame is skipped."""
    if opened.grid is not None:
        yield assembled(opened.container, opened.grid)
        return
    packets = opened.container.demux(opened.stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
        except (FFmpegError, ValueError, OSError, MemoryError):
            return
        try:
            yield from packet.decode()
        except (FFmpegError, ValueError, MemoryError):
            continue


def fitted(frame: av.VideoFrame, aspect: Fraction = SQUARE) -> NDArray[np.uint8]:
    """Return the frame as a viewer shows it, scaled to fit 640 x 360, on black."""
    try:
        turned = orientation(frame)
        room = (HEIGHT, WIDTH) if turned.swaps_sides else (WIDTH, HEIGHT)
        shown = shown_size(frame.width, frame.height, aspect)
        scale = min(room[0] / shown[0], room[1] / shown[1])
        width, height = (max(2, round(side * scale)) for side in shown)
        upright = turned.apply(rgb(frame, (width, height)))
    except (FFmpegError, ValueError, MemoryError) as error:
        raise BadInput(f"its pictures cannot be shown ({words(error)})") from error
    high, wide = upright.shape[:2]
    top, left = (HEIGHT - high) // 2, (WIDTH - wide) // 2
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    canvas[top : top + high, left : left + wide] = upright
    return canvas
