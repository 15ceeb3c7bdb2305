"""Which tracks' coverage is told now, in which packets. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.events import PAYLOAD_LIMIT
from ds_actors.detection.status import TrackStatus

COVERAGE_TOPIC: Final = "deepfake_coverage"
REPEAT_AFTER: Final = 5.0
"""Seconds after which an unchanged track is told again, for participants who joined meanwhile."""
MOST_PACKETS: Final = 4
"""Packets at a time; tracks that do not fit are the first of the next time."""
_SEPARATOR: Final = ", "
_FRAME: Final = len(json.dumps({"type": COVERAGE_TOPIC, "tracks": []})) - len(_SEPARATOR)
"""A packet's length without its entries, each of which counts with a separator; the first one has none."""


@frozen
class CoveragePacket:
    """One packet, and the tracks that it tells of."""

    payload: str
    tracks: tuple[TrackStatus, ...]


@define
class CoverageReports:
    """Remembers what was told of each track, and when."""

    _told: dict[str, tuple[str, str, float]] = field(factory=dict[str, tuple[str, str, float]])

    def due(self, tracks: Sequence[TrackStatus], now: float) -> list[CoveragePacket]:
        """Return packets about the tracks that changed, and those last told 5 s ago; changed ones go first."""
        present = {track.track for track in tracks}
        self._told = {sid: told for sid, told in self._told.items() if sid in present}
        due = sorted((track for track in tracks if self._is_due(track, now)), key=self._order)
        return packed(due)[:MOST_PACKETS]

    def told(self, packet: CoveragePacket, now: float) -> None:
        """Record that a packet was published."""
        for track in packet.tracks:
            self._told[track.track] = (track.coverage, track.level, now)

    def _is_due(self, track: TrackStatus, now: float) -> bool:
        before = self._told.get(track.track)
        return before is None or before[:2] != (track.coverage, track.level) or now - before[2] >= REPEAT_AFTER

    def _order(self, track: TrackStatus) -> tuple[bool, float]:
        before = self._told.get(track.track)
        if before is None:
            return False, 0.0
        return before[:2] == (track.coverage, track.level), before[2]


def packed(tracks: Sequence[TrackStatus]) -> list[CoveragePacket]:
    """Return packets that hold these tracks in order, each below 15 KB."""
    packets: list[CoveragePacket] = []
    group: list[TrackStatus] = []
    size = _FRAME
    for track in tracks:
        length = len(_SEPARATOR) + len(_entry(track))
        if group and size + length >= PAYLOAD_LIMIT:
            packets.append(_packet(group))
            group, size = [], _FRAME
        group.append(track)
        size += length
    return [*packets, _packet(group)] if group else packets


def _packet(tracks: Sequence[TrackStatus]) -> CoveragePacket:
    entries = _SEPARATOR.join(_entry(track) for track in tracks)
    return CoveragePacket(f'{{"type": "{COVERAGE_TOPIC}", "tracks": [{entries}]}}', tuple(tracks))


def _entry(track: TrackStatus) -> str:
    age = track.seconds_since_verdict
    return json.dumps(
        {
            "track_id": track.track,
            "level": str(track.level),
            "coverage": str(track.coverage),
            "checked_ms_ago": None if age is None else round(age * 1_000),
        }
    )
