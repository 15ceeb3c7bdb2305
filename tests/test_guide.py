"""The guide and its programs belong together."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))


def test_every_program_is_shown_and_every_snippet_is_a_program() -> None:
    """Pages contain no Python themselves: they include files that tests/test_examples.py runs."""
    shown: set[str] = set()
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            included = re.fullmatch(r'--8<-- "(examples/(?:guide/)?\w+\.py)"\n', block)
            assert included, f"{page.name} has a snippet that no test runs"
            shown.add(included.group(1))
    programs = {str(path.relative_to(ROOT)) for path in (ROOT / "examples" / "guide").glob("*.py")}
    assert {path for path in shown if "/guide/" in path} == programs
    assert all((ROOT / path).exists() for path in shown)


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
