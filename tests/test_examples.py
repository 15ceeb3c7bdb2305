"""What lies in examples/, runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# The others are run by tests of their own, in tests/examples.
SERVERS_AND_COMMANDS = {"chat_server.py", "crawler.py"}
EXAMPLES = sorted(
    path for path in (Path(__file__).parents[1] / "examples").glob("*.py") if path.name not in SERVERS_AND_COMMANDS
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_runs_and_prints_what_it_says(path: Path) -> None:
    """Each is a whole program that ends by itself."""
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    for expected in re.findall(r"# prints (.*)", path.read_text("utf-8")):
        assert expected in done.stdout
