"""A trio run in a thread of its own, beside an asyncio loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

with suppress(ImportError):
    # anyio imports its backend at first use: in the middle of a call, and half a second of it would slow the loop.
    importlib.import_module("anyio._backends._trio")

T = TypeVar("T")


class TrioThread:
    """A trio run in a daemon thread. Entering and leaving it do not block the loop.

    Not `asyncio.to_thread`: the loop joins its threads at the end, so a stuck trio side would hang the program.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._manager: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._ended: concurrent.futures.Future[None] | None = None
        self._left: asyncio.Future[None] | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        """Around `main`."""
        self._abandoned = False
        """The start was cancelled."""
        self._lock = threading.Lock()
        """Makes leaving wait for entering; only their two threads ever hold it."""

    async def start(self, main: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Run `main(task_status=...)` in trio and return when it has called `task_status.started()`.

        The run ends when `main` ends. An exception before `started()` is raised here. When this is cancelled, `main` is
        cancelled; the future of `leave` is done when the run's thread has ended.
        """
        entering = in_daemon_thread(lambda: self._enter(main))
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            entering.add_done_callback(_retrieve)
            self._abandon()
            self.leave()
            raise

    def leave(self) -> asyncio.Future[None]:
        """Return a future that is done when the run's thread has ended; `main` must end by itself."""
        if self._left is None:
            self._left = in_daemon_thread(self._leave)
        return self._left

    def _abandon(self) -> None:
        self._abandoned = True
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)

    def _enter(self, main: Callable[..., Coroutine[Any, Any, None]]) -> None:
        with self._lock:
            self._manager = start_blocking_portal("trio", name="ds-actors-trio")
            self._portal = self._manager.__enter__()
            try:
                self._ended, _ = self._portal.start_task(self._run, main)
            except BaseException:
                self._exit()
                raise

    async def _run(self, main: Callable[..., Coroutine[Any, Any, None]], *, task_status: trio.TaskStatus[None]) -> None:
        assert self._portal is not None
        self._token = trio.lowlevel.current_trio_token()
        if self._abandoned:  # before there was a run that could be told
            self._scope.cancel()
        try:
            with self._scope:
                await main(task_status=task_status)
        finally:
            await self._portal.stop()  # no checkpoint: it sets an event

    def _leave(self) -> None:
        if os.getpid() == self._pid:
            with self._lock:
                self._exit()

    def _exit(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            # A portal that stops by itself fails when it is also asked to stop: wait for its own end first.
            if self._ended is not None:
                concurrent.futures.wait([self._ended])
            manager.__exit__(None, None, None)


def _retrieve(future: asyncio.Future[Any]) -> None:
    # The caller has gone, so an exception needs no log line.
    if not future.cancelled():
        future.exception()


def in_daemon_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a function in its own daemon thread, which nothing joins at exit; the future gets its outcome."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:  # noqa: BLE001 - handed to the awaiter of the future
            error = raised
        with suppress(RuntimeError):  # the loop is closed, so there is no waiter
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="ds-actors-bridge", daemon=True).start()
    return future
