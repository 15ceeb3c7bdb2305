"""`ds-actors sandbox`: the local detector service, on its own."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import trio
import typer
from attrs import asdict

from ds_actors.cli._stdout import write_nowhere
from ds_actors.detection.events import plain
from ds_actors.sandbox import (
    Happened,
    MarkerVerdicts,
    Row,
    Sandbox,
    ScriptError,
    always_clear,
    load_script,
    open_sandbox,
)


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65_535)] = 8765,
    script: Annotated[
        Path | None, typer.Option(help="TOML file with verdicts and faults over time.", metavar="FILE")
    ] = None,
    marker: Annotated[
        bool, typer.Option("--marker/--no-marker", help="Look for the painted patch, or judge everything clear.")
    ] = True,
    api_key: Annotated[
        list[str] | None, typer.Option(help="A key to accept; may be given several times. Default: any.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Run a detector service on this machine, for trying things out.

    It is a stand-in, not a deepfake detector: it finds a magenta and green checkerboard painted into the picture.
    A script rules where it says something. Ctrl-C ends it with a table of the rules that each client kept or broke.
    """
    try:
        plan = None if script is None else load_script(script)
    except ScriptError as error:
        _fail(str(error))
    seen: list[Sandbox] = []
    verdicts = MarkerVerdicts() if marker else always_clear
    tell = partial(_tell, as_json)
    opening = open_sandbox(verdicts, script=plan, api_keys=api_key, host=host, port=port, tell=tell)
    try:
        trio.run(_run, opening, seen, f"{plain(host)} port {port}", as_json)
    except* KeyboardInterrupt:
        pass
    for service in seen:
        _summary(service, as_json)


async def _run(opening: AbstractAsyncContextManager[Sandbox], seen: list[Sandbox], address: str, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        try:
            service = await stack.enter_async_context(opening)
        except OSError as error:
            _fail(f"cannot listen on {address}: {error.strerror or error}; choose another with --port")
        seen.append(service)
        _say(json.dumps({"event": "listening", "url": service.url}) if as_json else f"listening on {service.url}")
        await trio.sleep_forever()


def _say(text: str) -> None:
    try:
        typer.echo(text)
    except BrokenPipeError:
        write_nowhere()  # nobody reads on: it goes on serving, and tells nobody


def _tell(as_json: bool, event: Happened) -> None:
    if as_json:
        _say(json.dumps({"event": event.what, "at": event.at, "client": event.client, "detail": event.detail}))
    else:
        _say(f"{event.at:7.1f} s  {event.client}: {event.what} {event.detail}".rstrip())


def _summary(service: Sandbox, as_json: bool) -> None:
    rows = service.grade()
    if as_json:
        said = {"event": "summary", "attempts": len(service.attempts), "samples": len(service.samples)}
        said |= {"malformed": service.malformed}
        _say(json.dumps({**said, "answers": service.answers, "grade": [asdict(row) for row in rows]}))
        return
    answers = ", ".join(f"{count} {level}" for level, count in sorted(service.answers.items())) or "none"
    _say(f"{len(service.attempts)} attempts, {len(service.samples)} samples; answers: {answers}")
    for line in table(rows):
        _say(line)


def table(rows: list[Row]) -> list[str]:
    """Return the grade table as plain lines, one a rule."""
    width = max((len(row.rule) for row in rows), default=0)
    return [f"{row.client}  {'kept  ' if row.kept else 'BROKEN'}  {row.rule:{width}}  {row.figure}" for row in rows]


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
