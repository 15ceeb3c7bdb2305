"""One incarnation of an actor, from its construction to the end of its last task."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, cast

import trio

from ds_actors import _actor
from ds_actors._actor import Actor
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, Ignore
from ds_actors._exits import Exit, combine, in_order, judge
from ds_actors._mailbox import content
from ds_actors._message_handler import ACTIVE, DISMISSED, IDLE, PASSING, call_hook
from ds_actors._parking import has_no_hooks, inherits, inherits_all, may_park
from ds_actors._specs import ChildSpec
from ds_actors._task_owner import IncarnationParent, TaskOwner

logger = logging.getLogger("ds_actors")


@trio.lowlevel.disable_ki_protection
def _made(spec: ChildSpec[Any]) -> Actor[Any]:
    return spec.factory(*spec.args)


async def _nothing() -> None:
    """Handle no message: a task of the actor has failed before its turn came."""


# Actor's own descriptors, whatever a subclass calls by their names.
_CONTEXT: Any = Actor.__dict__["context"]
_INBOX: Any = Actor.__dict__["inbox"]


class Incarnation(TaskOwner):
    """One incarnation of an actor; `live` runs it and returns how it ended, or None when the actor is parked."""

    __slots__ = (
        "_actor",
        "_deadline",
        "_ignored",
        "_parks",
        "_spec",
        "_stop_asked",
        "context",
        "healthy",
        "number",
        "ready",
    )

    def __init__(self, cell: Cell, number: int, spec: ChildSpec[Any], parent: IncarnationParent) -> None:
        super().__init__(cell, parent, drain=spec.drain)
        self.number: int = number
        self.healthy: bool = True
        self.ready: bool = False
        self.context: Context | None = None
        """The context variables of a parked actor."""
        self._spec = spec
        self._actor: Actor[Any] | None = None
        self._parks = False
        """It owns a task only while it handles messages."""
        self._ignored = False
        self._stop_asked: trio.Event | None = None
        self._deadline: float | None = None

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

    def runs(self, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        """Return whether a task is that of this actor; with `starting`, only while it is not ready yet."""
        return self.cell.task is task and not (starting and self.ready)

    @property
    def deadline(self) -> float:
        """When it is cancelled, on trio's clock (seconds)."""
        return math.inf if self._deadline is None else self._deadline

    @property
    def killed(self) -> bool:
        """Whether it was cancelled."""
        return self._killed

    # ---- what the actor calls through its context and inbox

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

    # ---- without a task

    def start_parked(self) -> bool:
        """Construct the actor and park it, when it has no hooks; otherwise `live` does what is left of the start."""
        if not (has_no_hooks(self._spec.factory) and may_park(self.cell.mailbox)):
            return False
        context = copy_context()
        try:
            actor = context.run(_made, self._spec)
            self._adopt(actor)
        except Ignore:
            self._ignored = True
            return False
        except BaseException as error:  # noqa: BLE001 - `live` judges it
            self._failures = (error,)
            return False
        self._actor = actor
        if not inherits_all(actor):
            return False
        self.cell.stop_requested = False
        self.ready = self._parks = True
        self._stays = PASSING
        self._park(context)
        return True

    def _park(self, context: Context) -> None:
        self.context = self._parent.parking.share(context)
        self._scope = None
        self._serves = True
        self.cell.park(self)

    def resume(self) -> None:
        """Get a task for a parked actor; called when it is no receiver any more."""
        self._parent.parking.resume(self, self.cell.path)

    def look(self) -> bool:
        """Let the task of an actor end that waits, and waited when this was last called; return whether it stays."""
        if self.cell.receiver is None:
            return True
        if self._stays != IDLE:
            self._stays = IDLE
            return True
        self._stays = DISMISSED
        self.cell.wake_receiver()
        return False

    def stop_parked(self) -> Exit | None:
        """End an actor that is parked and has no tasks; return None when only a task can end it."""
        if self.cell.receiver is not self or self._tasks:
            return None
        self.cell.receiver = None
        self._asked_to_stop = self.cell.stop_requested = True
        self.cell.fast = None  # invariants 4 and 7: there is nothing in hand
        return self._leave()

    # ---- from construction to the end

    async def live(self, ready: Callable[[], None]) -> Exit | None:
        """Run to the last task's end, or until the actor is parked again; never raises."""
        if self._asked_to_stop and not (self.ready or self._failures):
            return self._leave()
        self._begin()
        try:
            if (self._parks and not self._failures) or await self._prepare(ready):
                with self._new_scope():
                    await self._work()
        except BaseException as error:  # noqa: BLE001 - everything is judged below
            self.fail(error)
        return None if self.parks_again() else await self.end()

    @property
    def passes(self) -> bool:
        """Whether it needs a task only until its mailbox is empty, and nothing of it has failed or was cancelled."""
        return self._stays == PASSING and not self._is_cancelled()

    def handle(self, task: trio.lowlevel.Task, scope: trio.CancelScope) -> Awaitable[object]:
        """Handle messages in the standby's task and scope until the mailbox of a parked actor is empty again."""
        if self._is_cancelled():  # before its turn
            scope.cancel()
        self._scope, self.cell.task = scope, task
        return _nothing() if self._failures else self._work()

    def fail(self, error: BaseException) -> None:
        """Take an error for one of the incarnation's own."""
        self._failures += (error,)

    def parks_again(self) -> bool:
        """Park an actor that has handled its messages, or return False when it is to end."""
        if not self._parks:
            return False
        if self._stays != PASSING:
            self._parent.parking.forget(self)
        if self._stays >= ACTIVE or self._failures or self._killed or self.cell.stop_requested:
            return False
        self._stays = ACTIVE if self._stays == PASSING else PASSING
        assert self.cell.task is not None
        self._park(self.cell.task.context)
        return True

    async def end(self) -> Exit:
        """Clean up, end what the incarnation spawned, and return how it ended."""
        await self._wind_up()
        return self._leave()

    async def _prepare(self, ready: Callable[[], None]) -> bool:
        """Become ready, and wait for work; return whether there is any."""
        if not (self.ready or self._ignored or self._failures):
            self.cell.stop_requested = False
            if await self._start():
                ready()
        return self.ready and not self._failures and (self._parks or await self._wait_for_work())

    def _begin(self) -> None:
        if self.ready:
            self._parent.parking.begin()
        self.cell.task = trio.lowlevel.current_task()

    async def _wait_for_work(self) -> bool:
        # A scope that is open as long as its task is a quarter of a start and a stop, and there is nothing to cancel.
        actor, cell = self._actor, self.cell
        assert actor is not None
        if not (inherits(actor, "run") and may_park(cell.mailbox)):
            return True
        self._serves = True
        while not (cell.stop_requested or self._is_cancelled() or cell.has_work()):
            await cell.wait_uncancelled()
        self._serves = False
        return self._drain or not (cell.stop_requested or self._is_cancelled())

    def _work(self) -> Awaitable[object]:
        # Returned, not awaited: each frame below a waiting task costs all that it waits for.
        actor = self._actor
        assert actor is not None
        if self._parks:
            self._serves = False
            if self._stays == ACTIVE:
                self._parent.parking.keep(self)
        elif not inherits(actor, "run"):
            return call_hook(actor.run)
        return self.serve(actor.receive)

    async def _wind_up(self) -> None:
        reported = len(self._failures)
        crash = self._judge().crash
        for step in (self._report, self._fail_in_hand):
            try:
                step(crash)
            except BaseException as error:  # noqa: BLE001 - from a handler of logs or a mailbox that the user wrote
                self._failures += (error,)
        del crash, step
        if self._tasks:
            await self._end_tasks()
        if self.ready and not self._parks:
            await self._stopping()
        self._over = True
        if self._tasks:
            await self._end_tasks()
        if len(self._failures) > reported:
            failures = list(self._failures[reported:])
            self._report(judge(combine(failures, f"{self.cell.path} failed to clean up")).crash)

    def _leave(self) -> Exit:
        self._over = True
        if self._stop_asked is not None:
            self._stop_asked.set()
        self._drop_deferred()
        self._actor = self.cell.task = self._scope = None
        return self._end_for_good()

    def _end_for_good(self) -> Exit:
        # A failure's traceback holds the frame of `live`: with no way back from there, no collector is needed.
        end = self._judge()
        self._failures = ()
        return end

    def _judge(self) -> Exit:
        if not self._failures:
            return in_order(stopped=self._asked_to_stop, ignored=self._ignored)
        escaped: BaseException | None = self._failures[0]
        if len(self._failures) > 1:
            escaped = combine(list(self._failures), f"{self.cell.path} failed in several ways")
        return judge(escaped, stopped=self._asked_to_stop, ignored=self._ignored)

    async def _start(self) -> bool:
        try:
            actor = self._actor
            if actor is None:
                actor = _made(self._spec)
                self._adopt(actor)
                self._actor = actor
            if inherits(actor, "started"):
                self.ready = True
                self._parks = may_park(self.cell.mailbox) and inherits_all(actor)
                if self._parks and self.number == 1:  # after a crash, more messages are likely
                    self._stays = DISMISSED
                return True
            with self._new_scope(trio.current_time() + self._spec.start_timeout) as limit:
                await call_hook(actor.started)
                self.ready = True
                return True
        except Ignore:
            self._ignored = True
            return False
        if limit.cancelled_caught and not (self._asked_to_stop or self._is_cancelled()):
            raise TimeoutError(f"started() took longer than {self._spec.start_timeout:g} s")
        return False

    def _adopt(self, actor: Actor[Any]) -> None:
        if not isinstance(cast("object", actor), Actor):
            raise TypeError(f"the factory returned {type(actor).__name__}, not an Actor")
        context: _actor.Context[Any] = _actor.Context(self)
        kind: Any = type(actor)
        if kind.context is not _CONTEXT or hasattr(actor, "context"):
            raise TypeError(f"{kind.__name__} has a field called 'context', which Actor needs; rename it")
        if kind.inbox is not _INBOX:
            raise TypeError(f"{kind.__name__} has a field called 'inbox', which Actor needs; rename it")
        _CONTEXT.__set__(actor, context)

    def _report(self, crash: Exception | None) -> None:
        if crash is None:
            return
        if isinstance(crash, self._spec.expected) or (self._asked_to_stop and isinstance(crash, ActorStopped)):
            logger.debug("%s ended with %s", self.cell.path, type(crash).__name__)
        elif logger.isEnabledFor(logging.ERROR):
            # The types of messages, never their content.
            kinds = ", ".join(type(content(item)).__name__ for item in self._in_hand()) or "no message"
            logger.error("%s crashed (in hand: %s)", self.cell.path, kinds, exc_info=crash)

    async def _stopping(self) -> None:
        actor = self._actor
        assert actor is not None
        if inherits(actor, "stopping") or (self._spec.grace == 0 and self._asked_to_stop):
            return  # a grace of 0 is OTP's brutal_kill, which runs nothing
        deadline = self._deadline
        if deadline is None:
            deadline = trio.current_time() + self._spec.grace
        scope = trio.CancelScope(shield=True, deadline=deadline)
        self._add_task(scope)  # so that a later cut or kill reaches it
        try:
            with scope:
                await call_hook(actor.stopping, self._judge())
        except BaseException as error:  # noqa: BLE001 - judged where the incarnation ends
            self._failures += (error,)
        finally:
            self._remove_task(scope)
        if scope.cancelled_caught and not self._killed:
            logger.warning("%s took longer than its grace to clean up and was cut off", self.cell.path)
