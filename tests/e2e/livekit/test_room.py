"""The way through a real room: pixels of a participant, a verdict, a data packet to another participant."""

from __future__ import annotations

from livekit_harness.process import until
from livekit_harness.room import AGENT, Room


def test_a_tampered_camera_is_alerted_to_the_room(room: Room) -> None:
    """A patch painted into a real 720p track comes back as an alert from the agent; who shows none is not flagged."""
    room.join("alice", "bob", "viewer")
    alice, bob = room.camera("alice"), room.camera("bob")
    room.watch(video={"normal_fps": 2, "burst_fps": 5})
    until(lambda: room.service.of("alice") and room.service.of("bob", bob))
    # The server tells of participants who publish nothing, as the agent, every 3 s only: till then its packets have
    # no sender.
    until(lambda: AGENT in room.seen_by("viewer"))
    room.paint("alice", 0.2)
    (packet, *_) = until(lambda: room.packets("viewer", "alert"))
    assert packet["sender"] == AGENT
    assert (packet["participant_id"], packet["track_id"]) == ("alice", alice)
    assert list(packet)[:6] == ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]
    assert not room.packets("viewer", "alert", participant_id="bob")
