"""`ds-actors sandbox`: the local detector service, on its own."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import trio
import typer

from ds_actors.sandbox import Sandbox, always_clear, judge_marker, open_sandbox


def sandbox(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65_535)] = 8765,
    api_key: Annotated[
        list[str] | None, typer.Option(help="A key to accept; may be given several times. Default: any.")
    ] = None,
    marker: Annotated[
        bool, typer.Option("--marker/--clear", help="Look for the painted patch, or judge everything clear.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Run a detector service on this machine, for trying things out.

    It is a stand-in, not a deepfake detector: it finds a magenta and green checkerboard painted into the picture.
    Ctrl-C ends it with a summary.
    """
    judge = judge_marker if marker else always_clear
    seen: list[Sandbox] = []

    async def run() -> None:
        async with open_sandbox(judge, api_keys=api_key, port=port) as service:
            seen.append(service)
            _say(as_json, event="listening", url=service.url)
            await trio.sleep_forever()

    try:
        trio.run(run)
    except* KeyboardInterrupt:
        for service in seen:
            answers = dict(service.answers)
            _say(as_json, event="summary", attempts=len(service.attempts), samples=len(service.samples), **answers)
    except* OSError as errors:
        sys.stderr.write(f"cannot listen on port {port}: {errors.exceptions[0]}; choose another with --port\n")
        raise typer.Exit(1) from None


def _say(as_json: bool, **said: object) -> None:
    line = json.dumps(said) if as_json else " ".join(f"{key}={value}" for key, value in said.items())
    typer.echo(line)
