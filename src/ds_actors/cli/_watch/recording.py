"""The file of a recorded watch: JSON lines, each written whole, so that damage costs what comes after it at most. Pure.

The first line is `{"recording": 1, "room": ..., "began": ...}`. Each other one is `{"at": ..., "event": {...}}`, in
seconds since the beginning, and the last one is `{"at": ..., "end": true}`. Events are those of the monitor's process:
levels, coverage, counts and names, never a pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final, cast, get_args

from attrs import field, frozen

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level
from ds_actors.detection.status import UplinkState

VERSION: Final = 1
LONGEST_LINE: Final = 8_000_000
"""Bytes: a status of 2,000 tracks has about a quarter of that."""


_LATEST: Final = 1e11
"""Seconds: later times cannot be written as a date. No other number that is shown is larger."""


class NotARecording(Exception):
    """A file is no recording, or one of a later version; the message says which."""


class DamagedRecording(Exception):
    """A recording ends before its end, or cannot be read from some line on; the message says which line, and why."""


@frozen
class RecordingHead:
    """What the first line says."""

    room: str
    began: float
    """Seconds since the epoch."""


@frozen
class RecordedEvent:
    """One event of a monitor's process."""

    at: float
    """Seconds since the beginning."""
    event: dict[str, Any] = field(repr=False)


def head_line(head: RecordingHead) -> bytes:
    """Return the first line."""
    return _line({"recording": VERSION, "room": head.room, "began": head.began})


def event_line(recorded: RecordedEvent) -> bytes:
    """Return the line of an event."""
    return _line({"at": round(recorded.at, 3), "event": recorded.event})


def end_line(at: float) -> bytes:
    """Return the last line."""
    return _line({"at": round(at, 3), "end": True})


def read_head(file: BinaryIO) -> RecordingHead:
    """Return what the first line says.

    Raises:
        NotARecording: when it is not the first line of a recording that this version reads.
    """
    line = file.readline(LONGEST_LINE)
    try:
        head = _object(line)
    except ValueError:
        raise NotARecording("it is not a recording of ds-actors watch") from None
    match head:
        case {"recording": int(version), "room": str(room), "began": int() | float() as began}:
            if version != VERSION:
                raise NotARecording(f"it is a recording of version {version}, and this is version {VERSION}")
            if 0 <= began <= _LATEST:
                return RecordingHead(room, float(began))
        case _:
            pass
    raise NotARecording("it is not a recording of ds-actors watch")


def read_events(file: BinaryIO) -> Iterator[RecordedEvent]:
    """Yield the events behind the first line.

    Raises:
        DamagedRecording: after the last event before the damage, or at the end of a file whose last line is missing.
    """
    number, at = 1, 0.0
    while line := file.readline(LONGEST_LINE):
        number += 1
        try:
            found = _object(line)
            at = _at(found, at)
            if found.get("end") is True:
                return
            event = _event(found.get("event"))
        except ValueError as error:
            if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                raise DamagedRecording(f"it ends in the middle of line {number}") from None
            raise DamagedRecording(f"line {number} is damaged: {error}") from None
        yield RecordedEvent(at, event)
    raise DamagedRecording(f"it ends after line {number} without its last line, as when the watch was killed")


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ValueError("it is not a whole line")
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - what is wrong is the file
    return cast("dict[str, Any]", found)


def _at(found: Mapping[str, Any], before: float) -> float:
    at = found.get("at")
    if isinstance(at, bool) or not isinstance(at, int | float) or not before <= at <= _LATEST:
        raise ValueError("its time is missing, or earlier than the one before")
    return float(at)


def _event(event: object) -> dict[str, Any]:
    match event:
        case {"event": "joined"}:
            return {"event": "joined"}
        case {"event": "log", "text": str(text)}:
            return {"event": "log", "text": text}
        case {"event": "status", "status": dict()}:
            status = cast("dict[str, dict[str, Any]]", event)["status"]
            _check_status(status)
            return {"event": "status", "status": status}
        case _:
            raise ValueError("it has no event that is known")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LATEST


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _text(value: object) -> bool:
    return isinstance(value, str)


def _maybe(value: object) -> bool:
    return value is None or _number(value)


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(_count(count) for count in cast("dict[str, object]", value).values())


_Check = Callable[[object], bool]


def _one_of(values: Iterable[str]) -> _Check:
    known = frozenset(values)
    return lambda value: isinstance(value, str) and value in known


_STATUS: Final[Mapping[str, _Check]] = {"watching": _text, "blind": _text}
_UPLINK: Final[Mapping[str, _Check]] = {
    "state": _one_of(get_args(UplinkState)),
    "cause": _text,
    "sent": _count,
    "waiting": _count,
    "bytes_sent": _count,
    "round_trip": _maybe,
    "dropped": _counts,
}
_TRACK: Final[Mapping[str, _Check]] = {
    "participant": _text,
    "track": _text,
    "kind": _text,
    "source": _text,
    "level": _one_of(Level),
    "coverage": _one_of(Coverage),
    "target_fps": _number,
    "actual_fps": _number,
    "reason": _text,
    "sent": _count,
    "wanted": lambda value: isinstance(value, bool),
    "seconds_since_verdict": _maybe,
    "frame_requests": _count,
}
_PART: Final[Mapping[str, _Check]] = {
    "name": _text,
    "actors": _count,
    "restarts": _count,
    "queued": _count,
    "error": _text,
}


def _check_status(status: Mapping[str, Any]) -> None:
    """Refuse a status that cannot be shown: the file may be anybody's."""
    _check_fields(status, _STATUS, "the status")
    _check_fields(status.get("uplink"), _UPLINK, "the uplink")
    for key, fields in (("tracks", _TRACK), ("parts", _PART)):
        rows: object = status.get(key)
        if not isinstance(rows, list):
            raise ValueError(f"{key} are missing")  # noqa: TRY004 - what is wrong is the file, not a type of the program
        for row in cast("list[object]", rows):
            _check_fields(row, fields, f"one of the {key}")


def _check_fields(value: object, fields: Mapping[str, _Check], what: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")  # noqa: TRY004
    found = cast("dict[str, object]", value)
    for name, check in fields.items():
        if name not in found or not check(found[name]):
            raise ValueError(f"{what} has no {name} that can be shown")
