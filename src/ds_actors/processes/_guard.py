"""Stands between a tree and one of its programs: whatever ends the tree, this process ends the program.

Run as a file, `python -I -S _guard.py STATUS_FD ARGUMENT [ARGUMENT ...]`. Each byte on stdin is a signal for the
program's process group; the end of stdin, which also comes when the tree's process is killed, kills the program and all
that it started. One line at a time on STATUS_FD tells what happens: `started PID`, `failed ERRNO`, `ended CODE`.

One thread only: the kernel sends the parent-death signal of a child when the thread that made it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOKS_EVERY = 0.01


def main() -> None:
    """Run the program until it ends or must end."""
    status = int(sys.argv[1])
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    # Handlers, because a program would inherit what is ignored.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _wake_only)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the program leaves behind becomes this process's child
    try:
        process = _started(sys.argv[2:])  # kept: a Popen that is collected reaps its process
    except OSError as error:
        _tell(status, f"failed {error.errno}")
        return
    program = process.pid
    _tell(status, f"started {program}")
    code = _serve(program, wake)
    _kill_all(program)
    if code is not None:
        _tell(status, f"ended {code}")


def _wake_only(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wakeup descriptor has a byte."""


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    guard = os.getpid()

    def die_with_guard() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - the tree's own command
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_guard,  # noqa: PLW1509 - this process has one thread
        start_new_session=True,
    )


def _serve(program: int, wake: int) -> int | None:
    """Pass signals on; return the program's exit code, or None when stdin has ended."""
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 512)
            code = _reap().get(program)
            if code is not None:
                return code
        if 0 in readable:
            numbers = os.read(0, 64)
            if not numbers:
                return None
            for number in numbers:
                _signal_group(program, number)


def _reap() -> dict[int, int]:
    """Reap what has ended, and return the exit codes by process."""
    codes: dict[int, int] = {}
    while True:
        try:
            child, state = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if child == 0:
            return codes
        codes[child] = os.waitstatus_to_exitcode(state)


def _signal_group(program: int, number: int) -> None:
    with contextlib.suppress(OSError):  # it has ended, or belongs to another user
        os.killpg(program, number)


def _kill_all(program: int) -> None:
    """Kill the program's group and, on Linux, whatever else is left of it, until nothing is."""
    _signal_group(program, signal.SIGKILL)
    while _has_children():
        for child in _children():
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        select.select([], [], [], _LOOKS_EVERY)


def _has_children() -> bool:
    _reap()
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    """Return the processes whose parent this is; elsewhere than on Linux only the program is, and it is dead."""
    if not _LINUX:
        return []
    found: list[int] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes as long to load as all the rest
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            if parent == os.getpid():
                found.append(int(name))
    return found


def _tell(status: int, line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the tree's process is gone
        os.write(status, line.encode() + b"\n")


if __name__ == "__main__":
    main()
