"""A command whose stderr is a terminal."""

from __future__ import annotations

import os
import pty
import subprocess


def run_on_a_terminal(command: list[str]) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    """Run a command; return how it ended, with its stdout, and what the terminal got."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=100,
            check=False,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        )
        return done, os.read(ours, 100_000)
    finally:
        os.close(ours)
        os.close(theirs)
