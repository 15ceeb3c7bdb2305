"""Which tracks' coverage is told when, and how packets are filled: examples."""

from __future__ import annotations

import json

import pytest
from livekit.plugins.dataspike._coverage_reports import MOST_PACKETS, REPEAT_AFTER, CoverageReports, packed

from ds_actors.detection import Coverage, Level
from ds_actors.detection.events import PAYLOAD_LIMIT
from ds_actors.detection.status import TrackStatus


def track(
    sid: str, level: Level = Level.CLEAR, coverage: Coverage = Coverage.CHECKED, age: float | None = 1.25
) -> TrackStatus:
    return TrackStatus("alice", sid, "video", "camera", level, coverage, 0.2, 0.2, "", 0, seconds_since_verdict=age)


def look(reports: CoverageReports, now: float, *tracks: TrackStatus) -> list[str]:
    """Return which tracks are told, in order."""
    packets = reports.due(tracks, now)
    for packet in packets:
        reports.told(packet, now)
    return [told.track for packet in packets for told in packet.tracks]


def test_an_unchanged_track_is_told_again_after_five_seconds() -> None:
    """The age of its last verdict is no change."""
    reports = CoverageReports()
    assert look(reports, 100.0, track("TR")) == ["TR"]
    assert look(reports, 100.0 + REPEAT_AFTER - 0.1, track("TR", age=9.0)) == []
    assert look(reports, 100.0 + REPEAT_AFTER, track("TR")) == ["TR"]


@pytest.mark.parametrize("changed", [track("TR", level=Level.ALERT), track("TR", coverage=Coverage.STALE)])
def test_a_change_of_level_or_coverage_is_told_at_once(changed: TrackStatus) -> None:
    """Once."""
    reports = CoverageReports()
    look(reports, 0.0, track("TR"))
    assert look(reports, 0.1, changed) == ["TR"]
    assert look(reports, 0.2, changed) == []


def test_changes_are_told_before_repetitions_and_those_told_longest_ago_first() -> None:
    """A new track is the first of all."""
    reports = CoverageReports()
    for now, sid in enumerate(("changed late", "changed later", "late", "later")):
        for packet in packed([track(sid)]):
            reports.told(packet, 0.5 + now)
    shown = (
        track("later"),
        track("late"),
        track("changed later", Level.ALERT),
        track("changed late", coverage=Coverage.STALE),
        track("new"),
    )
    assert look(reports, 10.0, *shown) == ["new", "changed late", "changed later", "late", "later"]


def test_a_track_that_comes_back_is_told_at_once() -> None:
    """What was told of it before it went is forgotten."""
    reports = CoverageReports()
    look(reports, 0.0, track("TR"), track("TR_2"))
    assert look(reports, 0.1, track("TR_2")) == []
    assert look(reports, 0.2, track("TR"), track("TR_2")) == ["TR"]


def test_what_does_not_fit_into_four_packets_is_the_first_of_the_next_time() -> None:
    """And of the time after it, until all are told."""
    tracks = [track(f"{number}-{'x' * 9_000}") for number in range(MOST_PACKETS + 1)]
    reports = CoverageReports()
    assert look(reports, 0.0, *tracks) == [found.track for found in tracks[:-1]]
    assert look(reports, REPEAT_AFTER, *tracks)[0] == tracks[-1].track


@pytest.mark.parametrize("count", [2, 3])
def test_a_packet_is_filled_as_long_as_it_is_below_15_kb(count: int) -> None:
    """To the last byte; and so is the next one."""
    empty = len(packed([track("") for _ in range(count)])[0].payload)
    sids = ["x" * 100 for _ in range(count - 1)]
    last = "x" * (PAYLOAD_LIMIT - 1 - empty - 100 * (count - 1))
    found = packed([track(sid) for sid in [*sids, last] * 2])
    assert [len(packet.payload) for packet in found] == [PAYLOAD_LIMIT - 1] * 2
    found = packed([track(sid) for sid in [*sids, last + "x"]])
    assert [len(packet.tracks) for packet in found] == [count - 1, 1]


def test_a_track_whose_entry_alone_is_too_long_has_a_packet_of_its_own() -> None:
    """No sid is that long; nothing is left out even then."""
    packets = packed([track("a"), track("x" * PAYLOAD_LIMIT), track("b")])
    assert [[told.track[:1] for told in packet.tracks] for packet in packets] == [["a"], ["x"], ["b"]]
    assert packed([]) == []


def test_an_entry_tells_sid_level_coverage_and_the_age_of_the_last_verdict_in_milliseconds() -> None:
    """Without a verdict there is no age."""
    (packet,) = packed([track("TR", Level.ALERT, Coverage.STALE, 1.2504), track("TR_2", age=None)])
    first, second = json.loads(packet.payload)["tracks"]
    assert first == {"track_id": "TR", "level": "alert", "coverage": "stale", "checked_ms_ago": 1250}
    assert second["checked_ms_ago"] is None
