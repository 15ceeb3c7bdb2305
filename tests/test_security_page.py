"""SECURITY.md: each promise has a test, and each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def promises() -> list[tuple[str, str]]:
    """Return the rows of the tables: the promise, and the cell with its tests."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [(promise, tests) for promise, tests in rows if not promise.startswith(("promise", "---"))]


def test_each_promise_names_tests_that_exist() -> None:
    """By the file's name, which is unique, and the function's."""
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(files) == sum(1 for _ in (ROOT / "tests").rglob("test_*.py"))
    assert len(promises()) >= 30
    missing: list[str] = []
    for promise, cell in promises():
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", cell)
        assert ", ".join(f"`{file}::{test}`" for file, test in named) == cell, promise
        for file, test in named:
            path = files.get(file)
            if path is None or not re.search(rf"^(?:async )?def {test}\(", path.read_text("utf-8"), re.MULTILINE):
                missing.append(f"{file}::{test}")
    assert missing == []


def test_the_page_is_in_the_documentation() -> None:
    """Where a reader of the site finds it, and named in the repository's root, where a reporter looks."""
    assert "SECURITY.md" in (ROOT / "mkdocs.yml").read_text("utf-8")
    assert (ROOT / "docs" / "SECURITY.md").read_text("utf-8") == '--8<-- "SECURITY.md"\n'
