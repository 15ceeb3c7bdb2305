"""The data that passes through the monitor: tracks, samples and results. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final, Literal

from attrs import field, frozen

from ds_actors._text import plain as plain  # noqa: PLC0414 - re-exported: the monitor has it from here

TOPIC: Final = "deepfake_alert"
MESSAGE_LIMIT: Final = 1_024
PAYLOAD_LIMIT: Final = 15_000
"""The bytes of JSON that a payload stays below: LiveKit limits a reliable data packet to 15 KB."""

Kind = Literal["video", "audio"]


class ResultType(IntEnum):
    """A result's type as the wire numbers it."""

    UNKNOWN = 0
    """A number that this version does not know."""
    SUSPICIOUS = 1
    """There may be a manipulation."""
    CLEAR = 2
    """No sign of manipulation was found."""
    ERROR = 3
    """The sample could not be judged."""
    ALERT = 4
    """A manipulation was found."""

    @classmethod
    def from_wire(cls, number: int) -> ResultType:
        """Return the type of that number, or UNKNOWN for a number that is not known yet."""
        return _TYPES.get(number, cls.UNKNOWN)

    @property
    def level(self) -> Level:
        """The level with the same name."""
        return _LEVELS[self]

    @classmethod
    def from_level(cls, level: Level) -> ResultType:
        """Return the type with the level's name."""
        return cls[level.name]


class Level(StrEnum):
    """The level of a track or of one result. Compare by `severity`: the strings do not sort."""

    CLEAR = "clear"
    """No sign of manipulation was found."""
    SUSPICIOUS = "suspicious"
    """There may be a manipulation: the track is sampled at burst rate."""
    ALERT = "alert"
    """A manipulation was found."""
    ERROR = "error"
    """The sample could not be judged; the level of its track stays."""
    UNKNOWN = "unknown"
    """There was no verdict yet, or the result has a type that this version does not know."""

    @property
    def severity(self) -> int:
        """0 for unknown and error, then clear 1, suspicious 2, alert 3."""
        return _SEVERITY[self]

    @property
    def is_verdict(self) -> bool:
        """True for clear, suspicious and alert: only those set a track's level."""
        return self.severity > 0

    @property
    def elevated(self) -> bool:
        """True for suspicious and alert: the track is sampled at burst rate."""
        return self.severity > 1


_TYPES: Final = {kind.value: kind for kind in ResultType}
_LEVELS: Final = {kind: Level(kind.name.lower()) for kind in ResultType}
_SEVERITY: Final = {Level.UNKNOWN: 0, Level.ERROR: 0, Level.CLEAR: 1, Level.SUSPICIOUS: 2, Level.ALERT: 3}

_SENTENCES: Final = {
    Level.CLEAR: "No manipulation indicators detected.",
    Level.SUSPICIOUS: "Possible manipulation indicators detected.",
    Level.ALERT: "Manipulation detected.",
    Level.ERROR: "The sample could not be analysed.",
    Level.UNKNOWN: "The result is not known to this version.",
}


@frozen
class TrackInfo:
    """Describes a track; inside the monitor only `track` (its sid) identifies it.

    `participant` is the LiveKit identity, and the publisher chooses `source`: both are untrusted.
    """

    participant: str
    track: str
    kind: Kind = "video"
    source: str = "camera"
    participant_sid: str = ""
    end_to_end: bool = False
    """Its publisher encrypts it end to end: when no frame comes, the key is missing or wrong."""


@frozen
class WireResult:
    """One answer of the service as on the wire; `number` may be unknown to this version."""

    number: int
    participant: str
    track: str
    message: str = ""


@frozen
class Sample:
    """One encoded sample on its way to the service."""

    participant: str
    track: str
    timestamp_ms: int
    """Wall clock at capture, in milliseconds since the epoch."""
    data: bytes = field(repr=False)
    """A complete JPEG, or 48,000 samples of 16-bit little-endian mono PCM at 16 kHz."""
    captured_at: float = 0.0
    """Monotonic clock (seconds) at the end of the capture; the age limit counts from here."""
    format: Literal["jpeg", "pcm"] = "jpeg"


@frozen
class ResultEvent:
    """The event that sinks and callbacks receive for each result; `level` is this result's, not the track's."""

    type: ResultType
    participant_id: str
    """The LiveKit participant identity."""
    track_id: str
    message: str
    timestamp_ms: int
    """Wall clock at arrival, in milliseconds since the epoch; the wire's answers carry no time."""
    participant_sid: str = ""
    source: str = ""
    previous_level: Level = Level.UNKNOWN
    """The track's level before this result."""
    sequence: int = field(default=0, eq=False)
    """Counts the results of one monitor; not part of the payload."""
    confidence: float | None = None
    """With `assessment="evidence"`: the probability that the track is manipulated, above 0 and below 1."""
    samples: float | None = None
    """The number of verdicts behind it, fewer where they resemble each other or are old."""
    reliable: bool | None = None
    """False when the service flags this track so often without a manipulation that it cannot be judged well."""

    @property
    def level(self) -> Level:
        """The level of the result's type."""
        return self.type.level

    def dict(self) -> dict[str, Any]:
        """Return the payload: the six documented keys in order, three additional ones, and those of the evidence."""
        evidence: dict[str, Any] = {}
        if self.confidence is not None and self.samples is not None:
            evidence = {"confidence": self.confidence, "samples": round(self.samples, 1), "reliable": self.reliable}
        return {
            "type": TOPIC,
            "level": str(self.level),
            "participant_id": self.participant_id,
            "track_id": self.track_id,
            "message": self.message,
            "timestamp_ms": self.timestamp_ms,
            "participant_sid": self.participant_sid,
            "source": self.source,
            "previous_level": str(self.previous_level),
            **evidence,
        }

    def json(self) -> str:
        """Return the payload as one line of ASCII JSON, below 15 KB for any names."""
        payload = self.dict()
        line = json.dumps(payload)
        if len(line) < PAYLOAD_LIMIT:
            return line
        return json.dumps(
            {key: _cut(key, value) if isinstance(value, str) else value for key, value in payload.items()}
        )

    def to_dict(self) -> Mapping[str, str]:
        """Return the four keys of the plugin's version 1.2."""
        return {
            "type": self.type.name,
            "participantId": self.participant_id,
            "trackId": self.track_id,
            "message": self.message,
        }


# Four names and a message are untrusted text: 4 * 2,000 + 6,000 leaves room for the keys and the rest.
_NAME_BYTES: Final = 2_000
_MESSAGE_BYTES: Final = 6_000


def _cut(key: str, text: str) -> str:
    """Return the longest prefix of the text whose escaped form fits its share of the payload."""
    left = _MESSAGE_BYTES if key == "message" else _NAME_BYTES
    for index, character in enumerate(text):
        left -= len(json.dumps(character)) - 2
        if left < 0:
            return text[:index]
    return text


def clean_message(text: str, level: Level) -> str:
    """Return the service's text made safe, or a default sentence for the level when nothing is left."""
    return plain(text, MESSAGE_LIMIT).strip() or _SENTENCES[level]
