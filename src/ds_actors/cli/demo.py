"""`ds-actors demo`: the whole way from pixels to an alert, on this machine alone."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import trio
import typer
from rich.console import Console
from rich.live import Live

from ds_actors.cli._demo.player import Player
from ds_actors.cli._demo.show import DemoRunner, Entry, as_json, as_line
from ds_actors.cli._demo.story import DemoScript
from ds_actors.cli._demo.view import DemoState, draw
from ds_actors.cli._program import program
from ds_actors.cli._video import BadInput
from ds_actors.cli.clips import CREDIT, Clip, Portrait
from ds_actors.detection import Monitor
from ds_actors.detection.events import plain

_FRAMES_PER_SECOND = 5


def demo(
    video: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play this video instead of the portrait, over and over.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Running time.", min=8, max=55, metavar="SECONDS")] = 24,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Watch two participants, one of them tampered with for a while; the connection is cut once.

    No account and no network: the pictures are made from a public-domain
    portrait, and the verdicts come from the local sandbox, which looks for a
    patch that the demo paints over the face. It is a stand-in, not a detector.

    On a terminal it is a live view; piped, it is plain lines. It ends by itself
    with exit code 0. Ctrl-C ends it sooner (130); a file that cannot be played
    ends it before it begins (2).
    """
    console = Console()
    live = sys.stdout.isatty() and console.is_interactive and not json_lines
    write = as_json if json_lines else as_line
    show = DemoRunner(_nothing if live else write)
    try:
        alice, bob = _clips(video)
        playing = CREDIT if video is None else f"Playing {plain(video.name, 80)}"
        show.say("begin", f"two participants, {seconds:g} s. {playing}", credit=playing)
        story = DemoScript(show, alice, bob, seconds)
        if live:
            story.look = lambda monitor: look(monitor, story, console, playing)
        with _quiet_log():
            _run(story)
        if (final := story.final()) is not None:
            console.print(draw(final))
        if story.status is not None:
            show.write = write
            show.summary(story.status, _next(video), interrupted=story.interrupted)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if story.interrupted:
        raise typer.Exit(130)


async def look(monitor: Monitor, story: DemoScript, console: Console, playing: str) -> None:
    """Show the live view until cancelled."""

    def view() -> DemoState:
        return story.moment(monitor, playing)

    try:
        # The alternate screen: after a resize, the normal one keeps remains that cannot be drawn over.
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(draw(view()), refresh=True)
                await trio.sleep(1 / _FRAMES_PER_SECOND)
    finally:
        story.last = view()


def _clips(video: Path | None) -> tuple[Clip, Clip]:
    """Return what alice and bob show, or end the program before the demo begins."""
    if video is None:
        return Clip(Portrait()), Clip(Portrait(0.37))
    player = Player(video)
    try:
        player.at(0)
    except BadInput as error:
        typer.echo(f"ds-actors demo: cannot play {plain(str(video))}: {error}", err=True)
        raise typer.Exit(2) from None
    finally:
        player.close()
    return Clip(player), Clip(Player(video))


def _run(story: DemoScript) -> None:
    """Run the story; raise Ctrl-C as a plain KeyboardInterrupt, not in a group."""
    try:
        trio.run(story.run)
    except* KeyboardInterrupt:
        raise KeyboardInterrupt from None


@contextmanager
def _quiet_log() -> Generator[None]:
    """Keep the library's log off the terminal, since the demo shows the same events."""
    log, nowhere = logging.getLogger("ds_actors"), logging.NullHandler()
    log.addHandler(nowhere)
    try:
        yield
    finally:
        log.removeHandler(nowhere)


def _nothing(_entry: Entry) -> None:
    """Write nothing: the live view shows the entries."""


def _next(video: Path | None) -> str:
    if video is None:
        return f"{program()} clip alice.mp4"
    return f"{program()} scan --sandbox {shlex.quote(plain(str(video)))}"
