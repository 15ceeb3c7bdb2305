"""One incarnation of an actor, from its construction to the end of its last task."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import trio

from ds_actors._actor import Actor, Context, Inbox
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, Ignore
from ds_actors._exits import Exit, combine, judge
from ds_actors._mailbox import content
from ds_actors._message_handler import MessageHandler, call_hook

logger = logging.getLogger("ds_actors")


def _inherited(actor: Actor[Any], hook: str) -> bool:
    """Return whether a hook is Actor's own, which needs neither a scope nor a frame."""
    return getattr(getattr(actor, hook), "__func__", None) is getattr(Actor, hook)


@trio.lowlevel.disable_ki_protection
def _made(make: Callable[[], Actor[Any]]) -> Actor[Any]:
    return make()


# The descriptors that Actor's __slots__ made, whatever a subclass calls by their names.
_CONTEXT: Any = Actor.__dict__["context"]
_INBOX: Any = Actor.__dict__["inbox"]


class IncarnationParent(Protocol):
    """What an incarnation uses of its supervisor."""

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> None: ...
    def make_ref(self) -> Any: ...
    def has_crashed(self, cell: Cell, /) -> None: ...


class Incarnation(MessageHandler):
    """One incarnation of an actor; `live` runs it and returns how it ended."""

    __slots__ = (
        "_asked_to_stop",
        "_deadline",
        "_expected",
        "_failures",
        "_grace",
        "_ignored",
        "_killed",
        "_make",
        "_parent",
        "_scope",
        "_start_timeout",
        "_stop_asked",
        "_tasks",
        "_tasks_done",
        "healthy",
        "number",
        "ready_at",
    )

    def __init__(
        self,
        cell: Cell,
        number: int,
        make: Callable[[], Actor[Any]],
        *,
        grace: float,
        drain: bool,
        start_timeout: float,
        expected: tuple[type[Exception], ...],
        parent: IncarnationParent,
    ) -> None:
        super().__init__(cell, drain=drain)
        self.number: int = number
        self.healthy: bool = True
        self.ready_at: float | None = None
        self._make = make
        self._grace = grace
        self._start_timeout = start_timeout
        self._expected = expected
        self._parent = parent
        self._scope = trio.CancelScope(shield=True)
        # Dicts as ordered sets: an empty one takes a third of an empty set's memory.
        self._tasks: dict[trio.CancelScope, None] = {}
        self._tasks_done: trio.Event | None = None
        self._failures: list[BaseException] = []
        self._asked_to_stop = False
        self._ignored = False
        self._stop_asked: trio.Event | None = None
        self._deadline: float | None = None
        self._killed = False

    # ---- what the supervisor calls

    def stop(self, deadline: float, *, again: bool = False) -> None:
        """Ask for an orderly end; at `deadline` (trio's clock, seconds) the scopes are cancelled.

        With `again` the next incarnation takes over the mailbox, so that there is nothing to drain.
        """
        self._asked_to_stop = True
        self._drain = self._drain and not again
        self.cut(deadline)
        self._request_stop()

    def _request_stop(self) -> None:
        if self._stop_asked is not None:
            self._stop_asked.set()
        self.cell.request_stop()

    def cut(self, deadline: float) -> None:
        """Shorten the time left to stop."""
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)

    def kill(self) -> None:
        """Cancel whatever still runs; trio offers nothing stronger."""
        self._killed = True
        self._scope.cancel()
        for scope in self._tasks:
            scope.cancel()

    def runs(self, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        """Return whether a task is that of this actor; with `starting`, only while it is not ready yet."""
        return self.cell.task is task and not (starting and self.ready_at is not None)

    @property
    def deadline(self) -> float:
        """When it is cancelled, on trio's clock (seconds)."""
        return math.inf if self._deadline is None else self._deadline

    @property
    def killed(self) -> bool:
        """Whether it was cancelled."""
        return self._killed

    # ---- what the actor calls through its context and inbox

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> trio.CancelScope:
        self.check_current()
        given: object = function
        if not callable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("spawn takes a function and its arguments, as in spawn(f, x), and not the call f(x)")
        scope = trio.CancelScope(shield=True)
        self._tasks[scope] = None
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
            self._failures.append(error)
            self._scope.cancel()
            self._note_crash()
        finally:
            self._tasks.pop(scope, None)
            if not self._tasks and self._tasks_done is not None:
                self._tasks_done.set()

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

    @property
    def supervisor(self) -> Any:
        """A reference to the supervisor."""
        return self._parent.make_ref()

    @property
    def stop_asked(self) -> trio.Event:
        if self._stop_asked is None:
            self._stop_asked = trio.Event()
            if self._over or self.cell.stop_requested:
                self._stop_asked.set()
        return self._stop_asked

    def finish(self) -> None:
        self.cell.check_run()
        if self._over:
            return
        self._finishing = True
        self._request_stop()

    # ---- from construction to the end

    async def live(self, ready: Callable[[], None]) -> Exit:
        """Run from construction to the last task's end; never raises."""
        if self._asked_to_stop:
            return Exit(stopped=True)
        cell, actor = self.cell, None
        cell.stop_requested = False
        cell.task = trio.lowlevel.current_task()
        try:
            with self._scope:
                actor = await self._start()
                if actor is not None:
                    self.ready_at = trio.current_time()
                    ready()
                    del ready  # a parked actor has no more use for it, and there may be many
                    if _inherited(actor, "run"):
                        await self.serve(actor.receive)
                    else:
                        await call_hook(actor.run)
        except BaseException as error:  # noqa: BLE001 - everything is judged below
            self._failures.append(error)
        reported = len(self._failures)
        crash = self._judge().crash
        for step in (self._report, self._fail_in_hand):
            try:
                step(crash)
            except BaseException as error:  # noqa: BLE001 - from a handler of logs or a mailbox that the user wrote
                self._failures.append(error)
        del crash, step
        if self._tasks:
            await self._end_tasks()
        if actor is not None and self.ready_at is not None:
            await self._stopping(actor)
        self._over = True
        if self._tasks:
            await self._end_tasks()
        if self._stop_asked is not None:
            self._stop_asked.set()
        if len(self._failures) > reported:
            self._report(judge(combine(self._failures[reported:], f"{cell.path} failed to clean up")).crash)
        self._drop_deferred()
        cell.task = None
        return self._end_for_good()

    def _end_for_good(self) -> Exit:
        # A failure's traceback holds the frame of `live`: with no way back from there, no collector is needed.
        end = self._judge()
        self._failures.clear()
        return end

    def _judge(self) -> Exit:
        if not self._failures:
            return Exit(stopped=self._asked_to_stop, ignored=self._ignored)
        message = f"{self.cell.path} failed in several ways"
        escaped = combine(list(self._failures), message)
        return judge(escaped, stopped=self._asked_to_stop, ignored=self._ignored)

    async def _start(self) -> Actor[Any] | None:
        try:
            actor = _made(self._make)
            self._adopt(actor)
            if _inherited(actor, "started"):
                return actor
            with trio.move_on_after(self._start_timeout) as limit:
                await call_hook(actor.started)
                return actor
        except Ignore:
            self._ignored = True
            return None
        if limit.cancelled_caught and not self._asked_to_stop:
            raise TimeoutError(f"started() took longer than {self._start_timeout:g} s")
        return None

    def _adopt(self, actor: Actor[Any]) -> None:
        if not isinstance(cast("object", actor), Actor):
            raise TypeError(f"the factory returned {type(actor).__name__}, not an Actor")
        context: Context[Any] = Context(self)
        inbox: Inbox[Any] = Inbox(self)
        for name, slot, value in (("context", _CONTEXT, context), ("inbox", _INBOX, inbox)):
            if getattr(type(actor), name) is not slot or hasattr(actor, name):
                raise TypeError(f"{type(actor).__name__} has a field called {name!r}, which Actor needs; rename it")
            slot.__set__(actor, value)

    def _report(self, crash: Exception | None) -> None:
        if crash is None:
            return
        if isinstance(crash, self._expected) or (self._asked_to_stop and isinstance(crash, ActorStopped)):
            logger.debug("%s ended with %s", self.cell.path, type(crash).__name__)
        else:
            # The types of messages, never their content.
            kinds = ", ".join(type(content(item)).__name__ for item in self._in_hand()) or "no message"
            logger.error("%s crashed (in hand: %s)", self.cell.path, kinds, exc_info=crash)

    async def _stopping(self, actor: Actor[Any]) -> None:
        if _inherited(actor, "stopping") or (self._grace == 0 and self._asked_to_stop):
            return  # a grace of 0 is OTP's brutal_kill, which runs nothing
        deadline = self._deadline
        if deadline is None:
            deadline = trio.current_time() + self._grace
        scope = trio.CancelScope(shield=True, deadline=deadline)
        self._tasks[scope] = None  # so that a later cut or kill reaches it
        try:
            with scope:
                await call_hook(actor.stopping, self._judge())
        except BaseException as error:  # noqa: BLE001 - judged where the incarnation ends
            self._failures.append(error)
        finally:
            self._tasks.pop(scope, None)
        if scope.cancelled_caught and not self._killed:
            logger.warning("%s took longer than its grace to clean up and was cut off", self.cell.path)

    async def _end_tasks(self) -> None:
        self._tasks_done = trio.Event()
        for scope in self._tasks:
            scope.cancel()
        self._note_crash()
        with trio.CancelScope(shield=True):
            await self._tasks_done.wait()
        self._tasks_done = None
