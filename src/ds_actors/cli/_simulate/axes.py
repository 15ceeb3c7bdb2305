"""What the plots share: round ticks, and colours that follow the reader's light or dark theme. Pure."""

from __future__ import annotations

import math
from typing import Final

_DARK: Final = {
    "#ffffff": "#0d1117",
    "#24292f": "#e6edf3",
    "#495057": "#ced4da",
    "#868e96": "#8b949e",
    "#8c959f": "#8b949e",
    "#dee2e6": "#30363d",
    "#0b6e99": "#4dabf7",
    "#1a7f37": "#3fb950",
    "#2b8a3e": "#69db7c",
    "#5f3dc4": "#b197fc",
    "#862e9c": "#da77f2",
    "#c92a2a": "#ff8787",
    "#cf222e": "#ff7b72",
    "#d9480f": "#ff922b",
    "#e67700": "#ffd43b",
}
"""Every colour that a plot is drawn with, and what a dark page shows in its place."""

THEME: Final = "\n".join(
    [
        "<style>",
        "  svg { color-scheme: light dark; fill: #24292f; }",
        "  @media (prefers-color-scheme: dark) {",
        "    svg { fill: #e6edf3; }",
        *(
            f'    [fill="{light}"] {{ fill: {dark}; }} [stroke="{light}"] {{ stroke: {dark}; }}'
            for light, dark in _DARK.items()
        ),
        "  }",
        "</style>",
    ]
)
"""The style of a plot. Its shapes are drawn in the light theme's colours, which a viewer without styles shows."""


def round_step(wanted: float, most: int) -> float:
    """Return the distance of at most so many ticks from 0 to what is wanted: 1, 2 or 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(wanted / most))
    return next(factor * size for factor in (1, 2, 5, 10, 20) if wanted / (factor * size) <= most)


def round_axis(wanted: float, most: int) -> list[float]:
    """Return at most so many ticks after 0; the last one is where the axis ends, at or above what is wanted."""
    step = round_step(wanted, most)
    return [step * number for number in range(math.ceil(wanted / step) + 1)]
