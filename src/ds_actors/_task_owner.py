"""The tasks of one incarnation: its own, those that it spawned, and how all of them end."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

from ds_actors._cell import Cell
from ds_actors._message_handler import MessageHandler, call_hook
from ds_actors._parking import Parking


class IncarnationParent(Protocol):
    """What an incarnation uses of its supervisor."""

    @property
    def parking(self) -> Parking: ...

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> None: ...
    def make_ref(self) -> Any: ...
    def has_crashed(self, cell: Cell, /) -> None: ...


class TaskOwner(MessageHandler):
    """What an incarnation does with its tasks.

    A failure of one cancels the others; they are judged where the incarnation ends.
    """

    __slots__ = ("_asked_to_stop", "_failures", "_killed", "_parent", "_scope", "_tasks", "_tasks_done")

    def __init__(self, cell: Cell, parent: IncarnationParent, *, drain: bool) -> None:
        super().__init__(cell, drain=drain)
        self._parent = parent
        self._asked_to_stop = False
        self._killed = False
        self._failures: tuple[BaseException, ...] = ()
        # A parked actor has none of these, and there may be a million.
        self._scope: trio.CancelScope | None = None
        self._tasks: dict[trio.CancelScope, None] | None = None
        self._tasks_done: trio.Event | None = None

    def kill(self) -> None:
        """Cancel whatever still runs; trio offers nothing stronger."""
        self._killed = True
        self._cancel()
        for scope in self._tasks or ():
            scope.cancel()

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
        self.cell.wake_receiver()  # an actor that is parked or idle waits outside of any scope

    def _is_cancelled(self) -> bool:
        return self._killed or bool(self._failures)

    def _new_scope(self, deadline: float = math.inf) -> trio.CancelScope:
        """Return a scope for what the actor does next, which is cancelled where the incarnation is."""
        scope = self._scope = trio.CancelScope(shield=True, deadline=deadline)
        if self._is_cancelled():
            scope.cancel()
        return scope

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> trio.CancelScope:
        self.check_current()
        given: object = function
        if not callable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("spawn takes a function and its arguments, as in spawn(f, x), and not the call f(x)")
        scope = trio.CancelScope(shield=True)
        self._add_task(scope)
        if self._killed or self._tasks_done is not None:  # tasks are being ended: this one ends at its first checkpoint
            scope.cancel()
        self._parent.spawn(self._task, scope, function, args)
        return scope

    @trio.lowlevel.enable_ki_protection
    async def _task(
        self, scope: trio.CancelScope, function: Callable[..., Awaitable[object]], args: tuple[Any, ...]
    ) -> None:
        try:
            with scope:
                await call_hook(function, *args)
        except BaseException as error:  # noqa: BLE001 - judged, and raised where the incarnation ends
            self._failures += (error,)
            self._cancel()
            self._note_crash()
        finally:
            self._remove_task(scope)
            if not self._tasks and self._tasks_done is not None:
                self._tasks_done.set()

    def _add_task(self, scope: trio.CancelScope) -> None:
        if self._tasks is None:
            self._tasks = {}
        self._tasks[scope] = None

    def _remove_task(self, scope: trio.CancelScope) -> None:
        assert self._tasks is not None
        del self._tasks[scope]

    def _note_crash(self) -> None:
        if not self._asked_to_stop:  # else the deadline of the stop names what stays
            self._parent.has_crashed(self.cell)

    def check_current(self) -> None:
        """Refuse a caller from elsewhere, and a context that outlived its incarnation.

        Raises:
            RuntimeError: naming what is wrong.
        """
        self.cell.check_run()
        if self._over:
            raise RuntimeError(f"this incarnation of {self.cell.path} is over; the new one has its own context")

    async def _end_tasks(self) -> None:
        self._tasks_done = trio.Event()
        for scope in self._tasks or ():
            scope.cancel()
        self._note_crash()
        with trio.CancelScope(shield=True):
            await self._tasks_done.wait()
        self._tasks_done = None
