"""The plot of the memory of many actors."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "draw_many.py"))


def test_a_line_is_fitted_through_what_lies_on_one() -> None:
    """The slope is the memory per actor."""
    slope, base = SCRIPT["fit"]({count: 1_400.0 * count + 3e6 for count in (10_000, 100_000, 1_000_000)})
    assert slope == pytest.approx(1_400)
    assert base == pytest.approx(3e6)


def test_the_plot_has_a_point_for_each_number_of_actors_at_the_median_of_its_runs() -> None:
    """With its label, and the fitted line."""
    runs = [
        {"actors": count, "bytes": size} for count in (10_000, 100_000, 1_000_000) for size in (1_400, 9_000, 1_500)
    ]
    picture = ET.fromstring(SCRIPT["draw"](runs))
    circles = [item for item in picture if item.tag.endswith("circle")]
    assert len(circles) == 3
    texts = {item.text for item in picture if item.tag.endswith("text")}
    assert {"1,000,000 actors", "1,500 MB", "fitted: 1,500 bytes per actor, +0.0 MB"} <= texts
