"""A plot of several policies: the share of manipulations detected within each time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from ds_actors.cli._simulate.axes import THEME, round_step
from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 40, 50
_COLOURS: Final = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#c92a2a", "#5f3dc4", "#e67700", "#495057")
_LINE: Final = 18
_SHORTEST: Final = 0.001
"""Seconds of the time axis, at least."""
_TICKS: Final = 8
"""On the time axis, at most, besides 0."""


def draw(outcomes: Sequence[Outcome]) -> str:
    """Return the plot as self-contained SVG."""
    delays = [outcome.found for outcome in outcomes]
    step, end = time_axis(delays)
    parts = _axes(step, end, outcomes[0])
    for number, outcome in enumerate(outcomes):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = ' stroke-dasharray="6 3"' if number >= len(_COLOURS) else ""
        path = _steps(delays[number], len(outcome.detections), end)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        y = HEIGHT - BOTTOM - 12 - _LINE * (len(outcomes) - 1 - number)
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{y}" fill="{colour}" text-anchor="end">'
            f"{_legend(outcome)}{_later(delays[number], end)}</text>"
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="13" role="img" aria-label="Time to detection by policy">'
    )
    return "\n".join([head, THEME, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>', *parts, "</svg>", ""])


def time_axis(delays: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the distance of round ticks and where the axis ends, in seconds, for each policy's sorted delays.

    A few late detections must not press the others together: where the last is more than twice as late as 95 % of the
    slowest policy's, the axis ends after those 95 %.
    """
    longest = max((times[-1] for times in delays if times), default=1.0)
    most = max((times[math.ceil(0.95 * len(times)) - 1] for times in delays if times), default=1.0)
    wanted = max(longest if longest <= 2 * most else most, _SHORTEST)
    step = round_step(wanted, _TICKS)
    return step, step * math.ceil(wanted / step)


def _later(times: Sequence[float], end: float) -> str:
    late = sum(seconds > end for seconds in times)
    return f", {late} later" if late else ""


def _legend(outcome: Outcome) -> str:
    return escape(f"{plain(outcome.policy, 60)}: {outcome.sent} samples, {outcome.sent_bytes / 1e6:.0f} MB")


def _x(seconds: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / end


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _steps(delays: Sequence[float], total: int, end: float) -> str:
    path = [f"M{_x(0, end):.1f} {_y(0):.1f}"]
    for count, seconds in enumerate(delays, 1):
        if seconds > end:
            break
        path.append(f"H{_x(seconds, end):.1f}V{_y(count / total):.1f}")
    path.append(f"H{_x(end, end):.1f}")
    return "".join(path)


def _axes(step: float, end: float, outcome: Outcome) -> list[str]:
    title = f"{len(outcome.detections)} manipulations, {outcome.tracks} tracks, {outcome.seconds:g} s"
    parts = [f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>']
    for quarter in range(5):
        y = _y(quarter / 4)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dee2e6"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{quarter * 25} %</text>')
    for tick in range(round(end / step) + 1):
        x = _x(tick * step, end)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_y(0):.1f}" y2="{_y(0) + 5:.1f}" stroke="#868e96"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick * step:.6g} s</text>')
    centre = (LEFT + WIDTH - RIGHT) // 2
    parts.append(f'<text x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">time to detection</text>')
    middle = (TOP + HEIGHT - BOTTOM) // 2
    parts.append(f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">detected</text>')
    return parts
