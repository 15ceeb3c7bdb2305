"""Statuses as a monitor's process reports them."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

from ds_actors.detection import Coverage, Level, Status
from ds_actors.detection.status import PartStatus, TrackStatus, UplinkStatus

PARTS = (PartStatus("uplink", 1, 2, 0, "ConnectionLost"), PartStatus("tracks", 3, 0, 4, ""))


def track(who: str, level: Level = Level.CLEAR, coverage: Coverage = Coverage.CHECKED) -> TrackStatus:
    return TrackStatus(
        who, f"TR_{who}", "video", "camera", level, coverage, 0.2, 0.19, "", 3, seconds_since_verdict=4.2
    )


def status(*tracks: TrackStatus, state: str = "up", cause: str = "") -> dict[str, Any]:
    dropped = MappingProxyType({"no_frame": 1, "superseded": 2, "ended": 0})
    uplink = UplinkStatus(state, cause, 1, 1, 5, 3, dropped, 1, 0, 0, 0.012)  # type: ignore[arg-type]
    return json.loads(json.dumps(Status("running", "", uplink, tracks, (), MappingProxyType({}), parts=PARTS).dict()))  # type: ignore[no-any-return]
