"""How a picture becomes small enough for a slow link: lower quality first, then a shorter side. Pure.

    quality 75 ... 60, 45, 30        -> at the size that the policy plans
    longest side x 0.8, and again    -> at quality 30, down to 320 pixels
    the floor, 320 pixels at 30      -> sent if it may take that many bytes, or else dropped as `link_too_slow`

Each attempt is measured; the next one is the best whose size should do, by what the last one came to. There are at most
four attempts. A plan that asks for less than the floor is left as it is. Before anything is known about the link, the
first attempt is the best that should do for a picture with much detail: trying the plan first would be in vain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, Final

from attrs import define, frozen

from ds_actors.detection.tracks.encoding import EncodingError

FLOOR_QUALITY: Final = 30
FLOOR_SIDE: Final = 320
"""Pixels of the longest side. Below, a face in a picture of several people is too small to judge."""
ATTEMPTS: Final = 4

_QUALITIES: Final = (60, 45, FLOOR_QUALITY)
_SIDE_STEP: Final = 0.8
_BY_QUALITY: Final = ((0, 0.15), (FLOOR_QUALITY, 0.45), (45, 0.6), (60, 0.75), (75, 1.0), (90, 1.9), (100, 5.0))
"""The size of a JPEG at each quality, relative to quality 75: a rule of thumb, which each attempt corrects."""
_DETAILED: Final = 150_000
"""The bytes of a picture with much detail at quality 75, 1,280 x 720 pixels."""
_BY_PIXELS: Final = 0.85
"""Smaller pictures have more detail per pixel: the size goes with the pixels to this power."""


class LinkTooSlowError(EncodingError):
    """Even the smallest picture would arrive too late."""

    reason: ClassVar[str] = "link_too_slow"


@frozen
class EncodingAttempt:
    """How a picture is encoded."""

    quality: int
    side: int
    """Pixels of the longest side."""


@define
class Fitting:
    """Chooses the attempts for one picture.

    Args:
        first: what the plan asks for.
        wish: bytes that the picture should have.
        most: bytes over which it is not sent.
    """

    first: EncodingAttempt
    wish: float
    most: float

    def guess(self) -> EncodingAttempt:
        """Return the first attempt for a picture that the plan would probably make too large."""
        return self._best(_DETAILED / _expected(EncodingAttempt(75, 1_280)), [self.first, *self._attempts()])

    def next(self, tried: EncodingAttempt, size: int, number: int) -> EncodingAttempt | None:
        """Return what to try after an attempt, counted from 1, that came to `size` bytes; None to leave it at that.

        Raises:
            LinkTooSlowError: when it is too large, and nothing smaller is left to try.
        """
        if size <= self.wish:
            return None
        smaller = [attempt for attempt in self._attempts() if _expected(attempt) < _expected(tried)]
        if not smaller or number >= ATTEMPTS:
            if size <= self.most:
                return None
            raise LinkTooSlowError(f"a picture of {size:,} bytes would arrive too late; {self.most:,.0f} would not")
        if number == ATTEMPTS - 1:
            return smaller[-1]
        return self._best(size / _expected(tried), smaller)

    def _best(self, by_size: float, attempts: list[EncodingAttempt]) -> EncodingAttempt:
        return next((attempt for attempt in attempts if by_size * _expected(attempt) <= self.wish), attempts[-1])

    def _attempts(self) -> Iterator[EncodingAttempt]:
        """Yield what may be tried, the best first."""
        quality, side = self.first.quality, self.first.side
        for lower in _QUALITIES:
            if lower < quality:
                yield EncodingAttempt(lower, side)
        quality = min(quality, FLOOR_QUALITY)
        while side > FLOOR_SIDE:
            side = max(FLOOR_SIDE, int(side * _SIDE_STEP))
            yield EncodingAttempt(quality, side)


def _expected(attempt: EncodingAttempt) -> float:
    """Return a number that is proportional to the expected size."""
    return _of_quality(attempt.quality) * math.pow(attempt.side, 2 * _BY_PIXELS)


def _of_quality(quality: int) -> float:
    for (low, small), (high, large) in pairwise(_BY_QUALITY):
        if quality <= high:
            return small + (large - small) * (quality - low) / (high - low)
    raise AssertionError(quality)
