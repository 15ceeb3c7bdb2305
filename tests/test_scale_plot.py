"""The plot of how cost grows with the number of tracks."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

SCRIPT = Path(__file__).parents[1] / "scripts" / "draw_scale.py"


def run(tracks: int, over: float) -> dict[str, Any]:
    return {
        "tracks": tracks,
        "over_encoding": over,
        "over_bare": 1.3,
        "p99_age": 0.01,
        "kb_per_track": 12.0,
        "narrow": {"suspicious_share": 0.2},
    }


def test_the_plot_has_a_point_for_each_number_of_tracks_at_the_median_of_its_runs() -> None:
    """In each of the five panels."""
    draw = runpy.run_path(str(SCRIPT))["draw"]
    runs = [run(10, 2.0), run(100, 1.0), run(100, 9.0), run(100, 1.5)]
    picture = ET.fromstring(draw(runs))
    circles = [item for item in picture if item.tag.endswith("circle")]
    assert len(circles) == 2 * 5
    once = ET.fromstring(draw([run(10, 2.0), run(100, 1.5)]))
    assert ET.tostring(picture) == ET.tostring(once)
    texts = {item.text for item in picture if item.tag.endswith("text")}
    assert {"10 tracks", "100 tracks", "goal 1.6", "goal 0.5"} <= texts


def test_the_plot_has_round_ticks_and_no_label_on_the_zero_of_an_axis() -> None:
    """The first number of tracks stands to the right of the axis, whose labels end at x = 62."""
    picture = ET.fromstring(runpy.run_path(str(SCRIPT))["draw"]([run(10, 9.44), run(100, 1.5)]))
    texts = [item for item in picture if item.tag.endswith("text")]
    ticks = [float(item.text or "") for item in texts if item.get("x") == "62"]
    assert ticks[:6] == [0, 2, 4, 6, 8, 10]
    assert min(float(item.get("x") or 0) for item in texts if item.text == "10 tracks") > 62 + 40
