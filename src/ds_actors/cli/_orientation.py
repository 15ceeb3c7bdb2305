"""The eight ways in which stored pixels can be turned and mirrored for a viewer. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray


@frozen
class Orientation:
    """Where stored pixels are shown: x' = a x + c y and y' = b x + d y, with y downwards, each factor -1, 0 or 1."""

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1

    @classmethod
    def of_matrix(cls, a: float, b: float, c: float, d: float) -> Orientation:
        """Return the orientation next to a transformation of any angle and scale; upright for one that says nothing."""
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(0, _sign(b), _sign(c), 0)
        return cls(_sign(a), 0, 0, _sign(d))

    def then(self, other: Orientation) -> Orientation:
        """Return what both together do, this one first."""
        return Orientation(
            self.a * other.a + self.b * other.c,
            self.a * other.b + self.b * other.d,
            self.c * other.a + self.d * other.c,
            self.c * other.b + self.d * other.d,
        )

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.a == 0

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pixels (height x width x channels) as they are shown; a view where that is possible."""
        out = pixels.swapaxes(0, 1) if self.swaps_sides else pixels
        if self.a + self.c < 0:
            out = out[:, ::-1]
        if self.b + self.d < 0:
            out = out[::-1]
        return out


UPRIGHT: Final = Orientation()
QUARTER_LEFT: Final = Orientation(0, -1, 1, 0)
"""A quarter turn against the clock."""
MIRRORED: Final = Orientation(-1, 0, 0, 1)
"""Left and right change places."""
FLIPPED: Final = Orientation(1, 0, 0, -1)
"""Top and bottom change places."""


def quarters_left(turns: int) -> Orientation:
    """Return so many quarter turns against the clock."""
    out = UPRIGHT
    for _ in range(turns % 4):
        out = out.then(QUARTER_LEFT)
    return out


def _sign(value: float) -> int:
    return -1 if value < 0 else 1
