"""Which samples a video owes, and what their answers make of its time. Pure."""

from __future__ import annotations

import math
from fractions import Fraction

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
