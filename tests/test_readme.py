"""The README's programs work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_snippets_run_as_they_stand() -> None:
    """Each Python block is a whole program and prints what its last comment says."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        for expected in re.findall(r"# prints (.*)", block):
            assert expected in done.stdout


def test_every_page_that_is_named_is_linked_and_exists() -> None:
    """Links lead to files of the repository; no page is named in backticks instead."""
    text = README.read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    pages = [link for link in links if "://" not in link]
    assert len(pages) > 10
    assert [page for page in pages if not (README.parent / page).is_file()] == []
    assert not re.search(r"`docs/", text)


def test_shell_and_python_never_share_a_block() -> None:
    """Each block is fenced and says its language, so that it can be copied as a whole."""
    text = README.read_text("utf-8")
    assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) == {"python", "sh"}
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"^    \S", outside, re.MULTILINE)
