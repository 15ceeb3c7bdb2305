"""`ds-actors watch`: a LiveKit room as a monitor of your own sees it, live in the terminal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import trio
import typer

from ds_actors import RestartLimitReached, StartFailed, Supervisor
from ds_actors.cli._adapter import adapter_missing, checkout, has_adapter
from ds_actors.cli._configuration import SETTINGS_NOTE, ConfigFile, SetOptions, configured
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES, check_rates, read_service
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings, read_livekit
from ds_actors.cli._doctor.result import CheckResult, CheckStatus
from ds_actors.cli._dotenv import LiveKitUrl, livekit_environment
from ds_actors.cli._epilog import epilog
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._room.parts import part
from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.recorder import WatchRecorder, recorder
from ds_actors.cli._watch.screen import first_of, live_view, on_screen
from ds_actors.cli.scan import FailOn
from ds_actors.detection import Level
from ds_actors.detection.events import plain
from ds_actors.detection.service import URL_VARIABLE
from ds_actors.detection.settings import SettingsError
from ds_actors.detection.uplink.close_reasons import leaves

WATCH_EPILOG: Final = epilog(
    SETTINGS_NOTE,
    codes={
        0: "ended by Ctrl-C",
        1: "--fail-on was reached",
        3: "the monitor failed for good",
        2: "the room cannot be watched: a variable, the adapter or the server is missing",
    },
)
_SERVER_WITHIN: Final = 10.0
_WITHOUT_KEY: Final = f"run ds-actors sandbox, which takes any key, and set {URL_VARIABLE} to its address"


def watch(
    room: Annotated[str, typer.Argument(help="The name of the LiveKit room.", metavar="ROOM")],
    *,
    hidden: Annotated[bool, typer.Option("--hidden", help="Join so that participants do not see the monitor.")] = False,
    livekit_url: LiveKitUrl = None,
    url: Annotated[
        str | None,
        typer.Option(help=f"The service's WebSocket URL. Without it: {URL_VARIABLE}, else Dataspike's.", metavar="URL"),
    ] = None,
    config: ConfigFile = None,
    assignments: SetOptions = None,
    fail_on: Annotated[FailOn | None, typer.Option(help="End with 1 when a track reaches at least that level.")] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Record what is seen into this new file, for ds-actors replay.", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Watch a LiveKit room, worst first, with a monitor of its own that sends the room nothing.

    For example: ds-actors watch call-42 --fail-on alert

    It reads LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and the
    service's DATASPIKE_API_KEY, from the environment or else from a file
    .env in the working directory, and samples each track in addition to
    any monitor that is in the room already. Results also go to the sinks that
    the settings name. Ctrl-C ends it with a summary, and so does q in the
    live view.
    """
    settings = _checked_settings(config, assignments, url, livekit_url)
    level = None if fail_on is None else Level(fail_on.value)
    ended = trio.Event()
    console = WatchConsole(room, as_json, level, ended.set, live_view(as_json))
    stack = ExitStack()
    unrecorded = partial(_say_unrecorded, console)
    try:
        recording = stack.enter_context(recorder(record, room, unrecorded))
    except OSError as error:
        _fail([f"cannot record to {record}: {error.strerror or error}; name a file that does not exist yet"])
    try:
        with stack:
            trio.run(_run, _environment(*settings, room, hidden=hidden), console, recording, ended)
    except BaseException as error:
        failures = [leaf for leaf in leaves(error) if not isinstance(leaf, KeyboardInterrupt)]
        if not all(isinstance(leaf, StartFailed | RestartLimitReached) for leaf in failures):
            raise
        console.summary()
        if failures:
            _say_why(failures)
            raise typer.Exit(3) from None
    else:
        console.summary()
    raise typer.Exit(int(console.has_failed))


def _environment(
    settings: LiveKitSettings, variables: Mapping[str, str], room: str, *, hidden: bool
) -> Callable[[], dict[str, str]]:
    """Return what makes the variables of each process of the monitor; each has a token of its own."""
    from ds_actors.cli._watch.monitor import silent_token  # noqa: PLC0415 - LiveKit may be missing

    identity = f"ds-actors-watch-{secrets.token_hex(4)}"

    def make() -> dict[str, str]:
        token = silent_token(settings, room, identity, hidden=hidden)
        return {**variables, "LIVEKIT_URL": settings.url, "LIVEKIT_TOKEN": token}

    return make


async def _run(
    environment: Callable[[], dict[str, str]], console: WatchConsole, recording: WatchRecorder, ended: trio.Event
) -> None:
    from ds_actors.cli._watch.monitor import SilentMonitor  # noqa: PLC0415 - LiveKit may be missing

    def take(event: dict[str, Any]) -> None:
        recording.take(event)
        console.take(event)

    def log(line: str) -> None:
        recording.take({"event": "log", "text": plain(line, 1_000)})
        console.log(line)

    monitor = part(SilentMonitor, environment, take, log, name="monitor")
    async with on_screen(console), AsyncExitStack() as stack:
        with interrupts() as interrupt:
            await stack.enter_async_context(Supervisor("watch", children=[monitor], close_within=10.0))
            await first_of(interrupt, ended.wait)


def _checked_settings(
    config: Path | None, assignments: Sequence[str] | None, url: str | None, livekit_url: str | None
) -> tuple[LiveKitSettings, Mapping[str, str]]:
    """Return LiveKit's settings and the monitor's variables, or end the program with what is missing and what to do."""
    try:
        given = livekit_environment(livekit_url)
        monitor = configured(config, assignments, url=url)
    except SettingsError as error:
        _fail([str(error)])
    variables = monitor.variables()
    settings = read_livekit(given)
    if settings is None:
        missing = [name for name in LIVEKIT_VARIABLES if not given.get(name, "").strip()]
        _fail([f"{', '.join(missing)} not set: export the URL, key and secret of your LiveKit server, or write a .env"])
    if not has_adapter():
        _fail([adapter_missing(checkout())])
    from ds_actors.cli._doctor import livekit_room  # noqa: PLC0415 - LiveKit may be missing

    environment = {**given, **variables}
    results = [read_service(environment, url=monitor.url, without_key=_WITHOUT_KEY)[0], check_rates(environment)[0]]
    results += livekit_room.run_server_steps(settings, _SERVER_WITHIN)
    failures = [_problem(result) for result in results if result.status is CheckStatus.FAILURE]
    if failures:
        _fail(failures)
    return settings, variables


def _problem(result: CheckResult) -> str:
    return f"{result.name}: {result.summary}; {result.fix}"


def _say_unrecorded(console: WatchConsole, why: str) -> None:
    console.notice(f"the recording ends here: {why}")


def _say_why(failures: Sequence[BaseException]) -> None:
    for failure in failures:
        causes = [plain(str(leaf), 1_000) for leaf in leaves(failure.__cause__)] if failure.__cause__ else []
        typer.echo(f"ds-actors watch: {'; '.join([plain(str(failure)), *causes])}", err=True)


def _fail(lines: Sequence[str]) -> NoReturn:
    for line in lines:
        typer.echo(f"ds-actors watch: {plain(line, 2_000)}", err=True)
    raise typer.Exit(2)
