"""A detector of your own in a real room: behind `ds-actors serve`, and in the agent's own process."""

from __future__ import annotations

import uuid
from collections.abc import Generator

import pytest
from livekit_harness.agent import EXAMPLES
from livekit_harness.browser import Browser
from livekit_harness.own_detector import ServeProcess, open_serve
from livekit_harness.process import ForkServer, Process, until
from livekit_harness.room import AGENT, Room
from livekit_harness.server import Server
from livekit_harness.service import Service

from ds_actors.detection import Level

RATES = {"normal_fps": 2.0, "burst_fps": 4.0}
PATIENT = ("--deadline", "30", "--suspicious", "0.3", "--alert", "0.6")
"""A slow machine may take its time."""


@pytest.fixture
def own_service() -> Generator[ServeProcess]:
    with open_serve("my_detector:judge", *PATIENT) as service:
        yield service


@pytest.fixture
def served_room(
    livekit_server: Server, people_process: Process, own_service: ServeProcess, agents: ForkServer
) -> Generator[Room]:
    """A room whose agent asks a detector behind `ds-actors serve`."""
    name, service = f"room-{uuid.uuid4().hex[:8]}", Service(own_service.url)
    with Room(livekit_server, name, people_process, service, agents.take()) as room:
        yield room


def test_a_detector_behind_serve_alerts_a_page(served_room: Room, own_service: ServeProcess, browser: Browser) -> None:
    """From pixels over the service and the model to a browser; who shows nothing painted is clear."""
    browser.join(served_room.server.url, served_room.token("viewer"), publish=False)
    served_room.join("alice", "bob")
    alice = served_room.camera("alice", width=640, height=360)
    served_room.camera("bob", width=640, height=360)
    served_room.watch(video=RATES)
    # Till the server tells of the agent, which publishes nothing, its packets have no sender.
    until(lambda: AGENT in browser.others(), 30)
    served_room.paint("alice", 0.2)
    (alert, *_) = until(lambda: browser.packets("alert"), 30)
    assert (alert["json"]["participant_id"], alert["json"]["track_id"]) == ("alice", alice)
    assert (alert["sender"], alert["agent"]) == (AGENT, True)
    assert alert["json"]["message"] == "Probability of manipulation: 1.00"
    until(lambda: [packet for packet in browser.packets("clear") if packet["json"]["participant_id"] == "bob"], 30)
    assert {packet["json"]["participant_id"] for packet in browser.packets("alert")} == {"alice"}
    summary = own_service.end()
    assert summary["answered"]["alert"] >= 1
    assert summary["received"] == sum(summary["answered"].values()) + summary["unsent"]


def test_any_client_of_the_wire_gets_verdicts_of_serve(served_room: Room, own_service: ServeProcess) -> None:
    """This plugin, and version 1.2.17 with `DS_ACTORS_IMPLEMENTATION=reference`, with the same key and address."""
    served_room.join("alice", "bob", "viewer")
    served_room.camera("alice", width=640, height=360, share=0.2)
    served_room.camera("bob", width=640, height=360)
    served_room.watch(video=RATES, callback="record")
    until(lambda: served_room.heard("alice", Level.ALERT.value), 30)
    assert not served_room.heard("bob", Level.ALERT.value)
    summary = own_service.end()
    assert summary["answered"]["alert"] >= 1
    assert (summary["malformed"], summary["refused"], summary["faults"]) == (0, {}, {})


def test_a_detector_in_the_agents_own_process_alerts_the_room(room: Room) -> None:
    """`DataspikeDetector(service=Local(...))`: no key, no address, no second program."""
    room.join("alice", "viewer")
    alice = room.camera("alice", width=640, height=360, share=0.2)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"))
    room.evaluate(
        "import os, sys\n"
        "from ds_actors.detectors import Thresholds\n"
        "from ds_actors.serving import Local, QueueLimits\n"
        f"os.environ['PYTHONPATH'] = os.pathsep.join([{str(EXAMPLES)!r}, os.environ.get('PYTHONPATH', '')])\n"
        "local = Local('my_detector:judge', thresholds=Thresholds(0.3, 0.6), queue=QueueLimits(deadline=30.0))\n"
        "agent._detector = dataspike.DataspikeDetector(service=local, normal_fps=2.0, burst_fps=4.0)\n"
        "await agent._detector.start(None, room=room)"
    )
    (packet, *_) = until(lambda: room.packets("viewer", "alert"), 40)
    assert (packet["participant_id"], packet["track_id"]) == ("alice", alice)
    assert packet["message"] == "Probability of manipulation: 1.00"
    room.agent.call("aclose")
    assert not room.service.attempts()
