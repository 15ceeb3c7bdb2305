"""Fixtures of real rooms: the server, the people and the service, and an agent's process with a detector in it.

`DS_ACTORS_IMPLEMENTATION=reference` puts 1.2.17 in the agent's place, for `make compare`.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from livekit_harness import components
from livekit_harness.browser import Browser, open_browser
from livekit_harness.process import ForkServer, Process
from livekit_harness.room import Room
from livekit_harness.server import Server, open_server
from livekit_harness.service import Service, open_service


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the worker's image unless asked for: to build it takes minutes, and docker or podman."""
    if "container" not in config.option.markexpr:
        out = [item for item in items if item.get_closest_marker("container")]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def _need(found: Path | None, what: str) -> Path:
    if found is None:
        pytest.skip(f"needs {what}; `{components.ENABLE}` gets it")
    return found


@pytest.fixture(scope="session")
def livekit_server() -> Generator[Server]:
    """A livekit-server for the whole run; each test has a room of its own in it."""
    with open_server(_need(components.livekit_server(), "livekit-server")) as server:
        yield server


@pytest.fixture
def own_server() -> Generator[Server]:
    """A server that no other test opens rooms on: a worker is sent to every new room."""
    with open_server(_need(components.livekit_server(), "livekit-server")) as server:
        yield server


@pytest.fixture(scope="session")
def people_process() -> Generator[Process]:
    with Process([sys.executable, "-m", "livekit_harness.people"]) as process:
        yield process


@pytest.fixture(scope="session")
def agents() -> Generator[ForkServer]:
    """Agents' processes, with the plugin imported."""
    if os.environ.get("DS_ACTORS_IMPLEMENTATION") == "reference":
        python = _need(components.reference_python(), "the environment of 1.2.17")
    else:
        python = _need(components.plugin_python(), "the plugin, installed")
    with ForkServer([python, "-m", "livekit_harness.agent", "--forks"]) as agents:
        yield agents


@pytest.fixture
def service() -> Generator[Service]:
    """A detection service of the test's own."""
    with open_service() as service:
        yield service


@pytest.fixture
def room(livekit_server: Server, people_process: Process, service: Service, agents: ForkServer) -> Generator[Room]:
    """An empty room, its people, and an agent's process that has imported the plugin and joined nothing yet."""
    with Room(livekit_server, f"room-{uuid.uuid4().hex[:8]}", people_process, service, agents.take()) as room:
        yield room


@pytest.fixture
def room_of_its_own(
    own_server: Server, people_process: Process, service: Service, agents: ForkServer
) -> Generator[Room]:
    """The same, on a server that the test may kill."""
    with Room(own_server, f"room-{uuid.uuid4().hex[:8]}", people_process, service, agents.take()) as room:
        yield room


@pytest.fixture
def browser() -> Generator[Browser]:
    """A page with livekit-client, which has joined nothing yet."""
    chromium, client = _need(components.chromium(), "chromium"), _need(components.client_js(), "livekit-client")
    with open_browser(chromium, client) as browser:
        yield browser
