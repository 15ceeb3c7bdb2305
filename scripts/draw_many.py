"""Draw the memory of many actors, with a fitted line, from the JSON lines of `benchmarks/bench_many.py --out FILE`.

python scripts/draw_many.py many.jsonl docs/actors/many.svg
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 90, 40, 44, 40
STYLE: Final = """<style>
  svg { color-scheme: light dark; background: #ffffff; }
  text { fill: #24292f; } .grid { stroke: #dee2e6; } .fit { stroke: #d9480f; } .point { fill: #0b6e99; }
  .fitted { fill: #d9480f; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; } .grid { stroke: #30363d; } .fit { stroke: #ff922b; } .point { fill: #4dabf7; }
    .fitted { fill: #ff922b; }
  }
</style>"""
Runs = Sequence[Mapping[str, Any]]


def fit(points: Mapping[int, float]) -> tuple[float, float]:
    """Return bytes per actor and the bytes of none: the line with the least squared errors, relative to each value."""
    weights = {count: 1 / size**2 for count, size in points.items()}
    total = sum(weights.values())
    mean_count = sum(weights[count] * count for count in points) / total
    mean_size = sum(weights[count] * size for count, size in points.items()) / total
    slope = sum(weights[count] * (count - mean_count) * (size - mean_size) for count, size in points.items()) / sum(
        weights[count] * (count - mean_count) ** 2 for count in points
    )
    return slope, mean_size - slope * mean_count


def draw(runs: Runs) -> str:
    """Return the plot as self-contained SVG, both axes logarithmic; runs of one number are shown by their median."""
    counts = sorted({int(run["actors"]) for run in runs})
    points = {
        count: statistics.median(count * float(run["bytes"]) for run in runs if run["actors"] == count)
        for count in counts
    }
    slope, base = fit(points)
    low, high = math.floor(math.log10(min(points.values()))), math.ceil(math.log10(max(points.values())))

    def x(count: float) -> float:
        first, last = math.log10(counts[0]), math.log10(counts[-1])
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(count) - first) / ((last - first) or 1)

    def y(size: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log10(size)) / (high - low)

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="13" role="img" aria-label="Resident memory by number of parked actors">'
    )
    fitted = (
        f'<text class="fitted" x="{WIDTH - RIGHT}" y="{TOP - 20}" text-anchor="end">'
        f"fitted: {slope:,.0f} bytes per actor, {base / 1e6:+,.1f} MB</text>"
    )
    title = f'<text x="{LEFT}" y="{TOP - 20}" font-weight="bold">resident memory of parked actors, MB</text>'
    parts = [head, STYLE, title, fitted]
    for power in range(low, high + 1):
        at = f"{y(10**power):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power / 1e6:,g}</text>')
    steps = [counts[0] * (counts[-1] / counts[0]) ** (step / 40) for step in range(41)]
    line = " ".join(f"{x(count):.1f},{y(max(slope * count + base, 1.0)):.1f}" for count in steps)
    parts.append(f'<polyline class="fit" points="{line}" fill="none" stroke-width="2" stroke-dasharray="6 3"/>')
    for count, size in points.items():
        parts.append(f'<circle class="point" cx="{x(count):.1f}" cy="{y(size):.1f}" r="5"/>')
        anchor = "start" if count == counts[0] else "end" if count == counts[-1] else "middle"
        parts.append(
            f'<text x="{x(count):.1f}" y="{y(size) - 12:.1f}" text-anchor="{anchor}">{size / 1e6:,.0f} MB</text>'
            f'<text x="{x(count):.1f}" y="{HEIGHT - 14}" text-anchor="{anchor}">{count:,} actors</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Read the runs of the first argument's file, and write the plot to the second."""
    source, target = map(Path, sys.argv[1:3])
    runs = [json.loads(line) for line in source.read_text("utf-8").splitlines() if line.strip()]
    target.write_text(draw(runs), "utf-8")
    print(f"wrote {target}: {len(runs)} runs")


if __name__ == "__main__":
    main()
