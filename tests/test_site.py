"""The documentation's site as it is seen on a screen of 1280 pixels, the narrowest that most people have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COLUMNS = 120
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^( *)```\w*[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def code_lines(text: str) -> Iterator[str]:
    """Yield the lines of a page's code, fenced or indented; what is indented below an item of a list is its text."""
    for block in _BLOCK.finditer(text):
        for line in block[2].splitlines():
            yield line.removeprefix(block[1])
    in_list = False
    for line in _BLOCK.sub("", text).splitlines():
        if line[:1].strip():
            in_list = re.match(r"[-*]|\d+\.", line) is not None
        if line.startswith("    ") and not in_list:
            yield line.removeprefix("    ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_code_on_a_page_is_wider_than_its_block(page: Path) -> None:
    """At 1280 pixels, Chromium shows 123 columns of code (7.8 pixels each) with the widths of docs/site.css."""
    assert [line for line in code_lines(page.read_text("utf-8")) if len(line) > COLUMNS] == []


def test_the_site_gives_code_the_width_that_was_measured() -> None:
    """Contents in the navigation, not in a column of their own, this font, and signatures that wrap."""
    assert "toc.integrate" in (ROOT / "mkdocs.yml").read_text("utf-8")
    style = (ROOT / "docs" / "site.css").read_text("utf-8")
    assert ".md-typeset pre > code {\n  font-size: 0.65rem;\n}" in style
    assert ".md-typeset .doc-signature pre > code {\n  white-space: pre-wrap;\n}" in style


def test_livekit_comes_first_in_the_navigation() -> None:
    """Right after the first page: it is the main road."""
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    assert re.findall(r"^  - ([\w ]+):", navigation, re.MULTILINE)[:3] == ["Start", "LiveKit", "The monitor"]
