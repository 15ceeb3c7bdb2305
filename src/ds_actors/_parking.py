"""Actors without a task: when one is woken, how long its task stays, and what bounds how many begin at once.

An actor that overrides no hook needs a task only while it handles messages. Between them it is *parked*: its cell has
the incarnation itself as the receiver (invariant 7 of `_cell`), so that what would wake a waiting task makes a task.
The first time, that task ends as soon as the mailbox is empty. An actor that is woken again keeps its task until it has
waited for nothing from one sweep to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Final, Protocol, TypeGuard, cast

import trio

from ds_actors._actor import Actor
from ds_actors._conflate import Conflate
from ds_actors._queue_mailboxes import DropOldest, Latest, Reject
from ds_actors._standby import Standby
from ds_actors._timers import Timers

SWEEP_PERIOD: Final = 5.0
"""Seconds between two looks at the tasks that wait."""

IN_A_ROW: Final = 128
"""Starts and stops without a task that may follow one another without a turn of the scheduler, and tasks that are made
before the first of them runs."""

_ACTOR = cast("type[Actor[Any]]", Actor)
_STARTED: Final[object] = _ACTOR.started
_RUN: Final[object] = _ACTOR.run
_STOPPING: Final[object] = _ACTOR.stopping

_ABSENT: Final = object()
_MAILBOXES: Final = frozenset({Reject, DropOldest, Latest, Conflate})


def _is_actor_class(kind: object) -> TypeGuard[type[Actor[Any]]]:
    return isinstance(kind, type) and issubclass(kind, Actor)


def has_no_hooks(kind: object) -> bool:
    """Return whether this is a class of actors that inherits every hook from `Actor`."""
    if not _is_actor_class(kind):
        return False
    return kind.started is _STARTED and kind.run is _RUN and kind.stopping is _STOPPING


def inherits(actor: Actor[object], hook: str) -> bool:
    """Return whether a hook is Actor's own, which needs neither a scope nor a frame."""
    return getattr(getattr(actor, hook), "__func__", None) is getattr(Actor, hook)


def inherits_all(actor: Actor[object]) -> bool:
    """Return whether all hooks are Actor's own: also an instance may have one."""
    # Its __dict__ is not asked: an instance has none before that, and a million of them would take 64 MB.
    return (
        getattr(actor.run, "__func__", None) is _RUN
        and getattr(actor.started, "__func__", None) is _STARTED
        and getattr(actor.stopping, "__func__", None) is _STOPPING
    )


def may_park(mailbox: object) -> bool:
    """Return whether a mailbox is the library's own: only of those it is known what they do when no task takes."""
    return type(mailbox) in _MAILBOXES


def _same(context: Context, other: Context) -> bool:
    """Return whether both have the same objects: equal ones may be changed apart, and may refuse to be compared."""
    return len(context) == len(other) and (
        not context or all(other.get(var, _ABSENT) is value for var, value in context.items())
    )


class Parkable(Protocol):
    """What this module knows of an incarnation."""

    context: Context | None

    @property
    def passes(self) -> bool: ...
    def handle(self, task: trio.lowlevel.Task, scope: trio.CancelScope) -> Awaitable[object]: ...
    def fail(self, error: BaseException) -> None: ...
    def parks_again(self) -> bool: ...
    def look(self) -> bool: ...


class Parking:
    """The parked actors of one supervisor.

    Args:
        standby: what handles first messages.
        run: what a task does; called with the incarnation.
        end: what ends an incarnation in the standby.
    """

    def __init__(
        self,
        standby: Standby,
        run: Callable[[Any], Awaitable[None]],
        end: Callable[[Any], Coroutine[Any, Any, None]],
    ) -> None:
        self._standby = standby
        self._run = run
        self._end = end
        self._nursery: trio.Nursery | None = None
        self._timers: Timers | None = None
        self._in_a_row = 0
        self._unstarted = 0
        self._woken: deque[tuple[Parkable, str]] = deque()
        self._lingering: dict[Parkable, None] = {}
        self._sweeps = False
        self._shared: Context | None = None

    def open(self, nursery: trio.Nursery, timers: Timers) -> None:
        """Let tasks run in this nursery, and sweeps be timed by these timers."""
        self._nursery, self._timers = nursery, timers

    def takes_no_turn(self) -> bool:
        """Return whether one more start or stop may go without a turn of the scheduler."""
        self._in_a_row = (self._in_a_row + 1) % IN_A_ROW
        return self._in_a_row > 0

    def share(self, context: Context) -> Context:
        """Return a context with the same values: one object serves all siblings that changed nothing."""
        if self._shared is None or not _same(self._shared, context):
            self._shared = context
        return self._shared

    def resume(self, incarnation: Parkable, name: str) -> None:
        """Make a task for a parked actor; when many are woken at once, some begin before the others get theirs."""
        context = incarnation.context
        assert context is not None
        if incarnation.passes and self._standby.give(incarnation, name, context, self._end):
            return
        if self._unstarted >= IN_A_ROW:
            self._woken.append((incarnation, name))
            return
        self._unstarted += 1
        # A task gets a copy of the current context. This one may be current already, and is entered as a copy.
        context.copy().run(self._start, incarnation, name)

    def _start(self, incarnation: Parkable, name: str) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self._run, incarnation, name=name)

    def begin(self) -> None:
        """Note that the task of a parked actor runs, which is the turn of one that waits for its task."""
        self._unstarted -= 1
        while self._woken and self._unstarted < IN_A_ROW:  # the standby may take some of them
            self.resume(*self._woken.popleft())

    def keep(self, incarnation: Parkable) -> None:
        """Let an actor's task wait until a sweep ends that."""
        self._lingering[incarnation] = None
        if not self._sweeps:
            self._plan_sweep()

    def forget(self, incarnation: Parkable) -> None:
        """Note that an actor's task ends."""
        self._lingering.pop(incarnation, None)

    def _sweep(self) -> None:
        self._lingering = {incarnation: None for incarnation in self._lingering if incarnation.look()}
        self._sweeps = False
        if self._lingering:
            self._plan_sweep()

    def _plan_sweep(self) -> None:
        assert self._timers is not None
        self._sweeps = True
        self._timers.set(trio.current_time() + SWEEP_PERIOD, self._sweep)
