"""`ds-actors sandbox`: the local detector service, on its own."""

from __future__ import annotations

import errno
import json
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, NoReturn

import trio
import typer
from attrs import asdict

from ds_actors._text import counted
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._stdout import say
from ds_actors.detection.events import plain
from ds_actors.detection.service import is_loopback
from ds_actors.sandbox import (
    MarkerVerdicts,
    Row,
    Sandbox,
    SandboxEvent,
    ScriptError,
    always_clear,
    load_script,
    open_sandbox,
)


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on, up to 65535; 0 for any free one.", min=0, max=65_535, metavar="PORT")
    ] = 8765,
    script: Annotated[
        Path | None, typer.Option(help="TOML file with verdicts and faults over time.", metavar="FILE")
    ] = None,
    marker: Annotated[
        bool, typer.Option("--marker/--no-marker", help="Look for the painted patch, or answer clear to everything.")
    ] = True,
    api_key: Annotated[
        list[str] | None,
        typer.Option(help="An API key to accept; repeat the option for several. Default: any key.", metavar="KEY"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Run a local detector service, to try things out.

    It is a stand-in, not a deepfake detector: it finds a magenta and green
    checkerboard painted into the picture. Where a script has an entry, the
    entry decides.

    Ctrl-C ends it with a table of the rules each client kept or broke; a rule
    is untested when nothing put it to the test.

    Exit code 2: the service could not start.
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
        warning = None if is_loopback(host) else _exposed(host, any_key=api_key is None)
        trio.run(_run, opening, seen, f"{plain(host)} port {port}", as_json, warning)
    except* KeyboardInterrupt:
        pass
    for service in seen:
        _summary(service, as_json)


async def _run(
    opening: AbstractAsyncContextManager[Sandbox], seen: list[Sandbox], address: str, as_json: bool, warning: str | None
) -> None:
    async with AsyncExitStack() as stack:
        with interrupts() as interrupt:
            try:
                service = await stack.enter_async_context(opening)
            except (OSError, UnicodeError) as error:
                _fail(f"cannot listen on {address}: {why_not_listening(error)}")
            seen.append(service)
            if warning is not None:
                typer.echo(f"ds-actors sandbox: warning: {warning}", err=True)
            say(json.dumps({"event": "listening", "url": service.url}) if as_json else f"listening on {service.url}")
            await interrupt()


def _tell(as_json: bool, event: SandboxEvent) -> None:
    if as_json:
        say(json.dumps({"event": event.what, "at": event.at, "client": event.client, "detail": event.detail}))
    else:
        say(f"{event.at:7.1f} s  {event.client}: {event.what} {event.detail}".rstrip())


def _summary(service: Sandbox, as_json: bool) -> None:
    rows = service.grade()
    if as_json:
        summary = {"event": "summary", "attempts": len(service.attempts), "samples": len(service.samples)}
        summary |= {"malformed": service.malformed}
        say(json.dumps({**summary, "answers": service.answers, "grade": [asdict(row) for row in rows]}))
        return
    answers = ", ".join(f"{count} {level}" for level, count in sorted(service.answers.items())) or "none"
    attempts, samples = counted(len(service.attempts), "attempt"), counted(len(service.samples), "sample")
    say(f"{attempts}, {samples}; answers: {answers}")
    for line in table(rows):
        say(line)


def table(rows: list[Row]) -> list[str]:
    """Return the grade as plain lines of 80 columns: each client, and below it one line per rule."""
    lines: list[str] = []
    width = max((len(row.rule) for row in rows), default=0)
    for client, own in groupby(rows, lambda row: row.client):
        lines.append(client)
        for row in own:
            word = "untested" if not row.tested else "kept" if row.kept else "BROKEN"
            lines.append(f"  {word:8}  {row.rule:{width}}  {row.figure}".rstrip())
    return lines


def _exposed(host: str, *, any_key: bool) -> str:
    """Return what listening beyond this machine means."""
    words = f"--host {plain(host)} lets other machines in: keys and pictures cross the network without TLS"
    return f"{words}, and any key is accepted" if any_key else words


def why_not_listening(error: OSError | UnicodeError) -> str:
    """Return why listening on an address failed, and which option changes it."""
    wrong_host = isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL
    text = "it is not an address" if isinstance(error, UnicodeError) else error.strerror or str(error)
    return f"{text}; give another with {'--host' if wrong_host else '--port'}"


def _fail(text: str) -> NoReturn:
    typer.echo(f"ds-actors sandbox: {plain(text)}", err=True)
    raise typer.Exit(2)
