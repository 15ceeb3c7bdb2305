"""Draws what a terminal shows as SVG, with the local monospace font, so that viewers download nothing."""

from __future__ import annotations

import io
import re

from rich.console import Console, RenderableType


def terminal_picture(*shown: RenderableType, title: str, columns: int, rows: int = 100) -> str:
    """Return the SVG of a window with that title, in which these are printed one below the other.

    Args:
        shown: what is printed; a view that fills its terminal has `rows` of them.
        title: of the window; the classes of the SVG are named after it, so that two pictures do not share any.
        columns: of the terminal.
        rows: of the terminal.
    """
    console = Console(
        record=True, width=columns, height=rows, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for each in shown:
        console.print(each, highlight=False)
    console.print()
    text = console.export_svg(title=title, unique_id=title.rsplit(maxsplit=1)[-1])
    text = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", text)
    # Tall enough that a tree's lines meet those of the next row.
    text = text.replace("font-size: 20px", "font-size: 21px")
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in text.replace("Fira Code, monospace", "monospace").splitlines()) + "\n"
