"""Encodes frames as JPEG: libjpeg-turbo on the planes, Pillow for rotation and resizing, and where there is no turbo.

These functions block: run them in a worker thread. simplejpeg and Pillow release the GIL while they encode.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, Literal

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detection.tracks.frame_size import FrameSize, frame_size

try:
    import simplejpeg
except ImportError:  # pragma: no cover - only where simplejpeg has no wheel
    simplejpeg = None  # type: ignore[assignment,unused-ignore]

MAX_SAMPLE_BYTES: Final = 2 * 1024 * 1024
"""Bytes; a larger sample is never sent."""
REDUCED_SIDE: Final = 1_920
REDUCED_QUALITY: Final = 50
LARGE_SIDE: Final = 4_096
"""Pixels: a frame with a longer side is made smaller before it is encoded, instead of after."""

_TURNS: Final = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}

Layout = Literal["i420", "nv12", "rgb24", "rgba"]
Plane = NDArray[np.uint8]

Encode = Callable[["Frame", int, int | None], Awaitable[bytes]]
"""Makes a JPEG from a frame, a quality from 0 to 100, and the longest side in pixels if it is limited."""


class EncodingError(ValueError):
    """A frame cannot be encoded as JPEG; its drop is counted under `reason`."""

    reason: ClassVar[str] = "not_encodable"


class SampleTooLargeError(EncodingError):
    """A frame has too many pixels, or its JPEG is over 2 MiB even after it was made smaller."""

    reason: ClassVar[str] = "too_large"


class FrameTooSmallError(EncodingError):
    """A frame that is too small to judge; a source's `capture` raises it."""

    reason: ClassVar[str] = "too_small"


