"""The pictures of what commands show, in the README and on the pages about them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PICTURE = DOCS / "demo.svg"


VIEWS = {
    "doctor.svg": ("doctor.md", ["failure", "did you mean DATASPIKE_QUALITY?", "fix:", "round trip"]),
    "watch.svg": ("watch.md", ["mallory camera", "alert", "suspicious", "clear", "uplink up", "tracks", "q quit"]),
    "replay.svg": ("watch.md", ["mallory camera", "because", "alert (was clear)", "esc back"]),
    "simulate.svg": ("policies.md", ["adaptive", "median", "winner:", "samples per minute and track"]),
    "demo.svg": ("../README.md", ["alice", "alert"]),
}


def words_of(picture: Path) -> str:
    return " ".join(ET.parse(picture).getroot().itertext()).replace("\xa0", " ")


@pytest.mark.parametrize("name", VIEWS)
def test_a_picture_asks_no_server_for_anything(name: str) -> None:
    """The only address of the drawing is the XML namespace, and no rule of it loads a font."""
    text = re.sub(r"<text.*?</text>", "", (DOCS / name).read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"\w+://[^\s\"'<>)]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@font-face|@import|url\((?!#)", text)


@pytest.mark.parametrize("name", VIEWS)
def test_the_page_about_a_command_shows_its_view_and_says_what_is_seen(name: str) -> None:
    """With a text for those who do not see it; the picture has what the command is for."""
    page, expected = VIEWS[name]
    found = re.findall(rf"!\[([^\]]+)\]\((?:docs/)?{re.escape(name)}\)", (DOCS / page).read_text("utf-8"))
    assert [len(text) > 40 for text in found] == [True]
    words = words_of(DOCS / name)
    assert [part for part in expected if part not in words] == []


def test_the_page_about_scans_shows_a_report() -> None:
    """A photograph of the page in a browser, small enough for a page of its own."""
    assert re.search(r"!\[[^\]]{40,}\]\(report\.jpg\)", (DOCS / "scan.md").read_text("utf-8"))
    assert 20_000 < (DOCS / "report.jpg").stat().st_size < 200_000


def test_the_picture_shows_an_alert() -> None:
    """It is well-formed, and has the uplink, the level and the cut in it."""
    words = words_of(PICTURE)
    for expected in ("alice", "alert", "bob", "clear", "uplink", "2 connections", "the connection is cut", "NASA"):
        assert expected in words


def test_the_readme_and_the_site_show_the_picture() -> None:
    """The site's first page is the README, and its links lead to pages as seen from there."""
    assert "](docs/demo.svg)" in (ROOT / "README.md").read_text("utf-8")
    home = runpy.run_path(str(ROOT / "scripts" / "docs_home.py"))["on_page_markdown"]
    first = home("", page=SimpleNamespace(file=SimpleNamespace(src_uri="index.md")))
    assert "](demo.svg)" in first
    assert "](docs/" not in first
    assert home("", page=SimpleNamespace(file=SimpleNamespace(src_uri="scan.md"))) is None
