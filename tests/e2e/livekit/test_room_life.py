"""The agent's connection is made anew."""

from __future__ import annotations

import time

import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room

from ds_actors.detection import Level


@pytest.mark.slow
def test_a_full_reconnect_leaves_no_stream(room: Room) -> None:
    """The old track's stream and consumer go, the new one is sampled, by one actor."""
    room.service.verdicts["alice"] = Level.CLEAR
    room.join("alice")
    track = room.camera("alice", width=640, height=360)
    room.watch(video={"normal_fps": 0.5, "burst_fps": 5.0})
    until(lambda: room.service.of("alice"))
    room.agent.call("simulate", scenario="SIMULATE_FULL_RECONNECT")
    until(lambda: len(room.agent.told("subscribed", track=track)) == 2)
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) > before)
    time.sleep(3)
    assert room.agent.call("left")["streams"] <= 1
    assert [row["track"] for row in room.agent.call("status")["tracks"]] == [track]


@pytest.mark.slow
def test_after_a_full_reconnect_it_subscribes_again_where_nobody_else_does(room: Room) -> None:
    """The tracks are there before the connection is: what is asked of them then, the SDK loses."""
    room.join("alice")
    room.camera("alice", width=320, height=180)
    token = room.token(AGENT, kind="agent")
    room.agent.call("join", url=room.server.url, token=token, auto_subscribe=False)
    room.agent.call("start", service=room.service.url, video={"normal_fps": 5.0, "burst_fps": 5.0})
    until(lambda: room.service.of("alice"))
    room.agent.call("simulate", scenario="SIMULATE_FULL_RECONNECT")
    until(lambda: room.agent.told("reconnected"))
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) > before + 2)


@pytest.mark.slow
def test_a_room_whose_server_died_is_reconnecting_in_the_status(room_of_its_own: Room) -> None:
    """It lists no track, or stale ones; the status does not look as if all were well."""
    room = room_of_its_own
    room.service.verdicts["alice"] = Level.CLEAR
    room.join("alice")
    room.camera("alice", width=320, height=180)
    room.watch(video={"normal_fps": 2.0, "burst_fps": 5.0})
    until(lambda: room.agent.call("status")["watching"] == "1 of 1", 15)
    assert room.agent.call("status")["room"]["state"] == "connected"
    room.server.process.kill()
    until(lambda: room.agent.call("status")["room"]["state"] == "reconnecting", 30)
