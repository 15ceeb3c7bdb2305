"""`ds-actors serve` as a process of its own, with the detector of the examples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from attrs import define

from livekit_harness.agent import EXAMPLES


@define(eq=False)
class ServeProcess:
    """A running service."""

    url: str
    _process: subprocess.Popen[str]

    def end(self) -> dict[str, Any]:
        """Drain it, and return what it counted."""
        self._process.send_signal(signal.SIGTERM)
        summary = _event(self._process, "summary")
        self._process.wait(20)
        return summary


@contextmanager
def open_serve(spec: str, *arguments: str) -> Generator[ServeProcess]:
    """Serve a detector of the examples until the block ends; it is loaded when the block begins."""
    command = [sys.executable, "-m", "ds_actors", "serve", "--detector", spec, "--port", "0", "--json", *arguments]
    with subprocess.Popen(
        command, cwd=EXAMPLES, env={**os.environ, "DS_ACTORS_API_KEYS": "k"}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = str(_event(process, "listening")["url"])
            _event(process, "ready")
            yield ServeProcess(url, process)
        finally:
            process.kill()


def _event(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        found: dict[str, Any] = json.loads(line)
        if found["event"] == name:
            return found
    raise AssertionError(f"ds-actors serve ended without the event {name!r}")
