"""The samples that a detector is given: no identity, dimensions before pixels, pixels decoded once."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from attrs import define, field
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detection.events import Kind

MOST_PIXELS: Final = 64_000_000
LONGEST_SIDE: Final = 16_384
_TOO_LARGE: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_PICTURE_ERRORS: Final = (OSError, ValueError, SyntaxError, *_TOO_LARGE)


class UnreadableSampleError(ValueError):
    """The bytes of a sample are no JPEG, or one that is too large; `sample` is the sample."""

    def __init__(self, text: str, sample: DetectorSample | None = None) -> None:
        super().__init__(text)
        self.sample = sample


@define(eq=False)
class DetectorSample:
    """One picture, or three seconds of sound, without its participant and track."""

    data: bytes = field(repr=False)
    """A complete JPEG, or 16-bit little-endian mono PCM at 16 kHz."""
    width: int = 0
    """Pixels; 0 for sound."""
    height: int = 0
    kind: Kind = "video"
    _rgb: NDArray[np.uint8] | None = field(default=None, init=False, repr=False)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The picture as an array of height x width x 3, decoded at the first use; do not change it.

        Raises:
            UnreadableSampleError: when it cannot be decoded. A detector may let it pass: the others are judged.
        """
        if self._rgb is None:
            try:
                with Image.open(io.BytesIO(self.data), formats=["JPEG"]) as opened:
                    self._rgb = np.asarray(opened.convert("RGB"))
            except _PICTURE_ERRORS as error:
                raise UnreadableSampleError(f"it cannot be decoded: {error}", self) from None
        return self._rgb

    @property
    def pcm(self) -> NDArray[np.int16]:
        """The sound as an array of 16-bit integers."""
        return np.frombuffer(self.data[: len(self.data) // 2 * 2], dtype="<i2")


def picture(jpeg: bytes) -> DetectorSample:
    """Return a picture with its dimensions, which are read from its header; no pixel is decoded.

    Raises:
        UnreadableSampleError: when it is no JPEG, has a side over 16,384 pixels or more than 64 megapixels.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as opened:
            width, height = opened.size
    except _TOO_LARGE:
        raise UnreadableSampleError("it has too many pixels") from None
    except _PICTURE_ERRORS:
        raise UnreadableSampleError("it is not a JPEG") from None
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise UnreadableSampleError(f"it has {width} x {height} pixels")
    return DetectorSample(jpeg, width, height)


def sound(pcm: bytes) -> DetectorSample:
    """Return a piece of sound."""
    return DetectorSample(pcm, kind="audio")
