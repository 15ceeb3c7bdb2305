"""What happens in the life of a room and its tracks: always one sampler a live track, none left over."""

from __future__ import annotations

import time

from livekit_harness.process import until
from livekit_harness.room import Room

from ds_actors.detection import Level

SMALL = {"width": 640, "height": 360}
RATES = {"normal_fps": 0.5, "burst_fps": 5.0}


def test_a_full_reconnect_leaves_no_stream(room: Room) -> None:
    """The agent's connection is made anew: the old track's stream and consumer go, the new one is sampled."""
    (track,) = enter(room, "alice").values()
    room.agent.call("simulate", scenario="SIMULATE_FULL_RECONNECT")
    until(lambda: len(room.agent.told("subscribed", track=track)) == 2)
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) > before)
    time.sleep(3)
    assert room.agent.call("left")["streams"] <= 1


