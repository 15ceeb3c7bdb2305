"""The guide and its programs belong together."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))


def test_every_program_is_shown_and_every_snippet_is_a_program() -> None:
    """The guide has no Python but the text of files that tests/test_examples.py runs."""
    shown: set[str] = set()
    for page in PAGES:
        for title in re.findall(r"^```python(.*)$", page.read_text("utf-8"), re.MULTILINE):
            named = re.fullmatch(r' title="(examples/(?:guide/)?\w+\.py)"', title)
            assert named, f"{page.name} has a snippet that no test runs"
            shown.add(named.group(1))
    programs = {str(path.relative_to(ROOT)) for path in (ROOT / "examples" / "guide").glob("*.py")}
    assert {path for path in shown if "/guide/" in path} == programs


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_pages_show_examples_as_they_are(page: Path) -> None:
    """A block that is named after a file has its text."""
    embedded = runpy.run_path(str(ROOT / "scripts" / "embed_examples.py"))["embedded"]
    text = page.read_text("utf-8")
    assert embedded(text) == text, f"run `make examples`, which brings {page.name} up to date"


def test_every_page_is_in_the_navigation() -> None:
    """Once each."""
    listed = re.findall(r"guide/([\w-]+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert sorted(listed) == [page.name for page in PAGES]


def test_our_column_of_the_comparison_has_no_empty_cell() -> None:
    """Every entry that is not a plain yes gives a reason."""
    rows = (ROOT / "docs" / "actors" / "comparison.md").read_text("utf-8").splitlines()
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")]
    header, _, *body = table
    assert header[1] == "ds-actors"
    assert len(body) >= 25
    for row in body:
        assert len(row) == len(header)
        assert all(row)
        assert row[1].startswith("Y") or re.fullmatch(r"[NP] \(.+\)", row[1]), row[0]
