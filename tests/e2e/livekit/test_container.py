"""The worker's image, run without root, capabilities and a writable disk: `make container` builds it and runs these."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from livekit import api
from livekit_harness.container import Container, engine
from livekit_harness.process import Process, until
from livekit_harness.room import TOPIC
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.tokens import room_token

from ds_actors.detection import Level

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _image() -> None:
    if not engine():
        pytest.skip("needs the worker's image; `make container` builds it with docker or podman")


async def end_room(server: Server, room: str) -> None:
    async with api.LiveKitAPI(server.url, server.key, server.secret) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=room))


def test_a_room_is_watched_until_it_ends_although_sigterm_came(
    own_server: Server, service: Service, people_process: Process
) -> None:
    """Healthy and not root; after SIGTERM the room's samples go on, and with the room the worker ends, with 0."""
    environment = {**own_server.environment, "DATASPIKE_API_KEY": "k", "DATASPIKE_WS_URL": service.url}
    service.verdicts["alice"] = Level.ALERT
    seen = len(people_process.events)
    try:
        with Container(environment) as container:
            until(lambda: container.wrote("registered worker"), 90, every=0.5)
            assert container.healthy()
            assert container.execute("id", "-u").stdout == "10001\n"
            for identity in ("viewer", "alice"):
                token = room_token(own_server, "call", identity)
                people_process.call("join", who=identity, url=own_server.url, token=token)
            people_process.call("camera", who="alice", width=320, height=180)
            until(lambda: any(event.get("topic") == TOPIC for event in people_process.events[seen:]), 60)
            container.terminate()
            until(lambda: container.wrote("draining worker"), 15, every=0.2)
            drains = time.monotonic()
            until(lambda: any(sample.at > drains + 2 for sample in service.of("alice")), 20)
            assert container.exit_code() is None
            assert container.healthy()
            asyncio.run(end_room(own_server, "call"))
            assert container.ended(within=30) == 0
            assert container.wrote("monitoring ends")
    finally:
        people_process.call("clear")


def test_an_idle_worker_ends_at_once_on_sigterm(own_server: Server) -> None:
    """With 0, and without a warning."""
    with Container({**own_server.environment, "DATASPIKE_API_KEY": "k"}) as container:
        until(lambda: container.wrote("registered worker"), 90, every=0.5)
        container.terminate()
        assert container.ended(within=15) == 0


def test_a_sigterm_that_comes_before_python_has_started_is_not_lost() -> None:
    """Without `--init` the worker would be the first process, which ignores signals that it has no handler for yet."""
    with Container({}) as container:
        container.terminate()
        assert container.ended(within=15) == 128 + signal.SIGTERM


def test_the_check_of_health_asks_the_workers_port_and_no_proxy() -> None:
    """Unhealthy where nothing answers there, and healthy where something does, with a proxy that does not exist."""
    proxy = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    with Container(proxy, "sleep", "60") as container:
        assert not container.healthy()
    with Container(proxy, "python", "-m", "http.server", "8081") as container:
        assert until(container.healthy, 30, every=0.5)
