"""`ds-actors replay`: what `watch --record` has kept, shown again."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NoReturn

import trio
import typer

from ds_actors.cli._epilog import epilog
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.playback import PlaybackClock, play
from ds_actors.cli._watch.recording import NotARecording, read_events, read_head
from ds_actors.cli._watch.screen import first_of, live_view, on_screen
from ds_actors.detection.events import plain

REPLAY_EPILOG: Final = epilog(
    codes={
        0: "it was shown to its end, or until Ctrl-C or q",
        1: "the recording is damaged or has no end; everything before that was shown",
        2: "the file cannot be read, or is not a recording",
    }
)


def replay(
    file: Annotated[Path, typer.Argument(help="The recording.", metavar="FILE")],
    *,
    speed: Annotated[
        float | None,
        typer.Option(
            help="2 shows it twice as fast. Default: 1 on a terminal, otherwise without waiting.", metavar="FACTOR"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show a recording of ds-actors watch again, with its own times.

    For example: ds-actors replay call.jsonl --speed 10
    """
    if speed is not None and not 0 < speed < math.inf:
        _fail("--speed must be a number above 0")
    problem = ""
    try:
        with file.open("rb") as recording:
            problem = _replay(recording, speed, as_json=as_json)
    except NotARecording as error:
        _fail(f"{plain(str(file))}: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"cannot read {plain(str(file))}: {error.strerror}")
    if problem:
        typer.echo(f"ds-actors replay: {plain(str(file))}: {problem}; everything before was shown", err=True)
        raise typer.Exit(1)


def _replay(recording: BinaryIO, speed: float | None, *, as_json: bool) -> str:
    head = read_head(recording)
    clock, ended = PlaybackClock(head), trio.Event()
    console = WatchConsole(plain(head.room, 200), as_json, None, ended.set, live_view(as_json), wall=clock)
    pace = speed or (math.inf if console.live is None else 1.0)
    with suppress(KeyboardInterrupt):
        return trio.run(_run, recording, clock, pace, console, ended)
    return ""


async def _run(
    recording: BinaryIO, clock: PlaybackClock, speed: float, console: WatchConsole, ended: trio.Event
) -> str:
    problem = ""

    async def show() -> None:
        nonlocal problem
        problem = await play(read_events(recording), clock, speed, console)
        if console.live is not None and not problem:
            await trio.sleep_forever()  # the last picture stays until a key or Ctrl-C

    async with on_screen(console):
        with interrupts() as interrupt:
            await first_of(interrupt, ended.wait, show)
    console.summary()
    return problem


def _fail(text: str) -> NoReturn:
    typer.echo(f"ds-actors replay: {text}", err=True)
    raise typer.Exit(2)
