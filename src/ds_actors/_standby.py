"""The standby: one task of a tree that handles first messages of parked actors, one actor after the other.

A task of its own for each would cost three times as much: a spawn, a cancel scope, an end. The standby keeps its scope
as long as all goes well. An actor that crashes, stops or is cancelled in it takes it along to its end, as it would its
own task; the next first message then makes a new one. While the standby is busy, others get tasks of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final, Protocol, cast

import trio

# What trio binds to a task, of which it shows nothing in public: the locks that it holds, and its open cancel scopes.
_HOLDERS: Final = cast(
    "Collection[trio.lowlevel.Task]",
    getattr(sys.modules.get("trio._core._parking_lot"), "GLOBAL_PARKING_LOT_BREAKER", ()),
)
_SCOPES: Final = "_cancel_status"


class Passing(Protocol):
    """An actor that needs a task until its mailbox is empty."""

    def handle(self, task: trio.lowlevel.Task, scope: trio.CancelScope) -> Awaitable[object]: ...
    def fail(self, error: BaseException) -> None: ...
    def parks_again(self) -> bool: ...


class Standby:
    """The standby of one tree."""

    __slots__ = ("_alive", "_end", "_given", "_home", "_nursery", "_task")

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._home: Context | None = None
        self._alive = False
        self._task: trio.lowlevel.Task | None = None
        """The task, while it waits for an actor."""
        self._given: Passing | None = None
        self._end: Callable[[Any], Coroutine[Any, Any, None]] | None = None

    def open(self, nursery: trio.Nursery) -> bool:
        """Begin to wait in the root's nursery; return False when it is open already."""
        if self._nursery is not None:
            return False
        self._nursery, self._home = nursery, copy_context()
        self._spawn("standby")
        return True

    def close(self) -> None:
        """End the task, which is idle when the tree has stopped."""
        self._nursery = None
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def give(
        self, actor: Passing, name: str, context: Context, end: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> bool:
        """Handle an actor's messages in a copy of this context, or return False while another actor has the task.

        Args:
            actor: what is to be handled.
            name: of the task meanwhile.
            context: the actor's context variables.
            end: called with the actor when it is not to be parked again.
        """
        if self._nursery is None or (self._alive and self._task is None):
            return False
        self._given, self._end = actor, end
        if self._task is None:
            context.copy().run(self._spawn, name)
            return True
        task, self._task = self._task, None
        task.context, task.name = context.copy(), name  # trio reads both at the task's next step
        trio.lowlevel.reschedule(task)
        return True

    def _spawn(self, name: str) -> None:
        assert self._nursery is not None
        self._alive = True
        self._nursery.start_soon(self._run, name=name)

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        task = trio.lowlevel.current_task()
        actor: Passing | None = None
        try:
            with trio.CancelScope(shield=True) as scope:
                opened = getattr(task, _SCOPES, None)
                while True:
                    if self._given is None and self._nursery is not None:
                        assert self._home is not None
                        task.context, self._task = self._home, task
                        try:
                            await trio.lowlevel.wait_task_rescheduled(_never)
                        except BaseException:  # from a test kit, which breaks out of a deadlock
                            self._alive, self._task = False, None
                            raise
                    if self._nursery is None:
                        return
                    actor, self._given = self._given, None
                    assert actor is not None
                    await actor.handle(task, scope)
                    if getattr(task, _SCOPES, None) is not opened or not actor.parks_again():
                        break
                    actor = None
                    if task in _HOLDERS:
                        self._alive = False
                        return
        except BaseException as error:
            if actor is None:
                raise
            actor.fail(error)
        assert actor is not None
        assert self._end is not None
        self._alive = False
        await self._end(actor)


def _never(_: object) -> trio.lowlevel.Abort:  # pragma: no cover - shielded, and not cancelled while it waits
    return trio.lowlevel.Abort.FAILED
