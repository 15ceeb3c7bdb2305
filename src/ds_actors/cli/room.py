"""`ds-actors room`: a real LiveKit room on this machine, watched, with a page to join it."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Final, NoReturn

import trio
import typer
from attrs import define

from ds_actors import Node, RestartLimitReached, StartFailed, Supervisor
from ds_actors.cli._configuration import SETTINGS_NOTE, ConfigFile, SetOptions, configured
from ds_actors.cli._epilog import epilog
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._room.parts import (
    MONITOR,
    SANDBOX,
    SERVER,
    WEB,
    SandboxService,
    WebPage,
    make_room_monitor,
    make_server,
    part,
    tell_ends,
)
from ds_actors.cli._room.plan import RoomPlan, make_plan
from ds_actors.cli._room.requirements import Found, find_requirements
from ds_actors.cli._room.site import RoomSite, load_page
from ds_actors.cli._stdout import say
from ds_actors.detection.events import plain
from ds_actors.detection.settings import SettingsError
from ds_actors.detection.uplink.close_reasons import leaves

DEFAULT_PORT: Final = 8780
PORT_VARIABLE: Final = "DS_ACTORS_ROOM_PORT"
"""For those who type `make room`, which has no options."""
ROOM_EPILOG: Final = epilog(
    SETTINGS_NOTE,
    codes={
        0: "ended by Ctrl-C or SIGTERM",
        1: "a part failed for good",
        2: "the room could not start",
    },
)


def room(
    *,
    port: Annotated[
        int,
        typer.Option(
            help="Port of the page; 0 for any free one.", min=0, max=65_535, metavar="PORT", envvar=PORT_VARIABLE
        ),
    ] = DEFAULT_PORT,
    livekit_server: Annotated[
        Path | None,
        typer.Option(help="The program livekit-server. Default: on PATH, else built in the clone.", metavar="FILE"),
    ] = None,
    config: ConfigFile = None,
    assignments: SetOptions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Run a watched LiveKit room on this machine, with a page to join it in a browser.

    It starts livekit-server, the sandbox in place of the detection service,
    the monitor with the LiveKit plugin, and a web server, all on this
    machine's own address 127.0.0.1. No account is needed. The sandbox finds a
    painted patch, not deepfakes; a button of the page paints it over your
    own picture.

    The page joins with your camera or with a drawn picture. The host code
    that is printed opens the host's panel there. Results also go to the
    sinks that the settings name. Ctrl-C ends everything.
    """
    try:
        variables = configured(config, assignments).variables()
    except SettingsError as error:
        _fail([str(error)])
    found = find_requirements(livekit_server)
    if not isinstance(found, Found):
        _fail(found)
    try:
        plan = make_plan(port)
    except OSError as error:
        other = f"give another with --port or {PORT_VARIABLE}, as in make room {PORT_VARIABLE}={min(port + 1, 65_535)}"
        _fail([f"cannot listen on port {port}: {error.strerror or error}; {other}"])
    console = _Console(as_json)
    try:
        trio.run(_run, plan, found, variables, console)
    except BaseException as error:
        failures = [leaf for leaf in leaves(error) if not isinstance(leaf, KeyboardInterrupt)]
        if not all(isinstance(leaf, StartFailed | RestartLimitReached) for leaf in failures):
            raise
        for failure in failures:
            console.error(_why(failure))
        # Without a failure it was a second Ctrl-C, while everything ended.
        if failures:
            raise typer.Exit(2 if isinstance(failures[0], StartFailed) else 1) from None


async def _run(plan: RoomPlan, found: Found, variables: Mapping[str, str], console: _Console) -> None:
    from ds_actors.cli._room.tokens import detector_token, participant_token  # noqa: PLC0415 - LiveKit may be missing

    site = RoomSite(plan, load_page(found.page), participant_token, lambda: _parts(app))
    app = Supervisor(
        "room",
        children=[
            part(SandboxService, plan, name=SANDBOX),
            # Killed at once, because it waits for its participants, which are still there.
            part(make_server, plan, found.server, name=SERVER, grace=0),
            part(make_room_monitor, plan, variables, detector_token, console.log, console.watching, name=MONITOR),
            part(WebPage, site, name=WEB),
        ],
        close_within=10.0,
        listeners=(tell_ends(console.log),),
    )
    async with AsyncExitStack() as stack:
        with interrupts(signal.SIGTERM) as interrupt:
            await stack.enter_async_context(app)
            console.listening(plan)
            await interrupt()


def _parts(app: Supervisor) -> Sequence[Node]:
    return app.tree().children


@define
class _Console:
    """Prints what happens, as text or as JSON lines."""

    as_json: bool

    def listening(self, plan: RoomPlan) -> None:
        if self.as_json:
            self._event("listening", url=plan.page_url, host_code=plan.host_code)
            return
        say(f"Open {plan.page_url} in a browser, in several tabs for several participants.")
        say(f"Host code for the host's panel: {plan.host_code}")
        say("Ctrl-C ends everything.")

    def watching(self) -> None:
        if self.as_json:
            self._event("watching")
        else:
            say("The monitor has joined the room.")

    def log(self, name: str, line: str) -> None:
        text = plain(line)
        if self.as_json:
            self._event("log", part=name, text=text)
        else:
            say(f"{name}: {text}")

    def error(self, text: str) -> None:
        typer.echo(f"ds-actors room: {text}", err=True)

    def _event(self, name: str, **fields: str) -> None:
        say(json.dumps({"event": name, **fields}))


def _why(error: BaseException) -> str:
    causes = [plain(str(leaf), 1_000) for leaf in leaves(error.__cause__)] if error.__cause__ else []
    return "; ".join([plain(str(error)), *causes])


def _fail(lines: Sequence[str]) -> NoReturn:
    for line in lines:
        typer.echo(f"ds-actors room: {plain(line, 2_000)}", err=True)
    raise typer.Exit(2)
