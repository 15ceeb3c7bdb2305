"""What came of scanning one video stream, and which exit code a whole scan deserves. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

from attrs import define, field

from ds_actors._text import counted
from ds_actors.cli._scan.damage import DamageLog
from ds_actors.cli._scan.segments import Segment, SegmentTimeline
from ds_actors.cli._video_streams import VideoStreamName
from ds_actors.detection.events import Level


class ScanOutcome(StrEnum):
    """How the scan of a video stream ended."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    """As many answers as samples, but the file could not be decoded to its end."""
    DAMAGED = "damaged"
    """As many answers as samples, but pictures before the end could not be decoded."""
    PARTIAL = "partial"
    """Fewer answers than samples due."""
    BAD_INPUT = "bad_input"
    INTERRUPTED = "interrupted"
    NOT_SCANNED = "not_scanned"


class ExitCode(IntEnum):
    """The exit codes of `ds-actors scan`."""

    OK = 0
    REACHED = 1
    SERVICE = 2
    BAD_INPUT = 3
    TRUNCATED = 4
    PARTIAL = 5
    DAMAGED = 6
    INTERRUPTED = 130


@define(eq=False)
class StreamScan:
    """One video stream on its way through the scan; counts grow, nothing is taken back."""

    path: str
    fps: float
    outcome: ScanOutcome = ScanOutcome.NOT_SCANNED
    problem: str = ""
    """Why the outcome is not complete, in one line."""
    due: int = 0
    sent: int = 0
    unanswered: int = 0
    """Samples sent for whose answers the service was waited for in vain."""
    lost: int = 0
    """Samples sent whose connection ended before they were answered."""
    truncated: bool = False
    damage: DamageLog = field(factory=DamageLog)
    last_pts: float | None = None
    """Time of the last decoded frame, in seconds."""
    origin: float | None = None
    """The container's time at second 0, in seconds; None before the first picture."""
    stated: float | None = None
    """What the container says about its length, in seconds: shown, and for the progress bar only."""
    ignored: dict[str, int] = field(factory=dict[str, int])
    """Messages of the service that answer no sample, by reason."""
    timeline: SegmentTimeline = field(factory=SegmentTimeline)
    stream: VideoStreamName | None = None
    """The video stream of the file; None while it is unknown, for example when the file cannot be opened."""
    video_streams: int = 1
    """How many video streams the file has."""
    auxiliary: tuple[int, ...] = ()
    """Indexes of the streams that belong to another picture, such as covers and thumbnails; they are not scanned."""

    @property
    def name(self) -> str:
        """The path of the file, followed by the stream when the file has several video streams."""
        return self.path if self.stream is None or self.video_streams < 2 else f"{self.path}, {self.stream}"

    @property
    def answered(self) -> int:
        """How many samples were answered."""
        return self.timeline.answered

    @property
    def samples(self) -> str:
        """What became of the samples, in words."""
        words = f"{counted(self.due, 'sample')} due, {self.sent} sent, {self.answered} answered"
        if self.unanswered:
            words += f", {self.unanswered} unanswered"
        return f"{words}, {self.lost} lost with the connection" if self.lost else words

    @property
    def level(self) -> Level:
        """The most severe answer."""
        return self.timeline.level

    def ignore(self, reason: str) -> None:
        """Count a message that answers no sample."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "file": self.path,
            "stream": None if self.stream is None else _stream(self.stream),
            "video_streams": self.video_streams,
            "auxiliary": list(self.auxiliary),
            "outcome": str(self.outcome),
            "problem": self.problem,
            "level": str(self.level),
            "fps": self.fps,
            "due": self.due,
            "sent": self.sent,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "lost": self.lost,
            "truncated": self.truncated,
            "damage": self.damage.as_dict(),
            "last_pts": None if self.last_pts is None else round(self.last_pts, 3),
            "origin": None if self.origin is None else round(self.origin, 3),
            "levels": {str(level): count for level, count in self.timeline.levels.items()},
            "ignored": dict(self.ignored),
            "segments": [_segment(segment) for segment in self.timeline.segments],
        }


def _stream(stream: VideoStreamName) -> dict[str, Any]:
    size = {"width": stream.width or None, "height": stream.height or None}
    return {"index": stream.index, "codec": stream.codec, **size, "default": stream.flagged_default}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "from": round(segment.start, 3),
        "to": round(segment.end, 3),
        "level": str(segment.level),
        "samples": segment.samples,
    }


def exit_code(
    results: Sequence[StreamScan], *, fail_on: Level | None, interrupted: bool = False, service_failed: bool = False
) -> ExitCode:
    """Return the first exit code that applies, in the order of the rows below.

    A level that was reached is certain whatever else went wrong; the codes after it say that none was found *so far*.
    """
    outcomes = {result.outcome for result in results}
    unread = outcomes & {ScanOutcome.BAD_INPUT, ScanOutcome.NOT_SCANNED}
    rows = (
        (interrupted, ExitCode.INTERRUPTED),
        (
            fail_on is not None and any(result.level.severity >= fail_on.severity for result in results),
            ExitCode.REACHED,
        ),
        (service_failed, ExitCode.SERVICE),
        (bool(unread), ExitCode.BAD_INPUT),
        (any(result.truncated for result in results), ExitCode.TRUNCATED),
        (ScanOutcome.PARTIAL in outcomes, ExitCode.PARTIAL),
        (any(result.damage.places for result in results), ExitCode.DAMAGED),
    )
    return next((code for applies, code in rows if applies), ExitCode.OK)
