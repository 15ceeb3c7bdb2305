"""Wait for a condition instead of for a time: each helper returns as soon as it can, and fails at its deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

_EVERY = 0.01


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Block the thread until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            _fail(seconds)
        time.sleep(_EVERY)


async def until_in_trio(condition: Callable[[], object], seconds: float = 30) -> None:
    """Let other tasks run until the condition is true."""
    deadline = trio.current_time() + seconds
    while not condition():
        if trio.current_time() > deadline:
            _fail(seconds)
        await trio.sleep(_EVERY)


async def until_on_loop(condition: Callable[[], object], seconds: float = 30) -> None:
    """Let asyncio's loop run until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            _fail(seconds)
        await asyncio.sleep(_EVERY)


async def loop_idle() -> None:
    """Let asyncio's loop run until every other task waits for a timer, another thread or this one."""
    loop: Any = asyncio.get_running_loop()
    for _ in range(1_000):
        await asyncio.sleep(0)
        if not loop._ready:
            return
    pytest.fail("the loop was still busy after 1,000 turns")


def _fail(seconds: float) -> None:
    pytest.fail(f"the condition was not true within {seconds:g} s")
