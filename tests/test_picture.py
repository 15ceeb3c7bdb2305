"""The picture in the README."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "demo.svg"


def test_the_picture_asks_no_server_for_anything() -> None:
    """The only address in it is the XML namespace, and no rule of it loads a font."""
    text = PICTURE.read_text("utf-8")
    assert re.findall(r"\w+://[^\s\"'<>)]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@font-face|@import|url\((?!#)", text)


def test_the_picture_shows_an_alert() -> None:
    """It is well-formed, and has the uplink, the level and the cut in it."""
    words = " ".join(ET.parse(PICTURE).getroot().itertext()).replace("\xa0", " ")
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
