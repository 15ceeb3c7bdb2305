"""Frames that stop in a real room: the server is asked for them, and they come back."""

from __future__ import annotations

import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room

PAUSE = """
from livekit.plugins.dataspike._forwarding import set_enabled
for publication in room.remote_participants["alice"].track_publications.values():
    set_enabled(publication, enabled=False)
result = None
"""
LISTEN = """
import logging
class Told(logging.Handler):
    def emit(self, record):
        say(event="log", line=record.getMessage())
logging.getLogger("livekit.plugins.dataspike").addHandler(Told())
"""


def requests(room: Room, track: str) -> int:
    return int({found["track"]: found for found in room.agent.call("status")["tracks"]}[track]["frame_requests"])


@pytest.mark.slow
@pytest.mark.parametrize("forwarding", ["always", "on_demand"])
def test_a_track_that_the_server_does_not_forward_is_asked_for(room: Room, forwarding: str) -> None:
    """As after a request that was lost: something else in the process paused the track, and nothing resumes it."""
    room.join("alice")
    track = room.camera("alice", width=640, height=360)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"), auto_subscribe=False)
    rates = {"normal_fps": 1.0, "burst_fps": 5.0}
    room.agent.call("start", service=room.service.url, video=rates, options={"forwarding": forwarding})
    until(lambda: len(room.service.of("alice")) > 3, 20)
    assert requests(room, track) == 0
    room.evaluate(LISTEN)
    room.evaluate(PAUSE)
    until(lambda: requests(room, track) == 1, 30)
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) > before + 3, 30)
    assert requests(room, track) <= 2
    (line,) = [told["line"] for told in room.agent.told("log") if "gives no frames" in told["line"]]
    assert "no packet of it arrives" in line
