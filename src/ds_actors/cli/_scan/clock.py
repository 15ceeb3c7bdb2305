"""The reported time of a video's pictures. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from attrs import define, field

from ds_actors.cli._scan.passed import LONGEST_STEP, OUT_OF_ORDER, PassedTime

NEAR_ZERO: Final = 2
"""Seconds: a file that begins no further from 0 counts from 0, unless its format begins anywhere."""


@define
class Clock:
    """Maps the times of a container's packets to reported times, which count from the beginning of the file.

    Reported times follow the container's. A step to a picture of over a minute is a jump when no other stream and no
    stated duration fills it, and so is every step back: reported time then advances by one picture, or to the end of
    what the other streams filled.
    """

    start: Fraction | None = None
    """The container's time at its beginning, in seconds; None where it states none: then the first picture's."""
    any_start: bool = False
    """Whether files of this format begin at any time, so that a player counts from their beginning."""
    latest: Fraction | None = field(default=None, init=False)
    """The latest reported time, in seconds; None before the first picture."""
    origin: Fraction = field(default=Fraction(0), init=False)
    """The container's time at reported time 0, in seconds."""
    _shift: Fraction = field(default=Fraction(0), init=False)
    """What is added to the container's time now, in seconds."""
    _passed: PassedTime = field(factory=PassedTime, init=False)

    def note(self, stream: int, time: Fraction, duration: Fraction = Fraction(0)) -> None:
        """Note a packet of any stream, as `PassedTime.note`."""
        self._passed.note(stream, time, duration)

    def next(self, pts: Fraction | None, length: Fraction) -> Fraction:
        """Return the reported time of the next picture, in seconds; it never goes back.

        Args:
            pts: the picture's presentation time in the container, in seconds; None where the container has none.
            length: the length of one picture, in seconds: by so much time advances where it jumps.
        """
        if self.latest is None:
            return self._first(pts)
        after = self.latest + min(length, LONGEST_STEP)
        self.latest = max(self.latest, after if pts is None else self._follow(pts, after))
        return self.latest

    def estimate(self, pts: Fraction | None) -> Fraction:
        """Return the estimated time of a picture that cannot be decoded, in seconds, without a change of the clock."""
        if self.latest is None:
            return Fraction(0)
        time = self.latest if pts is None else pts + self._shift
        return time if self._continues(time) else self.latest

    def _first(self, pts: Fraction | None) -> Fraction:
        start = self.start if self.start is not None else pts or Fraction(0)
        if self.any_start or abs(start) > NEAR_ZERO:
            self.origin, self._shift = start, -start
        self.latest = start + self._shift
        time = self.latest if pts is None else pts + self._shift
        if -NEAR_ZERO <= time < self.latest:
            self.latest = time
        else:
            self.latest = self._follow(time - self._shift, self.latest)
        return self.latest

    def _follow(self, pts: Fraction, after: Fraction) -> Fraction:
        """Return the reported time of a presentation time; `after` is that of a picture that follows at once."""
        time = pts + self._shift
        if self._continues(time):
            return time
        assert self.latest is not None
        reached = self._passed.reach(self.latest - self._shift) + self._shift
        if self.latest < time <= reached + LONGEST_STEP:
            return time
        after = max(after, reached)
        self._shift += after - time
        self._passed.forget()
        return after

    def _continues(self, time: Fraction) -> bool:
        assert self.latest is not None
        return self.latest - OUT_OF_ORDER <= time <= self.latest + LONGEST_STEP
