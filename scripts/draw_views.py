#!/usr/bin/env python3
"""Draws what the commands show: the doctor, a simulation and a scan's report, as they run on this machine.

    python scripts/draw_views.py FOLDER [RECORDING]

With the recording of a watched room, it draws `watch` and `replay` instead: tests/e2e/livekit makes one.
"""

from __future__ import annotations

import io
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import frozen
from playwright.sync_api import sync_playwright
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text
from terminal_picture import terminal_picture

from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.playback import PlaybackClock, play
from ds_actors.cli._watch.recording import read_events, read_head
from ds_actors.cli._watch.selection import Key

DOCTOR: Final = ("DATASPIKE_QUALTY=50", "ds-actors", "doctor", "--sandbox")
SIMULATE: Final = ("ds-actors", "simulate", "adaptive", "budgeted(adaptive, samples_per_minute=6)")
WATCHED: Final = (90, 20)
"""Columns and rows of the watched room's terminal."""
_COLOURS: Final = {"ok": "green", "skipped": "dim", "warning": "yellow", "failure": "bold red"}


def main() -> None:
    """Draw the watched room of a recording, or what needs none."""
    folder, *recordings = map(Path, sys.argv[1:])
    for recording in recordings:
        draw(folder / "watch.svg", watched(recording), columns=WATCHED[0])
        draw(folder / "replay.svg", watched(recording, Key.DOWN, Key.OPEN), columns=WATCHED[0])
    if not recordings:
        draw(folder / "doctor.svg", *with_colours(session(DOCTOR)), columns=112)
        draw(folder / "simulate.svg", *session(SIMULATE), columns=120)
        draw_report(folder / "report.jpg")


def draw(target: Path, *shown: RenderableType, columns: int) -> None:
    """Write the picture of a command that is named as the file is."""
    picture = terminal_picture(*shown, title=f"ds-actors {target.stem}", columns=columns)
    target.write_text(picture, "utf-8")
    print(f"{target}: {len(picture)} characters")


def session(words: tuple[str, ...]) -> list[Text]:
    """Run a command, variables before it; return its line as a person types it, and what it printed."""
    start = words.index("ds-actors")
    given = dict(word.split("=", 1) for word in words[:start])
    command = [sys.executable, "-m", "ds_actors", *words[start + 1 :]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | given)
    return [Text(f"$ {shlex.join(words)}", style="bold"), *map(Text, done.stdout.splitlines())]


def with_colours(lines: list[Text]) -> list[Text]:
    """Give the word that a check's line begins with its colour."""
    for line in lines:
        word = line.plain.partition(" ")[0]
        line.stylize(_COLOURS.get(word, ""), 0, len(word))
    return lines


def watched(recording: Path, *keys: Key) -> RenderableType:
    """Return the view at the end of a recording, after those keys."""
    columns, rows = WATCHED
    live = Live(console=Console(width=columns, height=rows, file=io.StringIO(), force_terminal=True))
    with recording.open("rb") as file:
        head = read_head(file)
        clock = PlaybackClock(head)
        console = WatchConsole(
            head.room, as_json=False, fail_on=None, end=trio.Event().set, live=live, wall=clock, has_keys=True
        )
        trio.run(play, read_events(file), clock, math.inf, console)
    for key in keys:
        console.press(key)
    return _Terminal(live.get_renderable(), rows)


@frozen
class _Terminal:
    """A view in a terminal with so many rows."""

    view: RenderableType
    rows: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.view, options.update(height=self.rows))


def draw_report(target: Path) -> None:
    """Scan a clip with a patch painted over it, and take a picture of the report."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("chromium is not on PATH; install Debian's package chromium")
    with tempfile.TemporaryDirectory() as folder:
        run = partial(subprocess.run, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        program = [sys.executable, "-m", "ds_actors"]
        run([*program, "clip", "painted.mp4"])
        run([*program, "scan", "--sandbox", "painted.mp4", "--report", "painted.html", "--thumbnails"])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1000, "height": 500})
            page.goto((Path(folder) / "painted.html").as_uri())
            target.write_bytes(page.screenshot(full_page=True, type="jpeg", quality=85))
            browser.close()
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
