"""Processes that a test started, found by a mark in their environment, wherever they have gone."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

MARK = "DS_ACTORS_TEST_MARK"


def new_mark() -> str:
    """Return a value for the variable `MARK` that no other test has."""
    return uuid.uuid4().hex


def marked(mark: str) -> dict[int, str]:
    """Return the living processes that inherited a mark: their command lines by process id."""
    wanted, found = f"{MARK}={mark}".encode(), dict[int, str]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def all_marked(mark: str, count: int, within: float = 30.0) -> dict[int, str]:
    """Return the marked processes as soon as there are as many; a process shows no environment while it calls exec.

    Raises:
        TimeoutError: when their number is another one all the time.
    """
    until = time.monotonic() + within
    while len(found := marked(mark)) != count:
        if time.monotonic() > until:
            msg = f"{len(found)} marked processes, not {count}: {found}"
            raise TimeoutError(msg)
        time.sleep(0.02)
    return found


def left_of(mark: str, within: float = 30.0) -> dict[int, str]:
    """Wait until none of the marked processes is left; return those that are left in spite of that."""
    until = time.monotonic() + within
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.02)
    return left
