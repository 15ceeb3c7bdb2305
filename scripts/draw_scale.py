"""Draw how cost grows with the number of tracks, from the JSON lines of `benchmarks/bench_scale.py --out FILE`.

python scripts/draw_scale.py scale.jsonl docs/scale.svg
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ds_actors.cli._simulate.axes import THEME, round_axis

WIDTH, PANEL, LEFT, TOP, GAP = 760, 190, 70, 44, 46
INSET, TICKS = 44, 5
INK, DIM, COLOUR, GOAL = "#24292f", "#dee2e6", "#0b6e99", "#d9480f"
Runs = Sequence[Mapping[str, Any]]


@frozen
class Panel:
    """One curve over the number of tracks, with its goal if it has one."""

    title: str
    value: Callable[[Mapping[str, Any]], float]
    goal: float | None = None


PANELS: Final = (
    Panel("CPU per sample over the encoder's, times", lambda run: float(run["over_encoding"]), 1.6),
    Panel("CPU per sample over a bare client's without actors, times", lambda run: float(run["over_bare"])),
    Panel("age on arrival of 99 in 100 samples, seconds", lambda run: float(run["p99_age"]), 0.5),
    Panel("memory per track, KB", lambda run: float(run["kb_per_track"])),
    Panel(
        "at a tenth of the link: share of suspicious tracks' samples that arrive, %",
        lambda run: 100 * float(run["narrow"]["suspicious_share"]),
    ),
)


def draw(runs: Runs) -> str:
    """Return the plot as self-contained SVG; several runs of one number of tracks are shown by their median."""
    counts = sorted({int(run["tracks"]) for run in runs})
    height = TOP + len(PANELS) * (PANEL + GAP)
    parts: list[str] = []
    for number, panel in enumerate(PANELS):
        top = TOP + number * (PANEL + GAP)
        values = [statistics.median(panel.value(run) for run in runs if run["tracks"] == count) for count in counts]
        parts += _panel(panel, counts, values, top)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="13" role="img" aria-label="Cost by number of tracks">'
    )
    return "\n".join([head, THEME, f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])


def _panel(panel: Panel, counts: Sequence[int], values: Sequence[float], top: int) -> list[str]:
    ticks = round_axis(1.02 * max(*values, panel.goal or 0.0, 1e-9), TICKS)
    low, high = math.log10(counts[0]), math.log10(counts[-1])

    def x(count: int) -> float:
        # Away from the axis, so that no label lies on its 0.
        left, right = LEFT + INSET, WIDTH - 40 - INSET
        return left + (right - left) * (math.log10(count) - low) / ((high - low) or 1)

    def y(value: float) -> float:
        return top + PANEL * (1 - value / ticks[-1])

    parts = [f'<text x="{LEFT}" y="{top - 8}" fill="{INK}" font-weight="bold">{escape(panel.title)}</text>']
    for value in ticks:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 40}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{DIM}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
    if panel.goal is not None:
        at = f"{y(panel.goal):.1f}"
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 40}" y1="{at}" y2="{at}" stroke="{GOAL}" stroke-dasharray="6 3"/>'
            f'<text x="{WIDTH - 42}" y="{y(panel.goal) - 5:.1f}" fill="{GOAL}" text-anchor="end">'
            f"goal {panel.goal:g}</text>"
        )
    points = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in zip(counts, values, strict=True))
    parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOUR}" stroke-width="2"/>')
    for count, value in zip(counts, values, strict=True):
        parts.append(f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="4" fill="{COLOUR}"/>')
        parts.append(f'<text x="{x(count):.1f}" y="{top + PANEL + 18}" text-anchor="middle">{count:,} tracks</text>')
    return parts


def main() -> None:
    """Read the runs of the first argument's file, and write the plot to the second."""
    source, target = map(Path, sys.argv[1:3])
    runs = [json.loads(line) for line in source.read_text("utf-8").splitlines() if line.strip()]
    target.write_text(draw(runs), "utf-8")
    print(f"wrote {target}: {len(runs)} runs")


if __name__ == "__main__":
    main()
