"""Draw what one wave of crashes costs each strategy, computed from the rules of supervision.

python scripts/draw_storms.py  # writes docs/actors/storms.svg
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ds_actors._events import Boot, Effect, Ended, Ready, Start, Stop
from ds_actors._rules import ChildRules, ChildStatus, Strategy
from ds_actors._supervision import Supervision

TARGET: Final = Path(__file__).parents[1] / "docs" / "actors" / "storms.svg"
STRATEGIES: Final[tuple[Strategy, ...]] = ("one_for_one", "one_for_all", "rest_for_one")
SIBLINGS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
WIDTH, PANEL, LEFT, TOP, GAP = 760, 230, 70, 64, 70
# Dashes and widths differ too, for those who cannot tell the colours apart and because lines lie on each other.
LINES: Final = (("first", "9", ""), ("second", "5", ""), ("third", "2", "7 4"))
STYLE: Final = """<style>
  svg { color-scheme: light dark; background: #ffffff; }
  text { fill: #24292f; } .grid { stroke: #dee2e6; } .bound { stroke: #57606a; }
  .first { stroke: #9ec5fe; } .second { stroke: #2f9e44; } .third { stroke: #d9480f; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; } .grid { stroke: #30363d; } .bound { stroke: #8b949e; }
    .first { stroke: #1f4e8c; } .second { stroke: #69db7c; } .third { stroke: #ff922b; }
  }
</style>"""


def carry_out(supervision: Supervision, effects: Iterable[Effect]) -> int:
    """Let each start succeed and each stop end, until there are no more; return the number of starts."""
    starts, queue = 0, deque(effects)
    while queue:
        match queue.popleft():
            case Start(name, incarnation):
                starts += 1
                queue.extend(supervision.handle(Ready(name, incarnation), 1.0))
            case Stop(name, incarnation):
                queue.extend(supervision.handle(Ended(name, incarnation), 1.0))
            case _:
                pass
    return starts


def wave(strategy: Strategy, names: list[str], crashing: Iterable[str]) -> tuple[int, int]:
    """Let siblings crash before one is ready again; return the restarts, and what they cost of the window."""
    supervision = Supervision(strategy, max_restarts=len(names))
    for name in names:
        supervision.adopt(ChildRules(name))
    assert carry_out(supervision, supervision.handle(Boot(), 0.0)) == len(names)
    effects = [effect for name in crashing for effect in supervision.handle(Ended(name, 1, ValueError()), 1.0)]
    restarts = carry_out(supervision, effects)
    assert all(child.status is ChildStatus.RUNNING for child in supervision.children.values())
    return restarts, len(supervision._window)  # noqa: SLF001 - what the limit of restarts is compared with


def worst(strategy: Strategy, siblings: int) -> tuple[int, int]:
    """Return the most restarts, and the most that is spent of the window, of both orders of the crashes."""
    names = [f"{number}" for number in range(siblings)]
    waves = [wave(strategy, names, names), wave(strategy, names, reversed(names))]
    return max(restarts for restarts, _ in waves), max(spent for _, spent in waves)


def draw() -> str:
    """Return the plot as self-contained SVG."""
    costs = {strategy: [worst(strategy, siblings) for siblings in SIBLINGS] for strategy in STRATEGIES}
    titles = ("restarts in one wave (dotted: the bound, siblings + 1)", "restarts of the window that one wave spends")
    height = TOP + len(titles) * (PANEL + GAP)
    label = "What one wave of crashes costs, by number of siblings"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' font-family="sans-serif" font-size="13" role="img" aria-label="{label}">' + "\n" + STYLE
    ]
    for number, (strategy, (kind, width, dashes)) in enumerate(zip(STRATEGIES, LINES, strict=True)):
        left = LEFT + 200 * number
        parts.append(
            f'<line class="{kind}" x1="{left}" x2="{left + 40}" y1="22" y2="22" stroke-width="{width}"'
            f' stroke-dasharray="{dashes}"/><text x="{left + 48}" y="26">{strategy}</text>'
        )
    for number, title in enumerate(titles):
        lines = [[cost[number] for cost in costs[strategy]] for strategy in STRATEGIES]
        bound = [siblings + 1 for siblings in SIBLINGS] if number == 0 else []
        parts += _panel(title, lines, bound, TOP + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, lines: Sequence[Sequence[int]], bound: Sequence[int], top: int) -> list[str]:
    right, most = WIDTH - 40, 1_000

    def x(siblings: float) -> float:
        return LEFT + (right - LEFT) * math.log10(siblings) / math.log10(SIBLINGS[-1])

    def y(cost: float) -> float:
        return top + PANEL * (1 - math.log10(cost) / math.log10(most))

    def points(costs: Sequence[int]) -> str:
        return " ".join(f"{x(siblings):.1f},{y(cost):.1f}" for siblings, cost in zip(SIBLINGS, costs, strict=True))

    parts = [f'<text x="{LEFT}" y="{top - 10}" font-weight="bold">{title}</text>']
    for value in (1, 10, 100, most):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,}</text>')
    below = f'y="{top + PANEL + 20}" text-anchor="middle"'
    parts += [f'<text x="{x(siblings):.1f}" {below}>{siblings}</text>' for siblings in SIBLINGS]
    parts.append(f'<text x="{right}" y="{top + PANEL + 38}" text-anchor="end">siblings that crash</text>')
    for costs, (kind, width, dashes) in zip(lines, LINES, strict=True):
        parts.append(
            f'<polyline class="{kind}" points="{points(costs)}" fill="none" stroke-width="{width}"'
            f' stroke-dasharray="{dashes}" stroke-linejoin="round"/>'
        )
    if bound:
        parts.append(
            f'<polyline class="bound" points="{points(bound)}" fill="none" stroke-width="1.5" stroke-dasharray="2 4"/>'
        )
    return parts


def main() -> None:
    """Write the plot."""
    TARGET.write_text(draw(), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
