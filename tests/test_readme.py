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
    assert len(blocks) == 3
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        for expected in re.findall(r"# prints (.*)", block):
            assert expected in done.stdout
