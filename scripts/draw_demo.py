#!/usr/bin/env python3
"""Runs the demo and draws docs/demo.svg: the live view during the alert, after the connection has come back."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import trio
from terminal_picture import terminal_picture

from ds_actors.cli._demo.show import DemoRunner, Entry
from ds_actors.cli._demo.story import DemoScript
from ds_actors.cli._demo.view import draw
from ds_actors.cli.clips import CREDIT, Clip, Portrait
from ds_actors.detection import Monitor

SECONDS = 24.0
COLUMNS, ROWS = 80, 40
PICTURE = Path(__file__).parent.parent / "docs" / "demo.svg"


def main() -> None:
    """Run the demo until that moment, and write the picture."""
    logging.getLogger("ds_actors").addHandler(logging.NullHandler())
    back = trio.Event()
    drawn: list[str] = []

    def on_entry(entry: Entry) -> None:
        if show.alerts and entry.data.get("uplink") == "up":
            back.set()

    async def look(monitor: Monitor) -> None:
        await back.wait()
        await trio.sleep(2.0)  # a few samples over the new connection
        view = draw(story.moment(monitor, CREDIT))
        drawn.append(terminal_picture(view, title="ds-actors demo", columns=COLUMNS, rows=ROWS))
        scope.cancel()

    async def run() -> None:
        with scope:
            await story.run()

    show = DemoRunner(on_entry)
    story = DemoScript(show, Clip(Portrait()), Clip(Portrait(0.37)), SECONDS, look)
    scope = trio.CancelScope()
    trio.run(run)
    if not drawn:
        sys.exit("the demo ended before the connection was back after an alert")
    PICTURE.write_text(drawn[0], "utf-8")
    print(f"{PICTURE.relative_to(PICTURE.parent.parent)}: {len(drawn[0])} characters")


if __name__ == "__main__":
    main()