@frozen
class Frame:
    """One decoded frame, tightly packed: rows follow each other without padding.

    i420 is Y, U, V with chroma of ceil(width / 2) x ceil(height / 2) each; nv12 is Y, then U and V interleaved.
    """

    width: int
    height: int
    layout: Layout
    data: bytes | bytearray | memoryview = field(repr=False)
    rotation: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise by which the picture must be turned to be upright."""


def encode_jpeg(frame: Frame, *, quality: int = 75, max_side: int | None = None) -> bytes:
    """Return the frame as a JPEG, upright, its longest side at most `max_side` pixels.

    A frame with a side over 4,096 gets a longest side of 1,920 before it is encoded. A JPEG over 2 MiB is encoded once
    more: with its longest side at 1,920, or if it is no larger than that, at quality 50.

    Raises:
        SampleTooLargeError: when the frame has a side over 16,384 or more pixels than 8,192 x 8,192, before its data is
            touched, or when its JPEG is still over 2 MiB.
        EncodingError: for an invalid size, layout, rotation or amount of data, a quality outside 0 to
            100, a `max_side` below 1, and whatever the encoder refuses.
    """
    if not 0 <= quality <= 100:
        raise EncodingError(f"the quality must be 0 to 100, not {quality!r}")
    if max_side is not None and max_side < 1:
        raise EncodingError(f"max_side must be at least 1, not {max_side!r}")
    if frame_size(frame.width, frame.height) is FrameSize.TOO_LARGE:
        raise SampleTooLargeError(f"a frame of {frame.width} x {frame.height} pixels is too large to encode")
    planes = _planes(frame)
    if max(frame.width, frame.height) > LARGE_SIDE:
        max_side = min(max_side or REDUCED_SIDE, REDUCED_SIDE)
        frame, planes = _decimated(frame, planes, max_side)
    data = _encode(frame, planes, quality, max_side)
    side = max(frame.width, frame.height) if max_side is None else min(max_side, max(frame.width, frame.height))
    if len(data) > MAX_SAMPLE_BYTES:
        smaller = min(side, REDUCED_SIDE)
        data = _encode(frame, planes, quality if smaller < side else min(quality, REDUCED_QUALITY), smaller)
        if len(data) > MAX_SAMPLE_BYTES:
            raise SampleTooLargeError(f"its JPEG has {len(data):,} bytes, over {MAX_SAMPLE_BYTES:,}")
    return data


def _encode(frame: Frame, planes: tuple[Plane, ...], quality: int, max_side: int | None) -> bytes:
    unchanged = frame.rotation == 0 and (max_side is None or max(frame.width, frame.height) <= max_side)
    try:
        if (len(planes) == 1 and not unchanged) or simplejpeg is None:
            return _with_pillow(frame, planes, quality, max_side)
        if len(planes) == 3:
            if not unchanged:
                planes = _changed(frame, planes, max_side)
            y, u, v = planes
            u, v = np.ascontiguousarray(u), np.ascontiguousarray(v)
            return simplejpeg.encode_jpeg_yuv_planes(_with_even_sides(y), u, v, quality=quality)
        space = "RGB" if frame.layout == "rgb24" else "RGBX"
        return simplejpeg.encode_jpeg(planes[0], quality=quality, colorspace=space, colorsubsampling="420")
    except (ValueError, OSError) as error:
        raise EncodingError(str(error)) from error


def _with_even_sides(luma: Plane) -> Plane:
    """Return the plane in memory that goes on to even sides: libjpeg-turbo reads so far (`tj3YUVPlaneWidth`)."""
    height, width = luma.shape
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(luma)
    # Without these, it would read what lies behind the plane, and send some of it as pixels.
    return np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")[:height, :width]


def _planes(frame: Frame) -> tuple[Plane, ...]:
    width, height = frame.width, frame.height
    if not (width > 0 and height > 0):
        raise EncodingError(f"a frame of {width} x {height} pixels")
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    luma, chroma = width * height, half_width * half_height
    sizes = {"i420": luma + 2 * chroma, "nv12": luma + 2 * chroma, "rgb24": 3 * luma, "rgba": 4 * luma}
    size = sizes.get(frame.layout)
    if size is None:
        raise EncodingError(f"the layout must be one of {', '.join(sizes)}, not {frame.layout!r}")
    if frame.rotation not in (0, *_TURNS):
        raise EncodingError(f"the rotation must be 0, 90, 180 or 270, not {frame.rotation!r}")
    try:
        flat = np.frombuffer(frame.data, dtype=np.uint8) if frame.data else np.empty(0, np.uint8)
    except BufferError as error:
        raise EncodingError("the data must be contiguous") from error
    if flat.size != size:
        raise EncodingError(f"{width} x {height} in {frame.layout} has {size} bytes, not {flat.size}")
    if frame.layout in ("rgb24", "rgba"):
        return (flat.reshape(height, width, -1),)
    y = flat[:luma].reshape(height, width)
    if frame.layout == "i420":
        u, v = (flat[luma + k * chroma : luma + (k + 1) * chroma].reshape(half_height, half_width) for k in (0, 1))
        return y, u, v
    uv = flat[luma:].reshape(half_height, half_width, 2)
    return y, uv[:, :, 0], uv[:, :, 1]


def _decimated(frame: Frame, planes: tuple[Plane, ...], side: int) -> tuple[Frame, tuple[Plane, ...]]:
    """Return every n-th row and column, at least twice as many as `side` needs: views, which copy nothing."""
    step = max(1, max(frame.width, frame.height) // (2 * side))
    smaller = tuple(plane[::step, ::step] for plane in planes)
    height, width = smaller[0].shape[:2]
    return evolve(frame, width=width, height=height, data=b""), smaller


def _changed(frame: Frame, planes: tuple[Plane, ...], max_side: int | None) -> tuple[Plane, ...]:
    """Return the planes, each resized and turned on its own: half the samples of one image, and no conversions."""
    width, height = _size(frame, max_side)
    half = ((width + 1) // 2, (height + 1) // 2)
    sizes = ((width, height), half, half)
    images = (Image.fromarray(np.ascontiguousarray(plane)) for plane in planes)
    return tuple(np.asarray(_turned(frame, image, size)) for image, size in zip(images, sizes, strict=True))


def _size(frame: Frame, max_side: int | None) -> tuple[int, int]:
    """Return the size before the turn."""
    scale = 1.0 if max_side is None else min(1.0, max_side / max(frame.width, frame.height))
    return max(1, round(frame.width * scale)), max(1, round(frame.height * scale))


def _turned(frame: Frame, image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size != size:
        # Far too large a picture is first averaged down to twice the size, which takes half the time.
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    turn = _TURNS.get(frame.rotation)
    return image if turn is None else image.transpose(turn)


def _with_pillow(frame: Frame, planes: tuple[Plane, ...], quality: int, max_side: int | None) -> bytes:
    out = io.BytesIO()
    _turned(frame, _image(frame, planes), _size(frame, max_side)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _image(frame: Frame, planes: tuple[Plane, ...]) -> Image.Image:
    size = (frame.width, frame.height)
    if len(planes) == 1:
        return Image.frombuffer("RGB", size, np.ascontiguousarray(planes[0][:, :, :3]).tobytes(), "raw", "RGB", 0, 1)
    # JPEG's own YCbCr: no conversion to RGB, chroma doubled by nearest neighbour.
    y, u, v = planes
    full = np.empty((frame.height, frame.width, 3), np.uint8)
    full[:, :, 0] = y
    for channel, plane in ((1, u), (2, v)):
        doubled = plane.repeat(2, axis=0).repeat(2, axis=1)
        full[:, :, channel] = doubled[: frame.height, : frame.width]
    return Image.frombuffer("YCbCr", size, full.tobytes(), "raw", "YCbCr", 0, 1)
