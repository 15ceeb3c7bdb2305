"""What the plots share: round ticks, numbers beside their dots, and colours for a dark page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ds_actors.cli._simulate.axes import THEME, round_axis
from ds_actors.cli._simulate.frontier import place_numbers

DOCS = Path(__file__).parents[2] / "docs"
DRAWN = ["scale.svg", "tuned.svg", "guide/life.svg", "guide/restarts.svg", "guide/strategies.svg"]


@pytest.mark.parametrize(
    ("wanted", "ticks"), [(12.6, [0, 5, 10, 15]), (0.48, [0, 0.1, 0.2, 0.3, 0.4, 0.5]), (8, [0, 2, 4, 6, 8])]
)
def test_an_axis_ends_at_a_round_tick(wanted: float, ticks: list[float]) -> None:
    """At or above what is wanted, with ticks of 1, 2 or 5 times a power of ten."""
    assert round_axis(wanted, 5) == pytest.approx(ticks)


def test_numbers_of_dots_that_nearly_coincide_do_not_lie_on_each_other() -> None:
    """Nor on a dot; a dot that is alone has its number at its right, and one that is not drawn has none."""
    dots = [(100.0, 50.0), (300.0, 60.0), (301.0, 63.0), (300.0, 66.0), None]
    alone, *close, absent = place_numbers(dots, [4.5] * 5)
    assert alone == (113.5, 50.0)
    assert absent is None
    placed = [place for place in close if place is not None]
    assert len(placed) == 3
    for number, (x, y) in enumerate(placed):
        assert all(abs(x - a) >= 12 or abs(y - b) >= 12 for a, b in placed[:number])
        assert all(abs(x - dot[0]) >= 10.5 or abs(y - dot[1]) >= 10.5 for dot in dots if dot is not None)


@pytest.mark.parametrize("name", DRAWN)
def test_a_dark_page_shows_another_colour_for_each_that_a_plot_has(name: str) -> None:
    """So none is a white slab there, nor dark on dark."""
    picture = (DOCS / name).read_text("utf-8")
    assert THEME in picture
    used = set(re.findall(r'(?:fill|stroke)="(#\w+)"', picture.replace(THEME, "")))
    assert used
    assert [colour for colour in used if f'[fill="{colour}"]' not in THEME] == []
