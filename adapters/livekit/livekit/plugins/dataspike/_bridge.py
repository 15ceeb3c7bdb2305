"""The bridge between the agent's asyncio loop and trio, which runs in its own daemon thread.

    asyncio                               trio
    TrioThread.start(main)  ───────────►  main(task_status=...)      entered and left in short-lived daemon threads
    LoopBridge.tell(f)      ───────────►  f()                        never blocks, never raises
    task of f()             ◄───────────  await LoopBridge.call(f)   cancelled both ways
    f()                     ◄───────────  LoopBridge.post(f)

No call here blocks the loop, however busy trio is. When one side ends, the other does not keep waiting for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import importlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, Generic, TypeVar

import trio
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

logger = logging.getLogger("livekit.plugins.dataspike")

with suppress(ImportError):
    # anyio imports its backend at first use: in the middle of a call, and half a second of it would slow the loop.
    importlib.import_module("anyio._backends._trio")

T = TypeVar("T")

CANCEL_WITHIN: Final = 2.0
"""Seconds that a cancelled call waits for its task to end on the loop."""
LOOK_EVERY: Final = 0.25
"""Seconds between two checks whether the loop is closed, because a loop does not announce it."""


class LoopClosed(Exception):
    """The agent's loop is closed, or it cancelled a call's task."""


class LoopBridge:
    """Runs coroutines on an asyncio loop for trio, and functions on either side for the other.

    Make it on the loop; its coroutines get the context of that moment. Call `attach` in trio before the first use, and
    keep `wait_lost` running there: a loop does not announce its end, and this task ends the calls under way.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._token: trio.lowlevel.TrioToken | None = None
        self._lost = trio.Event()
        self._calls: set[_Call[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        """The tasks of the calls; only the loop changes this set."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The agent's loop."""
        return self._loop

    def attach(self) -> None:
        """Remember the trio run of the caller."""
        self._token = trio.lowlevel.current_trio_token()

    # ---- from trio

    async def call(self, function: Callable[..., Coroutine[Any, Any, T]], /, *args: object) -> T:
        """Run a coroutine function as a task on the loop and return what it returns, or raise what it raises.

        When this call is cancelled, it cancels the task and waits at most 2 s until the task has ended.

        Raises:
            LoopClosed: when the loop is closed, or the loop's side cancels the task.
        """
        if self._lost.is_set():
            await trio.lowlevel.checkpoint()
            raise LoopClosed
        call = _Call(self, function, args)
        self._calls.add(call)
        try:
            if not self.post(call.begin):
                self.lose()
            try:
                await call.ended.wait()
            except trio.Cancelled:
                self.post(call.cancel)
                with trio.move_on_after(CANCEL_WITHIN, shield=True):
                    await call.ended.wait()
                raise
        finally:
            self._calls.discard(call)
        try:
            return call.outcome()
        except LoopClosed:
            self.lose()
            raise

    def post(self, function: Callable[..., object], /, *args: object) -> bool:
        """Have the loop call a function soon; False when the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(function, *args, context=self._context)
        except RuntimeError:
            return False
        return True

    async def wait_lost(self) -> None:
        """Wait until the loop is closed, or has cancelled a call's task."""
        while not self._lost.is_set():
            if self._loop.is_closed():
                self.lose()
            with trio.move_on_after(LOOK_EVERY):
                await self._lost.wait()

    def lose(self) -> None:
        """End all calls under way with LoopClosed, and refuse new ones."""
        self._lost.set()
        for call in self._calls:
            call.ended.set()

    # ---- from the loop

    def tell(self, function: Callable[..., object], /, *args: object) -> bool:
        """Have trio call a function soon, and log its exception; False when trio does not run."""
        if self._token is None:
            return False
        try:
            self._token.run_sync_soon(_guarded, function, args)
        except trio.RunFinishedError:
            return False
        return True

    def awaits_this(self) -> bool:
        """Return whether trio waits for the current task."""
        return asyncio.current_task() in self._tasks

    def start_task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task on the loop, in a copy of the bridge's context."""
        return self._loop.create_task(coroutine, context=self._context.copy())

    def start_call(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start the task of a call."""
        task = self.start_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _guarded(function: Callable[..., object], args: tuple[object, ...]) -> None:
    # An exception that escapes here becomes a TrioInternalError and ends the run.
    try:
        function(*args)
    except Exception:
        logger.exception("a call from the agent's loop failed")


class _Call(Generic[T]):
    """One coroutine on the loop, seen from trio."""

    def __init__(self, bridge: LoopBridge, function: Callable[..., Coroutine[Any, Any, T]], args: tuple[object, ...]):
        self.ended = trio.Event()
        self._bridge = bridge
        self._function = function
        self._args = args
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def begin(self) -> None:
        """On the loop: start the task, unless the call was cancelled before."""
        if self._cancelled:
            self._bridge.tell(self.ended.set)
            return
        self._task = self._bridge.start_call(self._run())
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """On the loop: cancel the task."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def outcome(self) -> T:
        """In trio, after the end: return the task's result or raise its exception."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            raise LoopClosed
        return self._task.result()

    async def _run(self) -> T:
        try:
            return await self._function(*self._args)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # A cancelled future was awaited, for instance: this task itself was not cancelled.
            raise RuntimeError("the coroutine ended as cancelled although it was not cancelled") from error

    def _done(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved: trio fetches it, or the call was cancelled
        self._bridge.tell(self.ended.set)


class TrioThread:
    """A trio run in a daemon thread. Entering and leaving it do not block the loop.

    Not `asyncio.to_thread`: the loop joins its threads at the end, so a stuck trio side would hang the job.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._manager: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._ended: concurrent.futures.Future[None] | None = None
        self._left: asyncio.Future[None] | None = None
        self._lock = threading.Lock()
        """Makes leaving wait for entering; only their two threads ever hold it."""

    async def start(self, main: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Run `main(task_status=...)` in trio and return when it has called `task_status.started()`.

        The run ends when `main` ends. An exception before `started()` is raised here.
        """
        entering = in_daemon_thread(lambda: self._enter(main))
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            entering.add_done_callback(_retrieve)
            self.leave()
            raise

    def leave(self) -> asyncio.Future[None]:
        """Return a future that is done when the run's thread has ended; `main` must end by itself."""
        if self._left is None:
            self._left = in_daemon_thread(self._leave)
        return self._left

    def _enter(self, main: Callable[..., Coroutine[Any, Any, None]]) -> None:
        with self._lock:
            self._manager = start_blocking_portal("trio", name="dataspike-trio")
            self._portal = self._manager.__enter__()
            try:
                self._ended, _ = self._portal.start_task(self._run, main)
            except BaseException:
                self._exit()
                raise

    async def _run(self, main: Callable[..., Coroutine[Any, Any, None]], *, task_status: TaskStatus[None]) -> None:
        assert self._portal is not None
        try:
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

    threading.Thread(target=run, name="dataspike-bridge", daemon=True).start()
    return future
