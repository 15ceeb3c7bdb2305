"""Two trees with a real broker between them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from livekit_harness import components

PROGRAM = Path(__file__).parents[2] / "examples" / "two_processes.py"


def test_each_word_comes_back_in_capitals() -> None:
    """In order, and nothing is left behind."""
    server = components.nats_server()
    if server is None:
        pytest.skip(f"needs nats-server; `{components.ENABLE}` gets it")
    run = subprocess.run(
        [sys.executable, str(PROGRAM), str(server)], capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["answer: ADA", "answer: BOB", "answer: EVE"]
