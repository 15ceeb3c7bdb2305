"""Coverage as data packets: what they hold, which tracks go first, and that they are off by default."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc
from livekit.plugins.dataspike import DataspikeDetector, _coverage_packets
from livekit.plugins.dataspike._coverage_packets import CoveragePublisher
from livekit.plugins.dataspike._coverage_reports import MOST_PACKETS, REPEAT_AFTER, CoverageReports, packed
from livekit.rtc.participant import PublishDataError

from ds_actors.detection import Coverage, Level, Status
from ds_actors.detection.events import PAYLOAD_LIMIT
from ds_actors.detection.status import TrackStatus


def track(
    sid: str, level: Level = Level.CLEAR, coverage: Coverage = Coverage.CHECKED, age: float | None = 1.25
) -> TrackStatus:
    return TrackStatus("alice", sid, "video", "camera", level, coverage, 0.2, 0.2, "", 0, seconds_since_verdict=age)


TRACKS = st.lists(
    st.builds(
        track,
        st.text(max_size=60),
        st.sampled_from(Level),
        st.sampled_from(Coverage),
        st.none() | st.floats(0, 1e6),
    ),
    max_size=400,
    unique_by=lambda found: found.track,
)


def test_a_packet_tells_sid_level_coverage_and_the_age_of_the_last_verdict() -> None:
    """No identity and no name: the track's sid suffices, and the server made it."""
    (packet,) = packed(
        [track("TR_1", Level.ALERT, Coverage.STALE), track("TR_2", Level.UNKNOWN, Coverage.WAITING, None)]
    )
    assert json.loads(packet.payload) == {
        "type": "deepfake_coverage",
        "tracks": [
            {"track_id": "TR_1", "level": "alert", "coverage": "stale", "checked_ms_ago": 1250},
            {"track_id": "TR_2", "level": "unknown", "coverage": "waiting", "checked_ms_ago": None},
        ],
    }


@given(TRACKS)
def test_packets_hold_each_track_once_in_order_and_stay_below_the_limit(tracks: list[TrackStatus]) -> None:
    """Names may be any text."""
    packets = packed(tracks)
    assert [told for packet in packets for told in packet.tracks] == tracks
    assert all(len(packet.payload) <= PAYLOAD_LIMIT for packet in packets)
    entries = [entry["track_id"] for packet in packets for entry in json.loads(packet.payload)["tracks"]]
    assert entries == [found.track for found in tracks]


@given(TRACKS, st.data())
def test_every_track_is_told_again_and_a_change_is_told_first(tracks: list[TrackStatus], data: st.DataObject) -> None:
    """Within as many looks as the packets of a look need, nothing is left out; an unchanged track waits 5 s."""
    reports = CoverageReports()

    def look(now: float, shown: list[TrackStatus]) -> list[str]:
        packets = reports.due(shown, now)
        assert len(packets) <= MOST_PACKETS
        for packet in packets:
            reports.told(packet, now)
        return [told.track for packet in packets for told in packet.tracks]

    looks = -(-len(packed(tracks)) // MOST_PACKETS) + 1
    first = [sid for n in range(looks) for sid in look(n / 100, tracks)]
    assert sorted(first) == sorted(found.track for found in tracks)
    assert look(REPEAT_AFTER - 1, tracks) == []
    if tracks:
        changed = data.draw(st.sampled_from(tracks))
        level = Level.ALERT if changed.level is not Level.ALERT else Level.CLEAR
        shown = [track(found.track, level) if found is changed else found for found in tracks]
        assert look(2 * REPEAT_AFTER, shown)[0] == changed.track


class Room:
    """The parts of a room that the publisher uses."""

    connection_state = rtc.ConnectionState.CONN_CONNECTED

    def __init__(self, *, faults: int = 0) -> None:
        self.faults, self.sent = faults, list[tuple[str, dict[str, Any]]]()
        self.published = asyncio.Event()
        self.local_participant = SimpleNamespace(
            permissions=SimpleNamespace(can_publish_data=True), publish_data=self.publish_data
        )

    def isconnected(self) -> bool:
        return True

    async def publish_data(self, payload: str, **options: Any) -> None:
        if self.faults:
            self.faults -= 1
            raise PublishDataError("engine is closed")
        self.sent.append((payload, options))
        self.published.set()


def test_a_packet_that_was_not_published_is_told_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on the topic, to the participants who receive the results."""
    monkeypatch.setattr(_coverage_packets, "LOOK_EVERY", 0.01)

    async def main() -> Room:
        room = Room(faults=2)
        status = cast("Status", SimpleNamespace(tracks=(track("TR_1"),)))
        publisher = CoveragePublisher(cast("rtc.Room", room), lambda: status, ["bob"])
        publisher.start()
        await asyncio.wait_for(room.published.wait(), 10)
        publisher.stop()
        return room

    ((payload, options),) = asyncio.run(main()).sent
    assert json.loads(payload)["tracks"][0]["track_id"] == "TR_1"
    assert (options["topic"], options["destination_identities"]) == ("deepfake_coverage", ["bob"])


def test_coverage_is_not_published_unless_asked_for() -> None:
    """The documented default stays as it is."""
    assert DataspikeDetector(api_key="k")._settings.publish_coverage is False
