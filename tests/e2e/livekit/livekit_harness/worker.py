"""A worker: a program that LiveKit's own dispatch starts an agent from, in a process of its own; and the keeper."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from livekit_harness.process import until
from livekit_harness.server import Server


class Worker:
    """`python FILE dev`, or `python -m MODULE ...`, with the server's environment; its output is kept."""

    def __init__(
        self,
        program: Path | str,
        server: Server,
        environment: Mapping[str, str],
        *,
        command: str = "dev",
        name: str = "worker",
    ) -> None:
        self.lines: list[str] = []
        """What it wrote, both streams."""
        self.name = name
        # A group of its own: its jobs are processes too, and go with it.
        self._popen = subprocess.Popen(
            [sys.executable, *(["-P", "-m", program] if isinstance(program, str) else [program]), command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **server.environment, "PYTHONUNBUFFERED": "1", **environment},
            cwd=tempfile.gettempdir(),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def registered(self) -> None:
        """Wait until the server knows it."""
        until(lambda: self.wrote("registered worker"), 30)

    def wrote(self, pattern: str) -> list[str]:
        """Return its lines so far that match."""
        return [line for line in list(self.lines) if re.search(pattern, line)]

    def kill(self) -> None:
        """End it and its jobs at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._reader.join(2)
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def ended(self, within: float) -> int:
        """Wait until it ends by itself and return its exit code."""
        return self._popen.wait(within)

    def interrupt(self, within: float = 20.0) -> int:
        """End it as Ctrl-C does and return its exit code."""
        os.killpg(self._popen.pid, signal.SIGINT)
        return self._popen.wait(within)

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self.lines.append(line.rstrip())
            sys.stderr.write(f"{self.name}: {line}")


def free_port() -> int:
    """Return a TCP port that is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
