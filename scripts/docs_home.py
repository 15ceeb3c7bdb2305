"""Makes the README the site's first page: its links to docs/ become links between pages. A hook of MkDocs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"


def on_page_markdown(_markdown: str, *, page: Any, **_: Any) -> str | None:
    """Return the first page with the README's text; None leaves every other page as it is."""
    if page.file.src_uri != "index.md":
        return None
    return README.read_text("utf-8").replace("](docs/", "](")
