"""The parts of the room as actors: each crash restarts that part, at the address that it had."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Never

import trio
from attrs import define, field

from ds_actors import Actor, ChildSpec, ExponentialBackoff
from ds_actors.cli._room.child_process import END_WITHIN, ChildProcess, PartEnded
from ds_actors.cli._room.plan import LOOPBACK, RoomPlan
from ds_actors.cli._room.site import RoomSite
from ds_actors.cli._room.web import WebServer
from ds_actors.sandbox import MarkerVerdicts, open_sandbox

SERVER, SANDBOX, MONITOR, WEB = "livekit-server", "sandbox", "monitor", "web"
_ANSWERS_WITHIN: Final = 25.0
_LOOK_EVERY: Final = 0.05
_HERE: Final = Path(__file__).parent

Tell = Callable[[str, str], None]
"""(part, line): a line for the console."""


def _ignore(_line: str) -> None:
    """Show nothing."""


@define(eq=False)
class LiveKitServer(Actor[Never]):
    """livekit-server, ready when it answers."""

    plan: RoomPlan
    program: Path

    async def started(self) -> None:
        """Start it, and wait until it answers."""
        process = ChildProcess(
            [sys.executable, "-I", "-S", _HERE / "guard.py", self.program],
            # Not on the command line, which all users of the machine see; not in a file, which would stay behind.
            {"LIVEKIT_CONFIG": self.plan.server_config()},
            # What participants do wrong is no news here; its last lines say why it ended.
            on_line=_ignore,
            on_log=_ignore,
        )
        self.context.spawn(process.run)
        with trio.fail_after(_ANSWERS_WITHIN):
            await _wait_for_answer(self.plan.server_port)


async def _wait_for_answer(port: int) -> None:
    while True:
        if await _answers(port):
            return
        await trio.sleep(_LOOK_EVERY)


async def _answers(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream(LOOPBACK, port)
    except OSError:
        return False
    async with stream:
        try:
            await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
            return (await stream.receive_some(64)).startswith(b"HTTP/1.")
        except trio.BrokenResourceError:
            return False


@define(eq=False)
class RoomMonitor(Actor[Never]):
    """The plugin in a process of its own, because LiveKit's SDK needs asyncio; its restart joins the room anew."""

    plan: RoomPlan
    variables: Mapping[str, str] = field(repr=False)
    """The monitor's settings; the service is the sandbox all the same."""
    make_token: Callable[[RoomPlan], str] = field(repr=False)
    tell: Tell
    joined: Callable[[], None]
    """Called each time that it has joined the room."""

    async def started(self) -> None:
        """Start it; it joins the room in its own time."""
        self.plan.monitor = None  # what the one before it told
        process = ChildProcess(
            [sys.executable, "-P", _HERE / "watcher.py"],
            {
                **self.variables,
                "LIVEKIT_URL": self.plan.livekit_url,
                "LIVEKIT_TOKEN": self.make_token(self.plan),
                "DATASPIKE_WS_URL": self.plan.sandbox_url,
                "DATASPIKE_API_KEY": "sandbox",
            },
            on_line=self._take,
            on_log=partial(self.tell, MONITOR),
        )
        self.context.spawn(process.run)

    def _take(self, line: str) -> None:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "status":
            self.plan.monitor = event["status"]
        else:
            self.joined()


@define(eq=False)
class SandboxService(Actor[Never]):
    """The stand-in for the detection service."""

    plan: RoomPlan

    async def started(self) -> None:
        """Listen."""
        listening = trio.Event()

        async def serve() -> None:
            async with open_sandbox(MarkerVerdicts(), host=LOOPBACK, port=self.plan.sandbox_port):
                listening.set()
                await trio.sleep_forever()

        self.context.spawn(serve)
        await listening.wait()


@define(eq=False)
class WebPage(Actor[Never]):
    """The page and its tokens."""

    site: RoomSite

    async def started(self) -> None:
        """Listen."""
        listeners = await trio.open_tcp_listeners(self.site.plan.web_port, host=LOOPBACK)
        server = WebServer(self.site.respond, self.site.headers)
        self.context.spawn(trio.serve_listeners, server.serve, listeners)


def part(factory: Callable[..., Actor[Never]], *args: object, name: str) -> ChildSpec[Never]:
    """Return how a part is supervised: tried again up to five times in a row, with growing pauses."""
    return ChildSpec(
        factory,
        *args,
        name=name,
        backoff=ExponentialBackoff(base=0.5, cap=5.0),
        max_failures=5,
        grace=END_WITHIN + 2,
        expected=(PartEnded,),
    )
