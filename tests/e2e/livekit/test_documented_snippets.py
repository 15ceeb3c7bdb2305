"""What Dataspike's public documentation shows, run unchanged.

The page lies beside the project where it is at hand, and is not the project's to copy: without it these tests are
skipped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from livekit_harness.components import PROJECT
from livekit_harness.ports import free_port
from livekit_harness.process import Process, until
from livekit_harness.room import TOPIC, Room
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.tokens import room_token
from livekit_harness.worker import Worker

from ds_actors.detection import Level

PAGE = PROJECT.parent / "shared" / "facts" / "documentation.md"
SMALL = {"width": 640, "height": 360}


@pytest.fixture(scope="session")
def snippets() -> list[str]:
    """The page's Python blocks."""
    if not PAGE.exists():
        pytest.skip("the documentation's page is not beside the project")
    return re.findall(r"```python[^\n]*\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def the_one(snippets: list[str], *signs: str) -> str:
    (found,) = [snippet for snippet in snippets if all(sign in snippet for sign in signs)]
    return found


def environment(service: Service) -> dict[str, str]:
    """A worker's: a dummy key for OpenAI, and no way to it."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "DATASPIKE_API_KEY": "k",
        "DATASPIKE_WS_URL": service.url,
        "OPENAI_API_KEY": "dummy",
        "OPENAI_BASE_URL": nowhere,
    }


class People:
    """alice with a camera and a viewer, in a room of the own server."""

    def __init__(self, process: Process, server: Server) -> None:
        self.process, self._seen = process, len(process.events)
        for identity in ("viewer", "alice"):
            process.call("join", who=identity, url=server.url, token=room_token(server, "call", identity))
        self.track = process.call("camera", who="alice", **SMALL)

    def alerts(self) -> list[dict[str, object]]:
        told = self.process.events[self._seen :]
        return [
            event
            for event in told
            if event["event"] == "data" and event["topic"] == TOPIC and '"alert"' in event["payload"]
        ]


@pytest.fixture
def people(people_process: Process, own_server: Server) -> Generator[type[None]]:
    """Ends everybody's stay."""
    yield type(None)
    people_process.call("clear")


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("people")
def test_the_full_worker_example(
    snippets: list[str], own_server: Server, service: Service, people_process: Process, tmp_path: Path
) -> None:
    """By `dev`: the room hears alerts, and still does when the voice session has died for want of OpenAI."""
    program = tmp_path / "agent_worker.py"
    program.write_text(the_one(snippets, "WorkerType.ROOM", "on_request"), "utf-8")
    service.verdicts["alice"] = Level.ALERT
    with Worker(program, own_server, environment(service)) as worker:
        worker.registered()
        people = People(people_process, own_server)
        until(people.alerts, 60)
        # The session tries OpenAI four times in about four seconds, and is gone.
        time.sleep(8)
        before = len(people.alerts())
        until(lambda: len(people.alerts()) > before, 20)
        assert worker.wrote("dataspike-deepfake-example|job request")


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("people")
def test_the_quick_start(
    snippets: list[str], own_server: Server, service: Service, people_process: Process, tmp_path: Path
) -> None:
    """With `AgentSession()` for its ellipsis, and a worker's last lines."""
    quick_start = the_one(snippets, "await ctx.connect()").replace("AgentSession(...)", "AgentSession()")
    run = (
        "from livekit.agents import WorkerOptions, cli\n\n"
        "if __name__ == '__main__':\n    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))\n"
    )
    program = tmp_path / "quick_start.py"
    program.write_text(f"{quick_start}\n{run}", "utf-8")
    service.verdicts["alice"] = Level.ALERT
    with Worker(program, own_server, environment(service)) as worker:
        worker.registered()
        people = People(people_process, own_server)
        until(people.alerts, 60)


def test_the_callback_snippet(snippets: list[str], room: Room) -> None:
    """It prints `[ALERT] SUSPICIOUS from alice`."""
    snippet = the_one(snippets, "async def on_notification", "DataspikeDetector(notification_cb")
    room.service.verdicts["alice"] = Level.SUSPICIOUS
    room.join("alice")
    room.camera("alice", **SMALL)
    room.agent.call("join", url=room.server.url, token=room.token("agent", kind="agent"))
    room.evaluate(
        "import os\n"
        f"os.environ.update(DATASPIKE_API_KEY='k', DATASPIKE_WS_URL={room.service.url!r})\n"
        "names = {'dataspike': dataspike, 'print': lambda text: say(event='printed', text=text)}\n"
        f"exec({snippet!r}, names)\n"
        "agent._detector = names['detector']\n"
        "await names['detector'].start(None, room=room)"
    )
    (printed, *_) = until(lambda: room.agent.told("printed"))
    assert printed["text"] == "[ALERT] SUSPICIOUS from alice"
