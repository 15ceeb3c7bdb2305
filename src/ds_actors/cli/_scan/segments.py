"""Which samples a video owes, and what their answers make of its time. Pure."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from attrs import define, field

from ds_actors.detection.events import Level


def exact(fps: float) -> Fraction:
    """Return the rate as the decimal number that was typed: 0.1 is a tenth, not its nearest double."""
    return Fraction(str(fps))


def samples_due(fps: Fraction, pts: Fraction) -> int:
    """Return how many samples are due once a frame of that time (seconds) is decoded: floor(fps * pts) + 1.

    Sample k is the first frame with pts >= k / fps, so a frame makes all samples that are due by it and not made yet.
    """
    return max(0, math.floor(fps * pts) + 1)


NEAR_ZERO: Final = 2
"""Seconds: a file whose first picture is no further from 0 counts from 0, any other one from its first picture."""
LONGEST_STEP: Final = Fraction(60)
"""Seconds between two pictures above which the container's time has jumped."""
_OUT_OF_ORDER: Final = Fraction(1, 2)
"""Seconds that a picture may be behind another one before it: some files mix up decoding and presentation time."""


@define
class Clock:
    """A video's time, which goes on where its container's jumps: forward by over a minute, or back.

    Broadcasts begin anywhere in a day, and recordings that were joined begin anew in the middle. Neither owes a sample
    for time that it does not show.
    """

    shift: Fraction = Fraction(0)
    """What is added to the container's time, in seconds."""
    latest: Fraction | None = field(default=None, init=False)
    """The latest time, in seconds; None before the first picture."""

    def next(self, pts: Fraction | None, length: Fraction) -> Fraction:
        """Return the time of the next picture, in seconds.

        Args:
            pts: its presentation time in the container, in seconds; None where the container has none.
            length: the length of one picture, in seconds: by so much time goes on where it jumps.
        """
        if self.latest is None:
            first = pts or Fraction(0)
            self.shift = Fraction(0) if abs(first) <= NEAR_ZERO else -first
            self.latest = first + self.shift
            return self.latest
        after = self.latest + min(length, LONGEST_STEP)
        time = after if pts is None else pts + self.shift
        if not self.latest - _OUT_OF_ORDER <= time <= self.latest + LONGEST_STEP:
            self.shift += after - time
            time = after
        self.latest = max(self.latest, time)
        return time

    def estimate(self, pts: Fraction | None) -> Fraction:
        """Return the estimated time of a picture that cannot be decoded, in seconds, without a change of the clock."""
        if self.latest is None:
            return Fraction(0)
        time = self.latest if pts is None else pts + self.shift
        return time if self.latest - _OUT_OF_ORDER <= time <= self.latest + LONGEST_STEP else self.latest


@define
class Segment:
    """Neighbouring samples with the same answer."""

    start: float
    """Time of its first sample, in seconds; the first segment's is 0, where the first sample is due."""
    end: float
    """Time of the next segment's first sample, or where the answers end."""
    level: Level
    samples: int
    thumbnail: bytes | None = field(default=None, repr=False)
    """A small JPEG of its first sample, where thumbnails are wanted."""


@define
class SegmentTimeline:
    """The answers of one file, in order, as segments."""

    segments: list[Segment] = field(factory=list[Segment])
    levels: dict[Level, int] = field(factory=dict[Level, int])
    """How many samples got each answer."""

    @property
    def answered(self) -> int:
        """The number of answers."""
        return sum(self.levels.values())

    @property
    def level(self) -> Level:
        """The most severe answer; unknown when there is no verdict among them."""
        verdicts = [level for level in self.levels if level.is_verdict]
        return max(verdicts, key=lambda level: level.severity, default=Level.UNKNOWN)

    def add(self, seconds: float, level: Level, thumbnail: bytes | None = None) -> None:
        """Note the answer to the sample of that time; times never go back."""
        self.levels[level] = self.levels.get(level, 0) + 1
        last = self.segments[-1] if self.segments else None
        if last is not None:
            last.end = max(last.end, seconds)
        if last is not None and last.level is level:
            last.samples += 1
        else:
            start = 0.0 if last is None else seconds
            self.segments.append(Segment(start, seconds, level, 1, thumbnail))

    def end(self, seconds: float) -> None:
        """Let the last segment reach to that time."""
        if self.segments:
            self.segments[-1].end = max(self.segments[-1].end, seconds)
