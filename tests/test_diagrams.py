"""The guide's diagrams match the rules."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_diagrams_are_drawn_from_the_rules_as_they_are() -> None:
    """Each file is what `make diagrams` draws now."""
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_diagrams.py"))["DIAGRAMS"]
    assert sorted(drawn) == sorted(path.name for path in (ROOT / "docs" / "guide").glob("*.svg"))
    for name, draw in drawn.items():
        assert draw() == (ROOT / "docs" / "guide" / name).read_text("utf-8"), f"{name} is old: make diagrams"
