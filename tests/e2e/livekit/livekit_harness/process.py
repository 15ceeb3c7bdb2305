"""The tests' end of `stdio`: a child process that takes commands and tells events."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self, TypeVar

from livekit_harness.components import HARNESS

CALL_WITHIN: Final = 40.0
_T = TypeVar("_T")


class CommandFailed(Exception):
    """A command that raised in the process."""


def until(condition: Callable[[], _T], seconds: float = 30.0, *, every: float = 0.02) -> _T:
    """Return the condition's first true value.

    Raises:
        TimeoutError: when there is none in time.
    """
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(every)


class Process:
    """A process that speaks JSON lines and can import this package; belongs to one thread of the tests."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str] = {}) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HARNESS.parent), **environment},
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._talk(self._popen.stdin, self._popen.stdout)

    def _talk(self, to: IO[bytes], out: IO[bytes]) -> None:
        self._in, self._out = to, out
        self.events: list[dict[str, Any]] = []
        """What it told, in order."""
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, do: str, *, within: float = CALL_WITHIN, **arguments: Any) -> Any:
        """Have a command done and return its answer.

        Raises:
            CommandFailed: when it raised there.
            TimeoutError: when there is no answer in time, or the process has ended.
        """
        return self.finish(self.begin(do, **arguments), within)

    def begin(self, do: str, **arguments: Any) -> int:
        """Send a command without waiting; `finish` waits."""
        self._number += 1
        self._answers[self._number] = queue.SimpleQueue()
        line = {"id": self._number, "do": do, **arguments}
        self._in.write(json.dumps(line).encode() + b"\n")
        self._in.flush()
        return self._number

    def finish(self, number: int, within: float = CALL_WITHIN) -> Any:
        """Return the answer to `begin`."""
        try:
            answer = self._answers[number].get(timeout=within)
        except queue.Empty:
            raise TimeoutError(f"no answer within {within:g} s") from None
        del self._answers[number]
        if "error" in answer:
            raise CommandFailed(answer["error"])
        return answer["ok"]

    def told(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the events of a kind so far whose fields are these."""
        return [found for found in list(self.events) if found["event"] == event and fields.items() <= found.items()]

    def stop(self, within: float = 8.0) -> int:
        """End it and return its exit code: close its stdin, and kill it where that is not enough."""
        with suppress(BrokenPipeError):
            self._in.close()
        try:
            return self._wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._wait(within)
        finally:
            self._reader.join(1)
            self._out.close()

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()

    def _wait(self, within: float) -> int:
        return self._popen.wait(within)

    def _read(self) -> None:
        for raw in self._out:
            line = json.loads(raw)
            if "id" in line:
                self._answers[line["id"]].put(line)
            else:
                self.events.append(line)
        ended = {"error": "the process has ended"}
        for waiting in list(self._answers.values()):
            waiting.put(ended)


class ForkServer:
    """Processes of one program that has imported what it needs: each is a fork, as LiveKit makes an agent's jobs."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._parent = Process(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.stop()

    def take(self) -> Process:
        """Return a fresh process."""
        return _Fork(self._parent)


class _Fork(Process):
    def __init__(self, parent: Process) -> None:
        self._parent = parent
        with tempfile.TemporaryDirectory() as folder:
            pipes = [str(Path(folder) / name) for name in ("in", "out")]
            for pipe in pipes:
                os.mkfifo(pipe)
            self._pid = int(parent.call("fork", pipes=pipes, within=100))
            # Both sides open them in this order, and wait for each other.
            self._talk(Path(pipes[0]).open("wb"), Path(pipes[1]).open("rb"))  # noqa: SIM115 - closed by stop

    @property
    def pid(self) -> int:
        return self._pid

    def kill(self) -> None:
        if not self._parent.told("ended", pid=self._pid):
            os.kill(self._pid, signal.SIGKILL)

    def _wait(self, within: float) -> int:
        try:
            return int(until(lambda: self._parent.told("ended", pid=self._pid), within)[0]["code"])
        except TimeoutError:
            raise subprocess.TimeoutExpired("a fork", within) from None
