"""The threads that encode: at most 3 at once in a process, however many monitors it runs, because each needs memory.

Each monitor runs trio in a thread of its own, so trio's limiters cannot be shared between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

import trio

ENCODINGS: Final = 3
"""The most encodings at once."""

T = TypeVar("T")


class _Pool:
    """The process's executor, made when it is first needed; threads do not survive a fork."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, function: Callable[[], T]) -> Future[T]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(ENCODINGS, thread_name_prefix="ds-actors-encoding")
        return self._executor.submit(function)

    def forget(self) -> None:
        self._executor = None


_POOL: Final = _Pool()
os.register_at_fork(after_in_child=_POOL.forget)


async def run_encoding(function: Callable[[], T]) -> T:
    """Run a blocking function in one of the process's encoding threads, and return its result.

    When cancelled, a function that waits for a thread never runs, and the result of a running one is dropped.
    """
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()
    future = _POOL.submit(function)
    future.add_done_callback(partial(_wake, token, done))
    try:
        await done.wait()
    except BaseException:
        future.cancel()
        raise
    try:
        return future.result()
    finally:
        del future  # an error would keep it, and with it the frame, in a cycle


def _wake(token: trio.lowlevel.TrioToken, done: trio.Event, _future: object) -> None:
    with suppress(trio.RunFinishedError):  # the monitor is closed, so the result is of no use
        token.run_sync_soon(done.set)
