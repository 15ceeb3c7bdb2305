"""LiveKit's own dispatch: how the monitor outgrows a machine."""

from __future__ import annotations

import re
import time

import pytest
from livekit_harness.components import HARNESS
from livekit_harness.process import Process, until
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.tokens import room_token
from livekit_harness.worker import Worker

ROOMS = 4
SMALL = {"width": 320, "height": 180}


def rooms_of(worker: Worker) -> set[str]:
    """Return the rooms it was sent to so far."""
    return {name for line in worker.wrote("received job request") for name in re.findall(r'"room": "([^"]*)"', line)}


@pytest.mark.timeout(240)
def test_rooms_of_a_killed_worker_are_checked_again(
    own_server: Server, service: Service, _people_process: Process
) -> None:
    """Two workers share four rooms; one is killed with its jobs: its rooms go to the other, which samples them anew."""
    environment = {"DATASPIKE_API_KEY": "k", "DATASPIKE_WS_URL": service.url, "DATASPIKE_NORMAL_FPS": "1"}
    program = HARNESS / "monitor_worker.py"
    people = _people_process
    with Worker(program, own_server, environment, name="one") as one, Worker(program, own_server, environment, name="two") as two:
        one.registered()
        two.registered()
        try:
            for n in range(ROOMS):
                people.call("join", who=f"p{n}", url=own_server.url, token=room_token(own_server, f"room-{n}", f"p{n}"))
                people.call("camera", who=f"p{n}", **SMALL)
                # A worker's load is told every 2.5 s only: rooms opened together would all go to one.
                until(lambda n=n: service.of(f"p{n}"), 60)  # type: ignore[misc]
            shares = {one: rooms_of(one), two: rooms_of(two)}
            assert set().union(*shares.values()) == {f"room-{n}" for n in range(ROOMS)}
            victim, heir = (one, two) if shares[one] else (two, one)
            lost = shares[victim]
            killed = time.monotonic()
            victim.kill()
            until(lambda: lost <= rooms_of(heir), 60)
            dispatched = time.monotonic() - killed
            who = [name.replace("room-", "p") for name in lost]
            until(lambda: all(any(s.at > killed + dispatched for s in service.of(p)) for p in who), 60)
            sampled = time.monotonic() - killed
        finally:
            people.call("clear")
    print(f"{len(lost)} of {ROOMS} rooms: dispatched again after {dispatched:.1f} s, sampled again after {sampled:.1f} s")
    assert sampled < 30
