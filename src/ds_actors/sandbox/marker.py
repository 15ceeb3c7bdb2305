"""A stand-in that looks at the pixels. It is not a deepfake detector: it finds a patch painted by `paint_marker`.

The patch is a magenta and green checkerboard. A frame with a small share of it is suspicious, one with a larger share
is an alert. With it, the whole way from pixels to an alert can be tried without a service.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detection.events import ResultType, Sample

MAGENTA: Final = (230, 20, 230)
GREEN: Final = (20, 230, 20)
SUSPICIOUS_SHARE: Final = 0.01
ALERT_SHARE: Final = 0.05
_TILE: Final = 16
_MOST_PIXELS: Final = 64_000_000
_STRIP: Final = 256
"""Rows that are converted at a time."""


def paint_marker(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Return a copy of an RGB picture (height x width x 3) with the patch over `share` of its area, centred."""
    height, width = picture.shape[:2]
    out = picture.copy()
    side_y, side_x = (min(side, max(_TILE, round(side * share**0.5))) for side in (height, width))
    top, left = (height - side_y) // 2, (width - side_x) // 2
    y, x = np.mgrid[0:side_y, 0:side_x]
    odd = ((y // _TILE + x // _TILE) % 2).astype(bool)[..., None]
    out[top : top + side_y, left : left + side_x] = np.where(odd, MAGENTA, GREEN)
    return out


def marker_share(picture: NDArray[np.uint8]) -> float:
    """Return the share of an RGB picture's area that looks like the patch."""
    return _share(*_counted(picture), picture.shape[0] * picture.shape[1])


def _counted(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many pixels have the magenta and the green of the patch."""
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    magenta = (red > 170) & (blue > 170) & (green < 90)
    lime = (green > 170) & (red < 90) & (blue < 90)
    return int(magenta.sum()), int(lime.sum())


def _share(magenta: int, lime: int, pixels: int) -> float:
    # Both colours must be there: a green wall or a magenta light alone is not a checkerboard.
    return 2 * min(magenta, lime) / pixels


def _share_of_image(image: Image.Image) -> float:
    """Return the share of an image, converted strip by strip, because a large picture takes much memory."""
    strips = (
        np.asarray(image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGB"))
        for top in range(0, image.height, _STRIP)
    )
    counts = [_counted(strip) for strip in strips]
    magenta, lime = (sum(column) for column in zip(*counts, strict=True))
    return _share(magenta, lime, image.width * image.height)


def judge_marker(sample: Sample, _elapsed: float) -> ResultType:
    """Return the verdict on a JPEG by its share of the patch; error for anything else, or over 64 megapixels."""
    try:
        with Image.open(io.BytesIO(sample.data), formats=["JPEG"]) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return ResultType.ERROR
            share = _share_of_image(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):  # where a warning is an error
        return ResultType.ERROR
    if share >= ALERT_SHARE:
        return ResultType.ALERT
    return ResultType.SUSPICIOUS if share >= SUSPICIOUS_SHARE else ResultType.CLEAR
