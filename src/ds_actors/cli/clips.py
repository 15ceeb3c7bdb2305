"""Moving pictures made from one portrait by pan, zoom and light; a patch covers the face for a while."""

from __future__ import annotations

import math
from importlib.resources import files
from typing import Protocol

import numpy as np
import trio
from attrs import define, field
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detection import Frame
from ds_actors.sandbox import paint_marker

WIDTH, HEIGHT = 640, 360
_FACE_X, _FACE_Y = 220, 118
"""The middle of the portrait's face, which the patch is to cover."""
CREDIT = "Portrait: Eileen Collins, NASA (public domain)"


def portrait() -> NDArray[np.uint8]:
    """Return NASA's portrait of Eileen Collins, RGB."""
    with files("ds_actors.cli").joinpath("data/astronaut.jpg").open("rb") as file:
        return np.asarray(Image.open(file).convert("RGB"))


def picture_at(image: NDArray[np.uint8], seconds: float, phase: float = 0.0) -> NDArray[np.uint8]:
    """Return the RGB picture (360 x 640 x 3) that the clip shows at that time."""
    turn = 2 * math.pi * (seconds / 8 + phase)
    wide = int(image.shape[1] * (0.58 + 0.04 * math.sin(turn)))
    high = wide * HEIGHT // WIDTH
    left = int(_FACE_X + 14 * math.sin(turn * 0.7)) - wide // 2
    top = int(_FACE_Y + 6 * math.cos(turn * 0.9)) - high // 2
    part = Image.fromarray(image[top : top + high, left : left + wide]).resize((WIDTH, HEIGHT))
    light = 0.85 + 0.15 * math.sin(turn * 1.3)
    return (np.asarray(part) * light).astype(np.uint8)


class Pictures(Protocol):
    """The pictures of a clip. Its methods block: call them in a worker thread."""

    def at(self, seconds: float) -> NDArray[np.uint8]:
        """Return the RGB picture (360 x 640 x 3) of that time."""
        ...

    def close(self) -> None:
        """Release the resources."""
        ...


@define
class Portrait:
    """The moving portrait; `phase` (0 to 1) says where in the movement it begins."""

    phase: float = 0.0
    _image: NDArray[np.uint8] = field(factory=portrait, repr=False)

    def at(self, seconds: float) -> NDArray[np.uint8]:
        """Return the picture of that time."""
        return picture_at(self._image, seconds, self.phase)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@define
class Clip:
    """A frame source that plays pictures in real time, with the patch over a share of them."""

    pictures: Pictures = field(factory=Portrait)
    painted: float = 0.0
    """Share of the picture that the patch covers, from 0 to 1."""
    newest: NDArray[np.uint8] | None = field(default=None, init=False, repr=False)
    """The last picture that was captured."""

    async def capture(self) -> Frame:
        """Return the picture of this moment."""
        picture = await trio.to_thread.run_sync(self.pictures.at, trio.current_time())
        if self.painted:
            picture = paint_marker(picture, self.painted)
        self.newest = picture
        return Frame(WIDTH, HEIGHT, "rgb24", picture.tobytes())

    async def aclose(self) -> None:
        """Release the pictures."""
        await trio.to_thread.run_sync(self.pictures.close)
