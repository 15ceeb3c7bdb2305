"""The status of a monitor, as programs read it."""

from __future__ import annotations

import json
from types import MappingProxyType

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level
from ds_actors.detection.status import Status, TrackStatus, UplinkStatus


def track(coverage: Coverage, *, wanted: bool = True) -> TrackStatus:
    return TrackStatus("alice", "TR_A", "video", "camera", Level.CLEAR, coverage, 0.2, 0.2, "clear", 3, wanted)


def status(*tracks: TrackStatus) -> Status:
    dropped = MappingProxyType({"stale": 2})
    uplink = UplinkStatus("up", "", 0, 1, 5, 3, dropped, 0, 0, 0, None)
    return Status("running", "", uplink, tracks, (), MappingProxyType({"clear": 3}))


def test_of_the_tracks_that_should_be_checked_those_that_are_checked_count() -> None:
    """A track that is muted, or that the host left out, is neither."""
    tracks = [track(Coverage.CHECKED), *[track(Coverage.STALE)] * 2, track(Coverage.CHECKED, wanted=False)]
    watching = status(*tracks).watching
    assert (watching.checked, watching.wanted, str(watching)) == (1, 3, "1 of 3")


def test_a_status_is_fit_for_json() -> None:
    """With every count, although its mappings cannot be changed, and with how many tracks are checked in words."""
    told = json.loads(json.dumps(status(track(Coverage.CHECKED)).dict()))
    assert told["watching"] == "1 of 1"
    assert (told["uplink"]["dropped"], told["results"]) == ({"stale": 2}, {"clear": 3})
    assert (told["tracks"][0]["level"], told["tracks"][0]["coverage"]) == ("clear", "checked")
