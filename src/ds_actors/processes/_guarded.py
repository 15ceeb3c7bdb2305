"""One life of a program, behind its guard process."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Final

import trio

from ds_actors._text import plain
from ds_actors.processes._program import Program, ProgramNotStarted, not_started

_GUARD: Final = Path(__file__).with_name("_guard.py")
_ENDS_WITHIN: Final = 5.0
"""Seconds that a guard has to kill what is left of its program; then the guard itself is killed."""


class GuardedProgram:
    """A program that ends when this process does, however this process ends.

    `open` starts it, `wait_ended` returns its exit code, `kill` leaves nothing of it.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._guard: trio.Process | None = None
        self._status: trio.lowlevel.FdStream | None = None
        self._unread = b""
        self.pid: int | None = None
        """The program's process id, which is that of its process group too."""

    @property
    def outputs(self) -> tuple[trio.abc.ReceiveStream, trio.abc.ReceiveStream]:
        """Its stdout and its stderr."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        assert self._guard.stderr is not None
        return self._guard.stdout, self._guard.stderr

    async def open(self) -> None:
        """Start it; afterwards its outputs are the caller's to read and to close.

        Raises:
            ProgramNotStarted: there is no such program or directory, or it cannot be executed.
        """
        try:
            await self._open_guard()
            self.pid = await self._first_status()
        except BaseException:
            await self.kill()
            streams = (self._status, *(self.outputs if self._guard is not None else ()))
            for stream in [stream for stream in streams if isinstance(stream, trio.lowlevel.FdStream)]:
                stream.close()
            raise

    async def _open_guard(self) -> None:
        program = self._program
        ours, guards = os.pipe()
        self._status = trio.lowlevel.FdStream(ours)
        try:
            self._guard = await trio.lowlevel.open_process(
                [sys.executable, "-I", "-S", str(_GUARD), str(guards), *map(str, program.command)],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(guards,),
                env={**os.environ, **program.environment},
                cwd=program.directory,
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which stops its programs in order
            )
        except OSError as error:
            raise ProgramNotStarted(f"{program.name} was not started: {error.strerror}: {error.filename}") from None
        finally:
            os.close(guards)

    async def _first_status(self) -> int:
        line = await self._next_status()
        if line is None:
            words = bytes(await self.outputs[1].receive_some(10_000)).decode("utf-8", "replace").rstrip()
            reason = plain(words.rpartition("\n")[2], 200) or "without a word"
            raise ProgramNotStarted(f"{self._program.name} was not started: its guard process ended: {reason}")
        what, number = line.split()
        if what == "failed":
            raise not_started(self._program, int(number))
        return int(number)

    async def _next_status(self) -> str | None:
        assert self._status is not None
        while b"\n" not in self._unread:
            chunk = await self._status.receive_some(64)
            if not chunk:
                return None
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    async def wait_ended(self) -> int:
        """Wait for its end, and that of all it left behind; return its exit code, negative for a signal.

        A guard that was killed has taken the program with it (Linux), or leaves that to `kill`.
        """
        assert self._status is not None
        try:
            line = await self._next_status()
        finally:
            self._status.close()
        return -signal.SIGKILL if line is None else int(line.split()[1])

    async def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(trio.BrokenResourceError):  # it has ended meanwhile
            await self._guard.stdin.send_all(bytes([number]))

    async def kill(self) -> None:
        """Kill what is left of it, and wait until nothing is; a guard that takes too long is killed too."""
        guard = self._guard
        if guard is None:
            return
        assert guard.stdin is not None
        with trio.CancelScope(shield=True):
            await guard.stdin.aclose()
            with trio.move_on_after(_ENDS_WITHIN):
                await guard.wait()
            if guard.returncode != 0:
                guard.kill()
                if self.pid is not None:
                    with contextlib.suppress(OSError):
                        os.killpg(self.pid, signal.SIGKILL)
                await guard.wait()
