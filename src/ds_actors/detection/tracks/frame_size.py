"""Whether a frame is large enough to judge, and small enough to encode. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

BLANK_SIDE: Final = 16
"""Pixels: a frame with no longer side is a filler, as a server sends it when a track is paused (8 x 8, 2 x 2)."""
SMALLEST_SIDE: Final = 64
"""Pixels that the longer side of a frame needs. The shorter one needs none: the strip of a wide window is a picture."""
LARGEST_SIDE: Final = 16_384
LARGEST_PIXELS: Final = 8_192 * 8_192
"""A frame with more pixels is dropped: its copies would take the memory of hundreds of ordinary ones."""


class FrameSize(Enum):
    """What a frame's size makes of it."""

    BLANK = "blank"
    """It is no picture: wait for the next frame."""
    TOO_SMALL = "too_small"
    """It is a picture, but too small to judge."""
    TOO_LARGE = "too_large"
    """It has too many pixels to encode."""
    FIT = "fit"


def frame_size(width: int, height: int) -> FrameSize:
    """Return what a frame of so many pixels is."""
    longer = max(width, height)
    if longer <= BLANK_SIDE:
        return FrameSize.BLANK
    if longer > LARGEST_SIDE or width * height > LARGEST_PIXELS:
        return FrameSize.TOO_LARGE
    return FrameSize.TOO_SMALL if longer < SMALLEST_SIDE else FrameSize.FIT
