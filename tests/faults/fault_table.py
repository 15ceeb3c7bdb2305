"""The matrix: every cell, and the table of the documentation that a run writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cells_answers import ANSWERS
from cells_connect import CONNECT
from cells_open import IDLE, MID_FRAME
from cells_shutdown import SHUTDOWN
from cells_tls import TLS
from cells_upgrade import UPGRADE
from fault_cell import PHASES, Cell

CELLS: Final[tuple[Cell, ...]] = (*CONNECT, *TLS, *UPGRADE, *IDLE, *MID_FRAME, *ANSWERS, *SHUTDOWN)
PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN: Final = "<!-- written by `make faults` -->"


def rows(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of these results, by the name of their cell."""
    lines: list[str] = []
    for phase in PHASES:
        lines += [f"\n## {_TITLES[phase]}\n", *_HEAD]
        lines += [_row(cell, results[cell.name]) for cell in CELLS if cell.phase == phase]
    return "\n".join(lines) + "\n"


def _row(cell: Cell, result: Mapping[str, Any]) -> str:
    noticed = "stays connected" if result["noticed"] is None else f"{result['noticed']:.1f} s of {cell.within:g}"
    fresh = "" if result["fresh"] is None else f"{result['fresh']:.2f} s"
    oldest = "" if result["oldest"] is None else f"{result['oldest']:.2f} s"
    figures = (
        noticed,
        result["attempts"],
        result["lines"],
        f"{result['rss']:.0f}",
        oldest,
        fresh,
        f"{result['unjudged']:.1f} s",
        " ".join(result["coverage"]),
    )
    return f"| {cell.fault} | " + " | ".join(map(str, figures)) + " |"


def named(page: str) -> list[str]:
    """Return the names of the cells in a page, in its order."""
    found: list[str] = []
    phase = ""
    for line in page.partition(BEGIN)[2].splitlines():
        if line.startswith("## "):
            phase = next(key for key, title in _TITLES.items() if title == line[3:])
        elif line.startswith("| ") and line not in _HEAD:
            found.append(f"{phase}: {line.split(' | ')[0][2:]}")
    return found


def write(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the table into the page."""
    text = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(text + BEGIN + "\n" + rows(results), encoding="utf-8")


_HEAD: Final = (
    "| fault | noticed after | attempts | lines | MiB | oldest sample | first after it | unjudged | coverage |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)
_TITLES: Final = {
    "connect": "Connecting",
    "TLS": "TLS",
    "upgrade": "The upgrade",
    "idle": "Between two samples",
    "mid-frame": "In the middle of a sample",
    "answers": "The service's answers",
    "shutdown": "Closing",
}
