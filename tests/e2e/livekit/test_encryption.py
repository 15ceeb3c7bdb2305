"""Rooms that are encrypted from end to end, with real keys."""

from __future__ import annotations

import time
from typing import Any

import pytest
from livekit_harness.process import until
from livekit_harness.room import Room

SMALL = {"width": 320, "height": 180}


def track_of(room: Room, who: str) -> dict[str, Any]:
    """What the detector's status says of that participant's one track."""
    return next(
        (track for track in room.agent.call("status")["tracks"] if track["participant"] == who), {"coverage": ""}
    )


def test_with_the_rooms_key_pictures_are_seen(room: Room) -> None:
    """The patch that the publisher paints is alerted: what was sent is the picture, not noise."""
    room.join("alice", secret="of the room")
    room.camera("alice", **SMALL, share=0.2)
    room.watch(secret="of the room", video={"normal_fps": 2.0, "burst_fps": 2.0})
    until(lambda: track_of(room, "alice").get("level") == "alert")
    assert track_of(room, "alice")["coverage"] == "checked"


@pytest.mark.parametrize("secret", [None, "of another room"])
def test_without_its_key_a_track_is_encrypted_and_nothing_is_sent(room: Room, secret: str | None) -> None:
    """Said as it is, and never as clear, though the SDK says nothing of a wrong key; who is in the open is checked."""
    room.join("alice", secret="of the room")
    room.join("bob")
    for who in ("alice", "bob"):
        room.camera(who, **SMALL)
    room.watch(secret=secret, video={"normal_fps": 2.0, "burst_fps": 2.0})
    until(lambda: track_of(room, "alice")["coverage"] == "encrypted")
    until(lambda: track_of(room, "bob")["coverage"] == "checked")
    time.sleep(2)
    assert room.service.of("alice") == []
    assert (track_of(room, "alice")["coverage"], track_of(room, "alice")["level"]) == ("encrypted", "unknown")
