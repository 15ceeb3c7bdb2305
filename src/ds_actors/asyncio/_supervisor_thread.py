"""A supervised tree as a block on an asyncio loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar, TypeVarTuple

import trio

from ds_actors._errors import AskTimeout
from ds_actors._exits import combine
from ds_actors._mailbox import Envelope
from ds_actors._ref import ActorRef, Asks
from ds_actors._supervisor import Supervisor
from ds_actors.asyncio._loop_bridge import LoopBridge, LoopClosed
from ds_actors.asyncio._loop_slot import LoopSlot
from ds_actors.asyncio._trio_call import TreeEnded, TrioCall
from ds_actors.asyncio._trio_thread import TrioThread

logger = logging.getLogger("ds_actors.asyncio")

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CANCEL_WITHIN: Final = 2.0
"""Seconds that a cancelled call waits for its function to end in trio."""
LEAVE_WITHIN: Final = 2.0
"""Seconds beyond the tree's own `close_within` after which the block leaves a thread behind that does not end."""


class SupervisorThread:
    """Runs a `Supervisor`'s block in trio, in a thread of its own, for as long as an `async with` block on the loop.

    No method blocks the loop, however busy trio is. All of them belong to the loop whose block it is. References are
    plain `ActorRef`s, which actors and the loop may pass to each other.

    Args:
        supervisor: a new one, whose own block was not entered.
        bridge: for actors that call the loop, made on it before them; None makes one.

    Raises:
        StartFailed: from the block's start, as in trio.
        RestartLimitReached: from the block's end, as in trio, after the body was cancelled. An error in the body comes
            out too; both together come out as a group.
        LoopClosed: from the block's end, after the body was cancelled: a task of the loop that an actor had called was
            cancelled there, which stops the tree.

    Example:
        ```python
        async with SupervisorThread(Supervisor("app")) as app:
            counter = await app.run(lambda: app.supervisor.start(Counter))
            app.tell(counter, Add(2))
            total = await app.ask(counter, Total(), timeout=1)
        ```
    """

    def __init__(self, supervisor: Supervisor, *, bridge: LoopBridge | None = None) -> None:
        self.supervisor: Supervisor = supervisor
        self._bridge = bridge
        self._thread = TrioThread()
        self._stop = trio.Event()
        self._calls: trio.Nursery | None = None
        """Where calls run, while they may begin; trio's."""
        self._host: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._begun = False
        self._in_body = False
        self._over = False
        self._interrupted = False
        """The tree ended by itself, and has cancelled the block's body."""
        self._error: BaseException | None = None

    @property
    def bridge(self) -> LoopBridge:
        """The bridge on which actors call the loop.

        Raises:
            RuntimeError: before the block.
        """
        if self._bridge is None:
            raise RuntimeError("a SupervisorThread has its loop from its block; make a LoopBridge for earlier use")
        return self._bridge

    # ---- the block

    async def __aenter__(self) -> Self:
        if self._host is not None:
            raise RuntimeError("a SupervisorThread's block can be entered once; make a new one")
        self._bridge = self._bridge or LoopBridge()
        self._host = asyncio.current_task()
        assert self._host is not None
        self._check_loop()
        self._cancelling = self._host.cancelling()
        try:
            await self._thread.start(self._run)
        except asyncio.CancelledError:
            await self._leave()
            raise
        self._begun = self._in_body = True
        if self._over:
            self._cancel_body()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._in_body = False
        cancelled = await self._leave()
        assert self._host is not None
        ours = False
        if self._interrupted:
            # As in asyncio.timeout: the cancellation is ours when no one else cancelled the task as well. A body that
            # waited for nothing has left it to `_leave`.
            others = self._host.uncancel() > self._cancelling
            ours = kind is asyncio.CancelledError and not others
            cancelled = cancelled and others
        body = None if ours else error
        if body is None and cancelled:
            body = asyncio.CancelledError()
        final = _telling(body, self._error)
        if final is None or final is error:
            return ours
        raise final

    async def _leave(self) -> bool:
        """Wait for the tree's end; return whether this was cancelled meanwhile."""
        self.bridge.tell(self._stop.set)
        leaving, cancelled = self._thread.leave(), False
        until = self.bridge.loop.time() + self.supervisor.close_within + LEAVE_WITHIN
        while not leaving.done():
            try:
                await asyncio.wait({leaving}, timeout=max(0.0, until - self.bridge.loop.time()))
            except asyncio.CancelledError:
                cancelled = True  # the tree's stop has its own limit
            if not leaving.done() and self.bridge.loop.time() >= until:
                logger.error("%s did not stop in time: its thread is left behind, and blocks trio", self)
                break
        return cancelled

    def __repr__(self) -> str:
        return f"<SupervisorThread {self.supervisor.path}>"

    # ---- from the loop

    def tell(self, actor: ActorRef[M], message: M, /) -> None:
        """Put a message into an actor's mailbox soon. The caller does not learn whether it was accepted.

        Raises:
            TreeEnded: when the tree has ended.
            RuntimeError: when called before the block, outside of its loop, or with an actor of another tree.
        """
        self._check_loop()
        self._put(actor, message)

    async def ask(self, actor: ActorRef[M], request: Asks[M, R], /, *, timeout: float) -> R:
        """Put a request into an actor's mailbox and return its reply, waiting `timeout` seconds at most.

        Raises:
            AskFailed, AskDropped, AskTimeout, ActorStopped: as `ActorRef.ask` does.
            TreeEnded: when the tree has ended.
            RuntimeError: when called before the block, outside of its loop, or with an actor of another tree.
            ValueError: for a timeout that is negative or no number.
        """
        self._check_loop()
        if not timeout >= 0:
            raise ValueError(f"an ask's timeout is in seconds, 0 or more, not {timeout!r}")
        slot = LoopSlot(self.bridge)
        # Not a call: its task would put the request behind what is told meanwhile.
        self._put(actor, Envelope(request, slot))
        try:
            async with asyncio.timeout(timeout):
                await slot.arrived
        except TimeoutError:
            if not slot.ended:
                raise AskTimeout(f"{actor.path} did not answer {type(request).__name__} within {timeout:g} s") from None
        finally:
            self.bridge.tell(slot.close)
        reply: R = slot.take()
        return reply

    async def run(self, function: Callable[[*Ts], Awaitable[T]], /, *args: *Ts) -> T:
        """Run an async function in trio, and return what it returns, or raise what it raises.

        When this call is cancelled, it cancels the function and waits at most 2 s until the function has ended.

        Raises:
            TreeEnded: when the tree has ended, or ends meanwhile.
            RuntimeError: when called before the block, or outside of its loop.
        """
        self._check_loop()
        call = TrioCall(self.bridge, partial(function, *args))
        self._tell(self._begin, call)
        try:
            await asyncio.shield(call.ended)
        except asyncio.CancelledError:
            self.bridge.tell(call.cancel)
            await asyncio.wait({call.ended}, timeout=CANCEL_WITHIN)
            raise
        return call.result()

    async def run_sync(self, function: Callable[[*Ts], T], /, *args: *Ts) -> T:
        """Call a function in trio's thread, which must not block, and return what it returns.

        Raises:
            TreeEnded, RuntimeError: as `run` does.
        """

        async def called() -> T:
            return function(*args)

        return await self.run(called)

    def _put(self, actor: ActorRef[Any], item: object) -> None:
        cell = actor._cell  # noqa: SLF001 - the library's own way in
        if self._begun and cell.token is not self.bridge.token:
            raise RuntimeError(
                f"{actor.path} belongs to another tree than {self.supervisor.path}: use that tree's block"
            )
        self._tell(cell.put_from_thread, item)

    def _tell(self, function: Callable[..., object], argument: object) -> None:
        if not self._begun:
            raise RuntimeError(f"{self} has not begun: enter its block first")
        # In the caller's context, so that the variables of a request, or its trace, are known in trio too.
        if not self.bridge.tell(copy_context().run, function, argument):
            raise TreeEnded(f"{self.supervisor.path} has ended")

    def _check_loop(self) -> None:
        loop = self.bridge.loop
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not loop:
            raise RuntimeError(
                f"{self} belongs to the loop of its block; from another thread use"
                " asyncio.run_coroutine_threadsafe, from an actor the actors' own references"
            )

    # ---- in trio

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.bridge.attach()
        started = False
        try:
            async with self.supervisor, trio.open_nursery() as calls:
                self._calls = calls
                try:
                    calls.start_soon(self._stop_without_loop)
                    started = True
                    task_status.started()
                    await self._stop.wait()
                finally:
                    self._calls = None
                calls.cancel_scope.cancel()
        except BaseException as error:
            if not started:
                raise
            self._error = error
        self.bridge.post(self._tree_ended)

    async def _stop_without_loop(self) -> None:
        await self.bridge.wait_lost()
        self._error = LoopClosed("the loop is closed, or it cancelled a task that an actor had called")
        self._stop.set()

    def _begin(self, call: TrioCall[Any]) -> None:
        call.begin(self._calls)

    def _tree_ended(self) -> None:
        self._over = True
        if self._in_body:
            self._cancel_body()

    def _cancel_body(self) -> None:
        assert self._host is not None
        self._interrupted = True
        self._host.cancel()


def _telling(body: BaseException | None, tree: BaseException | None) -> BaseException | None:
    """Return what comes out of the block: a cancellation adds nothing to the tree's error.

    A loop that ends cancels its tasks, an actor's among them: then the cancellation says it all.
    """
    if isinstance(body, asyncio.CancelledError) and tree is not None:
        return body if isinstance(tree, LoopClosed) else tree
    return combine([error for error in (body, tree) if error is not None], "the block and its tree failed")
