"""Conversion of decoded frames to the pixels that a viewer sees: upright, with the right proportions."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import Final, cast

import av
import av.filter
import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from ds_actors.cli._orientation import UPRIGHT, Orientation

Pixels = NDArray[np.uint8]
SQUARE: Final = Fraction(1)
"""The sample aspect ratio of square pixels."""
MOST_PIXELS: Final = 64_000_000
"""Largest picture that is decoded, in pixels; each needs up to 11 bytes of memory in a photo, and 45 in a video."""
MOST_SIDE: Final = 16_384
"""Longest side of a picture, in pixels."""
WIDEST: Final = 4_096
"""Longest side after stretching, in pixels; a side that is longer already keeps its length."""
_UNKNOWN_KINDS: Final = range(28, 48)
"""Kinds of FFmpeg's side data without a name in PyAV: 31 is EXIF, and the last ones are not assigned yet."""


def too_large(width: int, height: int) -> str:
    """Return in one line why a picture of this size is refused; empty when it is accepted."""
    if width * height <= MOST_PIXELS and max(width, height) <= MOST_SIDE:
        return ""
    limits = f"{MOST_PIXELS // 1_000_000} megapixels and {MOST_SIDE:,} pixels a side"
    return f"its pictures have {width:,} x {height:,} pixels, and the limit is {limits}; make them smaller"


def shown_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the width and height at which a viewer shows stored pixels of that aspect ratio (width to height).

    The shorter side is stretched, so that no detail is lost; a picture above the limit is scaled down.
    """
    if aspect <= 0 or aspect == SQUARE:
        return width, height
    wide, high = (width * aspect, Fraction(height)) if aspect > 1 else (Fraction(width), height / aspect)
    scale = min(Fraction(1), max(WIDEST, width, height) / max(wide, high))
    return max(1, round(wide * scale)), max(1, round(high * scale))


def rgb(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> Pixels:
    """Return a frame's stored pixels as RGB (height x width x 3), scaled to a width and height if they are given."""
    width, height = size or (frame.width, frame.height)
    return cast("Pixels", frame.reformat(width=width, height=height, format="rgb24").to_ndarray())


def upright(frame: av.VideoFrame, aspect: Fraction = SQUARE) -> Pixels:
    """Return a frame as a viewer shows it, as RGB (height x width x 3)."""
    return orientation(frame).apply(rgb(frame, shown_size(frame.width, frame.height, aspect)))


def orientation(frame: av.VideoFrame) -> Orientation:
    """Return the orientation that the frame's display matrix or EXIF tag states.

    Raises:
        ValueError: when PyAV cannot read the frame's side data.
    """
    try:
        matrix = _matrix(frame)
    except ValueError:
        # PyAV refuses all side data of a frame with one unknown kind.
        matrix = _matrix(_without_unknown_side_data(frame))
    if matrix is None:
        return UPRIGHT
    a, b, _u, c, d, *_rest = struct.unpack("=9i", matrix)
    return Orientation.of_matrix(a, b, c, d)


def _matrix(frame: av.VideoFrame) -> bytes | None:
    entries = cast("Iterable[SideData]", frame.side_data)  # PyAV's stubs state another type
    return next((bytes(entry) for entry in entries if entry.type is SideDataType.DISPLAYMATRIX), None)


def _without_unknown_side_data(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    last = source
    for kind in _UNKNOWN_KINDS:
        node = graph.add("sidedata", f"mode=delete:type={kind}")
        last.link_to(node)
        last = node
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    source.push(frame)
    return cast("av.VideoFrame", sink.pull())
