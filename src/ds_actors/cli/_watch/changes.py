"""What changed between two statuses of a monitor, as its process reports them (`Status.dict()`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from ds_actors.detection.events import Level, plain

_NAME_LIMIT: Final = 40
_NOTHING: Final[Mapping[str, Any]] = {"tracks": (), "uplink": {"state": "", "cause": ""}}


@frozen
class StatusChange:
    """One change of a track, or of the uplink where there is no track."""

    text: str
    level: Level | None = None
    """The level that a track has reached; None for every other change."""
    track: str = ""


def status_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[StatusChange]:
    """Return the changes: the uplink first, then tracks in the order of the status, then tracks that are gone.

    Args:
        before: the earlier status, or None when the monitor has just joined.
        after: the later status.
    """
    earlier = _NOTHING if before is None else before
    changes: list[StatusChange] = []
    if after["uplink"]["state"] != earlier["uplink"]["state"]:
        cause = plain(after["uplink"]["cause"], 200)
        changes.append(StatusChange(f"uplink {after['uplink']['state']}{f' ({cause})' if cause else ''}"))
    known = {track["track"]: track for track in earlier["tracks"]}
    for track in after["tracks"]:
        changes += _of_track(known.pop(track["track"], None), track)
    return changes + [StatusChange(f"{track_name(track)}: gone", track=track["track"]) for track in known.values()]


def track_name(track: Mapping[str, Any]) -> str:
    """Return how a track is called on a terminal: participants choose these names, so they are made harmless."""
    return f"{plain(track['participant'], _NAME_LIMIT)} {plain(track['source'], _NAME_LIMIT)}"


def _of_track(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[StatusChange]:
    name, sid, level = track_name(after), after["track"], Level(after["level"])
    if before is None:
        return [StatusChange(f"{name}: {level.value}, {after['coverage']}", level, sid)]
    changes: list[StatusChange] = []
    if after["level"] != before["level"]:
        changes.append(StatusChange(f"{name}: {level.value} (was {before['level']})", level, sid))
    if after["coverage"] != before["coverage"]:
        changes.append(StatusChange(f"{name}: {after['coverage']} (was {before['coverage']})", track=sid))
    return changes
