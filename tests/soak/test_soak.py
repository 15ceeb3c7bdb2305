"""A monitor for a minute, as `make soak` runs it for twenty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).with_name("soak.py")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_tracks_faults_crashes_and_kills_leaves_nothing_behind() -> None:
    """The account stays exact, and there are no more tasks, threads and descriptors at its end."""
    command = [sys.executable, str(SOAK), "--seconds", "60"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "crashes" in run.stdout
    assert "kills of the service" in run.stdout
