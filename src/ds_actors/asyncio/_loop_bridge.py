"""The bridge to an asyncio loop, for trio in another thread.

    asyncio                               trio
    LoopBridge.tell(f)      ───────────►  f()                        never blocks, never raises
    task of f()             ◄───────────  await LoopBridge.call(f)   cancelled both ways
    f()                     ◄───────────  LoopBridge.post(f)

No call here blocks the loop, however busy trio is. When one side ends, the other does not keep waiting for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

import trio

logger = logging.getLogger("ds_actors.asyncio")

T = TypeVar("T")

CANCEL_WITHIN: Final = 2.0
"""Seconds that a cancelled call waits for its task to end on the loop."""
LOOK_EVERY: Final = 0.25
"""Seconds between two checks whether the loop is closed, because a loop does not announce it."""


class LoopClosed(Exception):
    """The loop is closed, or it cancelled a call's task."""


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
        """The loop."""
        return self._loop

    @property
    def token(self) -> trio.lowlevel.TrioToken | None:
        """The trio run that uses it; None before `attach`."""
        return self._token

    def attach(self) -> None:
        """Remember the trio run of the caller.

        Raises:
            RuntimeError: while another run uses the bridge.
        """
        token = trio.lowlevel.current_trio_token()
        if token is not self._token and self.tell(_nothing):
            raise RuntimeError("a LoopBridge serves one trio run at a time; make another one")
        self._token = token

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


def _nothing() -> None:
    pass


def _guarded(function: Callable[..., object], args: tuple[object, ...]) -> None:
    # An exception that escapes here becomes a TrioInternalError and ends the run.
    try:
        function(*args)
    except Exception:
        logger.exception("a call from the asyncio loop failed")


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
