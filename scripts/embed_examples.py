"""Bring the examples that pages show up to date: what a page has in a block named after a file is the file's text.

    python scripts/embed_examples.py

A block begins with a line such as ```python title="examples/guide/tree.py". The pages hold the text itself, so that
they read the same on the site and in a code host's view of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r'^(```\w+ title="(examples/[^"]+)"\n).*?^```$', re.DOTALL | re.MULTILINE)


def embedded(page: str) -> str:
    """Return a page with its examples up to date.

    Raises:
        FileNotFoundError: it names a file that does not exist.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}{(ROOT / found[2]).read_text('utf-8').rstrip()}\n```", page)


def main() -> None:
    """Rewrite each page that is out of date, and name it."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.read_text("utf-8")
        if embedded(page) != page:
            path.write_text(embedded(page), "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
