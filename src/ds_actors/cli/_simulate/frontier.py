"""A plot of what `ds-actors tune` found: delay against cost, with the false alarms beside each point. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ds_actors.cli._simulate.axes import THEME, round_axis
from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome
from ds_actors.simulation.bound import soonest_alert
from ds_actors.simulation.tuning import Tried, Wish

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 130, 64, 50
_EVIDENCE, _LAST, _BOUND = "#0b6e99", "#c92a2a", "#868e96"
_STEPS: Final = 60
_BEST_RADIUS, _RADIUS = 7.0, 4.5
_TICKS: Final = 8
"""On each axis, at most, besides 0."""
_FAR: Final = 12.0
"""A number's height and width, so that none lies on another or on a dot."""


def draw_frontier(shown: Sequence[Tried], found: Tried | None, last: Outcome, wish: Wish) -> str:
    """Return the plot as self-contained SVG: a dot at each median, a line up to p90, and the bound of any policy."""
    rows = [(each.outcome, _EVIDENCE, _BEST_RADIUS if each is found else _RADIUS) for each in shown]
    rows.append((last, _LAST, _RADIUS))
    costs = [_cost(outcome) for outcome, _, _ in rows]
    delays = [outcome.alarm_quantile(share) or 0.0 for outcome, _, _ in rows for share in (0.5, 0.9)]
    plane = _Plane(round_axis(max(costs) or 1.0, _TICKS), round_axis(1.05 * max(delays) or 1.0, _TICKS))
    parts = [*_head(), *plane.axes()]
    for share, name in ((0.5, "bound, median"), (0.9, "bound, p90")):
        parts += plane.bound(wish, share, name)
    places = place_numbers([plane.dot(outcome) for outcome, _, _ in rows], [radius for _, _, radius in rows])
    for number, (outcome, colour, radius) in enumerate(rows, 1):
        parts += plane.row(number, outcome, colour, radius, places[number - 1])
    return "\n".join([*parts, "</svg>", ""])


Point = tuple[float, float]


def place_numbers(dots: Sequence[Point | None], radii: Sequence[float]) -> list[Point | None]:
    """Return where each dot's number stands: beside it, or as near as no other dot and no other number is."""
    placed: list[Point | None] = []
    for dot, radius in zip(dots, radii, strict=True):
        placed.append(None if dot is None else _free_place(dot, radius, dots, radii, placed))
    return placed


def _free_place(
    dot: Point, radius: float, dots: Sequence[Point | None], radii: Sequence[float], placed: Sequence[Point | None]
) -> Point:
    taken = [(place, _FAR) for place in placed if place is not None]
    taken += [(other, _FAR / 2 + size) for other, size in zip(dots, radii, strict=True) if other is not None]
    places = (
        (dot[0] + side * (radius + 9), dot[1] + up * _FAR * steps)
        for steps in range(len(dots) + 1)
        for up in (-1, 1)
        for side in (1, -1)
    )
    beside = dot[0] + radius + 9, dot[1]
    free = (
        place
        for place in places
        if not any(abs(place[0] - x) < far and abs(place[1] - y) < far for (x, y), far in taken)
    )
    return next(free, beside)


def _cost(outcome: Outcome) -> float:
    return outcome.sent / outcome.seconds / outcome.tracks


def _head() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="13" role="img" aria-label="Time to alert against samples per second">'
    )
    yield THEME
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15">Time to alert: a dot at the median, a line up to p90</text>'
    yield f'<text x="{LEFT}" y="42" fill="{_EVIDENCE}">evidence (large: the best within the budget)</text>'
    yield f'<text x="{LEFT + 300}" y="42" fill="{_LAST}">last verdict, adaptive</text>'


class _Plane:
    """Coordinates: samples per second to the right, seconds up."""

    def __init__(self, costs: Sequence[float], seconds: Sequence[float]) -> None:
        self._costs, self._seconds = costs, seconds
        self._end, self._top = costs[-1], seconds[-1]

    def _x(self, cost: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * cost / self._end

    def _y(self, seconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * seconds / self._top

    def axes(self) -> Iterator[str]:
        """Draw both axes, with their names."""
        for seconds in self._seconds:
            y = self._y(seconds)
            yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dee2e6"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{seconds:.6g} s</text>'
        for cost in self._costs:
            x, base = self._x(cost), HEIGHT - BOTTOM
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 5}" stroke="{_BOUND}"/>'
            yield f'<text x="{x:.1f}" y="{base + 20}" text-anchor="middle">{cost:.6g}</text>'
        centre, middle = (LEFT + WIDTH - RIGHT) // 2, (TOP + HEIGHT - BOTTOM) // 2
        yield f'<text x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">samples per second and track</text>'
        turned = f'text-anchor="middle" transform="rotate(-90 16 {middle})"'
        yield f'<text x="16" y="{middle}" {turned}>time to alert</text>'

    def dot(self, outcome: Outcome) -> Point | None:
        """Return where an outcome's dot is; None for one with no known median, which is left out."""
        median = outcome.alarm_quantile(0.5)
        return None if median is None else (self._x(_cost(outcome)), self._y(median))

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

    def row(self, number: int, outcome: Outcome, colour: str, radius: float, place: Point | None) -> Iterator[str]:
        """Draw one outcome, its number at that place, and its line of the legend."""
        median, slow, dot = outcome.alarm_quantile(0.5), outcome.alarm_quantile(0.9), self.dot(outcome)
        if median is None or dot is None or place is None:
            return
        x, y = dot
        end = self._y(min(self._top, math.inf if slow is None else slow))
        name = escape(plain(outcome.policy, 120))
        yield f'<g fill="{colour}"><title>{name}</title>'
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{end:.1f}" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
        if abs(place[1] - y) > 1:
            yield f'<line x1="{x:.1f}" x2="{place[0]:.1f}" y1="{y:.1f}" y2="{place[1]:.1f}" stroke="{colour}"/>'
        yield f'<text x="{place[0]:.1f}" y="{place[1] + 4:.1f}" text-anchor="middle" font-size="11">{number}</text>'
        late = "-" if slow is None else f"{slow:.1f} s"
        words = f"{number}: {_cost(outcome):.3f}/s, {median:.2f} s, p90 {late}, {outcome.false_alarm_rate:.2g} false/h"
        line = f'x="{WIDTH - RIGHT - 8}" y="{TOP + 16 * number}" text-anchor="end" font-size="12"'
        yield f"<text {line}>{escape(words)}</text></g>"
