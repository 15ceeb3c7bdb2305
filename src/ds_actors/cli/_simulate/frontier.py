"""A plot of what `ds-actors tune` found: delay against cost, with the false alarms beside each point. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome
from ds_actors.simulation.bound import soonest_alert
from ds_actors.simulation.tuning import Tried, Wish

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 64, 50
_EVIDENCE, _LAST, _BOUND = "#0b6e99", "#c92a2a", "#868e96"
_STEPS: Final = 60
_BEST_RADIUS, _RADIUS = 7.0, 4.5


def draw_frontier(shown: Sequence[Tried], found: Tried | None, last: Outcome, wish: Wish) -> str:
    """Return the plot as self-contained SVG: a dot at each median, a line up to p90, and the bound of any policy."""
    rows = [(each.outcome, _EVIDENCE, _BEST_RADIUS if each is found else _RADIUS) for each in shown]
    rows.append((last, _LAST, _RADIUS))
    costs = [_cost(outcome) for outcome, _, _ in rows]
    delays = [outcome.alarm_quantile(share) or 0.0 for outcome, _, _ in rows for share in (0.5, 0.9)]
    plane = _Plane(1.1 * max(costs, default=1.0) or 1.0, 1.15 * max(delays) or 1.0)
    parts = [*_head(), *plane.axes()]
    for share, name in ((0.5, "bound, median"), (0.9, "bound, p90")):
        parts += plane.bound(wish, share, name)
    for number, (outcome, colour, radius) in enumerate(rows, 1):
        parts += plane.row(number, outcome, colour, radius)
    return "\n".join([*parts, "</svg>", ""])


def _cost(outcome: Outcome) -> float:
    return outcome.sent / outcome.seconds / outcome.tracks


def _head() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="13" role="img" aria-label="Time to alert against samples per second">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15">Time to alert: a dot at the median, a line up to p90</text>'
    yield f'<text x="{LEFT}" y="42" fill="{_EVIDENCE}">evidence (large: the best within the budget)</text>'
    yield f'<text x="{LEFT + 300}" y="42" fill="{_LAST}">last verdict, adaptive</text>'


class _Plane:
    """Coordinates: samples per second to the right, seconds up."""

    def __init__(self, end: float, top: float) -> None:
        self._end, self._top = end, top

    def _x(self, cost: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * cost / self._end

    def _y(self, seconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * seconds / self._top

    def axes(self) -> Iterator[str]:
        for quarter in range(5):
            y, x = self._y(self._top * quarter / 4), self._x(self._end * quarter / 4)
            yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dee2e6"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{self._top * quarter / 4:.3g} s</text>'
            cost = f"{self._end * quarter / 4:.2g}"
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{cost}</text>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield f'<text x="{middle:.0f}" y="{HEIGHT - 10}" text-anchor="middle">samples per second and track</text>'

    def bound(self, wish: Wish, share: float, name: str) -> Iterator[str]:
        """Draw the delay that no policy is below."""
        points: list[str] = []
        for step in range(1, _STEPS + 1):
            cost = self._end * step / _STEPS
            seconds = soonest_alert(cost, wish.evidence.misses, wish.latency, share)
            if seconds <= self._top:
                points.append(f"{self._x(cost):.1f},{self._y(seconds):.1f}")
        yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{_BOUND}" stroke-dasharray="5 4"/>'
        if points:
            x, y = points[-1].split(",")
            yield f'<text x="{float(x) + 6:.1f}" y="{float(y) + 4:.1f}" fill="{_BOUND}">{name}</text>'

    def row(self, number: int, outcome: Outcome, colour: str, radius: float) -> Iterator[str]:
        """Draw one outcome and its line of the legend; one with no known median is left out."""
        median, slow = outcome.alarm_quantile(0.5), outcome.alarm_quantile(0.9)
        if median is None:
            return
        cost = _cost(outcome)
        x, y = self._x(cost), self._y(median)
        end = self._y(min(self._top, math.inf if slow is None else slow))
        name = escape(plain(outcome.policy, 120))
        yield f'<g fill="{colour}"><title>{name}</title>'
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{end:.1f}" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
        # Neighbours cost nearly the same: their numbers stand on both sides.
        beside = x + (radius + 9) * (1 if number % 2 else -1)
        yield f'<text x="{beside:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="11">{number}</text>'
        late = "-" if slow is None else f"{slow:.1f} s"
        words = f"{number}: {cost:.3f}/s, {median:.2f} s, p90 {late}, {outcome.false_alarm_rate:.2g} false/h"
        line = f'x="{WIDTH - RIGHT - 8}" y="{TOP + 16 * number}" text-anchor="end" font-size="12"'
        yield f"<text {line}>{escape(words)}</text></g>"
