"""The eight orientations in which a viewer can show stored pixels. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray


@frozen
class Orientation:
    """Maps stored to shown coordinates: x' = a x + c y and y' = b x + d y. Each factor is -1, 0 or 1; y points down."""

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1

    @classmethod
    def of_matrix(cls, a: float, b: float, c: float, d: float) -> Orientation:
        """Return the orientation nearest to a transformation of any angle and scale; upright for a matrix of zeros."""
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(0, _sign(b), _sign(c), 0)
        return cls(_sign(a), 0, 0, _sign(d))

    def then(self, other: Orientation) -> Orientation:
        """Return the orientation that applies this one first and the other one second."""
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
        """Return a view of the pixels (height x width x channels) as they are shown."""
        out = pixels.swapaxes(0, 1) if self.swaps_sides else pixels
        if self.a + self.c < 0:
            out = out[:, ::-1]
        if self.b + self.d < 0:
            out = out[::-1]
        return out


UPRIGHT: Final = Orientation()
QUARTER_LEFT: Final = Orientation(0, -1, 1, 0)
"""A quarter turn counterclockwise."""
MIRRORED: Final = Orientation(-1, 0, 0, 1)
"""Left and right change places."""
FLIPPED: Final = Orientation(1, 0, 0, -1)
"""Top and bottom change places."""


def quarters_left(turns: int) -> Orientation:
    """Return a number of quarter turns counterclockwise."""
    out = UPRIGHT
    for _ in range(turns % 4):
        out = out.then(QUARTER_LEFT)
    return out


def _sign(value: float) -> int:
    return -1 if value < 0 else 1
