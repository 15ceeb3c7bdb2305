"""The parts of the room as actors: each crash restarts that part, at the address that it had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Never, TypeVar

import trio
from attrs import define

from ds_actors import Actor, ChildEnded, ChildSpec, ExponentialBackoff, TelemetryEvent
from ds_actors.cli._room.monitor import make_monitor
from ds_actors.cli._room.plan import LOOPBACK, RoomPlan
from ds_actors.cli._room.site import RoomSite
from ds_actors.cli._room.web import WebServer
from ds_actors.processes import PortOpens, Program, ProgramActor, ProgramEnded, ProgramNotStarted
from ds_actors.sandbox import MarkerVerdicts, open_sandbox

SERVER, SANDBOX, MONITOR, WEB = "livekit-server", "sandbox", "monitor", "web"
_GRACE: Final = 8.0
"""Seconds; the monitor needs up to 5 to leave the room."""

M = TypeVar("M")
Tell = Callable[[str, str], None]
"""(part, line): a line for the console."""


def make_server(plan: RoomPlan, program: Path) -> ProgramActor:
    """Return livekit-server, ready when it listens."""
    return ProgramActor(
        Program(
            [program],
            # Not on the command line, which all users of the machine see; not in a file, which would stay behind.
            {"LIVEKIT_CONFIG": plan.server_config()},
            ready=PortOpens(plan.server_port, LOOPBACK),
        )
    )


def make_room_monitor(
    plan: RoomPlan,
    variables: Mapping[str, str],
    make_token: Callable[[RoomPlan], str],
    tell: Tell,
    joined: Callable[[], None],
) -> ProgramActor:
    """Return the monitor; its restart joins the room anew.

    Args:
        plan: receives its last status.
        variables: the monitor's settings; the service is the sandbox all the same.
        make_token: makes the token of the monitor's participant.
        tell: called with each line of its log.
        joined: called each time that it has joined the room.
    """
    plan.monitor = None  # what the one before it told

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "status":
            plan.monitor = event["status"]
        else:
            joined()

    environment = {
        **variables,
        "LIVEKIT_URL": plan.livekit_url,
        "LIVEKIT_TOKEN": make_token(plan),
        "DATASPIKE_WS_URL": plan.sandbox_url,
        "DATASPIKE_API_KEY": "sandbox",
    }
    return make_monitor(environment, take, partial(tell, MONITOR))


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


def part(factory: Callable[..., Actor[M]], *args: object, name: str, grace: float = _GRACE) -> ChildSpec[M]:
    """Return how a part is supervised: tried again up to five times in a row, with growing pauses."""
    return ChildSpec(
        factory,
        *args,
        name=name,
        backoff=ExponentialBackoff(base=0.5, cap=5.0),
        max_failures=5,
        grace=grace,
        expected=(ProgramEnded, ProgramNotStarted),
    )


def tell_ends(tell: Tell) -> Callable[[TelemetryEvent], None]:
    """Return a listener that tells how a program ended that was not asked to."""

    def listen(event: TelemetryEvent) -> None:
        if isinstance(event, ChildEnded) and isinstance(event.error, ProgramEnded):
            code, number = event.error.code, event.error.signal
            how = f"with exit code {code}" if number is None else f"by {number.name}"
            tell(event.path.rpartition("/")[2], f"ended {how}")

    return listen
