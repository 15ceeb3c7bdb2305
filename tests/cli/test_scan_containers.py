"""The table of what becomes of each container: whole, cut, damaged, with two video streams."""

from __future__ import annotations

from pathlib import Path

import pytest
from scan_command import scan_json
from scan_containers import CONTAINERS, SECONDS

from ds_actors.cli._scan.result import ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "scan.md"
STATES = ("whole", "cut", "damaged", "two")
HEADINGS = ("whole", "cut", "one packet overwritten", "two video streams")
NOT_SEEN = {("MPEG-TS", "cut"), *((name, "damaged") for name in ("MPEG-TS", "Ogg", "FLV", "GIF"))}
"""Cells that look complete, because FFmpeg conceals the damage."""
OUTCOMES = {"whole": "complete", "cut": "truncated", "damaged": "damaged", "two": "complete"}
CODES = {"complete": ExitCode.OK, "truncated": ExitCode.TRUNCATED, "damaged": ExitCode.DAMAGED}
LEVELS = {1: ["clear"], 2: ["clear", "alert"]}
"""By number of streams: the second one shows the patch."""
CELLS = [(name, state) for name, plan in CONTAINERS.items() for state in STATES if state != "two" or plan.streams > 1]


def outcome(name: str, state: str) -> str:
    """Return the outcome that a cell promises."""
    return "complete" if (name, state) in NOT_SEEN else OUTCOMES[state]


def cell(name: str, state: str) -> str:
    """Return a cell as it stands on the page."""
    if (name, state) not in CELLS:
        return "does not exist"
    said = outcome(name, state)
    each = " each" if state == "two" else ""
    return f"{said}{each}, {int(CODES[said])}"


@pytest.mark.parametrize(("name", "state"), CELLS)
def test_a_container_has_its_outcome(tmp_path: Path, name: str, state: str) -> None:
    """Exit code, outcome, level and counts of each stream are those of the table."""
    plan = CONTAINERS[name]
    path: Path = getattr(plan, state)(tmp_path)
    done = scan_json(path)
    expected = outcome(name, state)
    rows = done.rows
    assert done.code == CODES[expected]
    assert [row["outcome"] for row in rows] == [expected] * len(rows)
    assert [row["level"] for row in rows] == LEVELS[2 if state == "two" else 1]
    for row in rows:
        assert row["video_streams"] == len(rows)
        assert row["truncated"] is (expected == "truncated")
        assert row["damage"]["places"] == (1 if expected == "damaged" else 0)
        assert all(2 <= second <= 2.3 for second in row["damage"]["at"])
        # Fragmented MP4 has no edit list: its first picture is at 0.2 s and its last one at 6.1 s.
        most = SECONDS + 1 if name == "fragmented MP4" else SECONDS
        assert row["due"] == row["sent"] == row["answered"]
        assert (2 < row["due"] < most) if state == "cut" else (row["due"] == most)
    assert bool(done.err) is (expected != "complete")


def test_the_page_shows_the_table() -> None:
    """Row by row."""
    rows: list[tuple[str, ...]] = [("container", *HEADINGS), ("---",) * 5]
    rows += [(name, *(cell(name, state) for state in STATES)) for name in CONTAINERS]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    assert table in PAGE.read_text("utf-8"), table
