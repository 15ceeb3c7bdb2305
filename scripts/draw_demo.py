#!/usr/bin/env python3
"""Runs the demo and draws docs/demo.svg: the live view during the alert, after the connection has come back."""

from __future__ import annotations

import io
import logging
import re
import sys
from pathlib import Path

import trio
from rich.console import Console

from ds_actors.cli._demo.show import DemoRunner, Entry
from ds_actors.cli._demo.story import DemoScript
from ds_actors.cli._demo.view import DemoState, draw
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
        drawn.append(svg(story.moment(monitor, CREDIT)))
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


def svg(moment: DemoState) -> str:
    """Return the view as SVG with the local monospace font, so that viewers download nothing."""
    console = Console(
        record=True, width=COLUMNS, height=ROWS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(draw(moment))
    console.print()
    text = console.export_svg(title="ds-actors demo", unique_id="demo")
    text = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", text)
    # Tall enough that the tree's lines meet those of the next row.
    text = text.replace("font-size: 20px", "font-size: 21px")
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in text.replace("Fira Code, monospace", "monospace").splitlines()) + "\n"


if __name__ == "__main__":
    main()
