"""One life of an actor, from its construction to the end of its last task; the supervisor is told how it ended."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import trio

from ds_actors._actor import Actor, Context, DeferredReply, Inbox
from ds_actors._cell import Cell, Slot
from ds_actors._errors import ActorStopped, AskDropped, AskFailed, Ignore
from ds_actors._exits import Exit, combine, judge
from ds_actors._mailbox import EMPTY, Envelope, Reject, content
from ds_actors._ref import Answer, Request

R = TypeVar("R")
T = TypeVar("T")

logger = logging.getLogger("ds_actors")


@trio.lowlevel.disable_ki_protection
async def _let(function: Callable[..., Awaitable[object]], *args: Any) -> None:
    # The library's own frames are protected from Ctrl-C; what people wrote must be interruptible.
    await _awaitable(function, function(*args))


def _awaitable(function: Callable[..., object], returned: T) -> T:
    if not inspect.isawaitable(returned):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} must be async def: it returned {type(returned).__name__}, which cannot be awaited")
    return returned


def _interruptible(receive: Callable[[Any], Awaitable[R]]) -> Callable[[Any], Awaitable[R]]:
    """Do the same for an actor's `receive`, where a frame more would cost each message time."""
    code = getattr(receive, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        trio.lowlevel.disable_ki_protection(receive)
        return receive

    @trio.lowlevel.disable_ki_protection
    async def called(message: Any) -> R:
        return await _awaitable(receive, receive(message))

    return called


def _inherited(actor: Actor[Any], hook: str) -> bool:
    """Whether a hook is Actor's own; then it needs neither a scope nor a frame."""
    return getattr(getattr(actor, hook), "__func__", None) is getattr(Actor, hook)


@trio.lowlevel.disable_ki_protection
def _made(make: Callable[[], Actor[Any]]) -> Actor[Any]:
    return make()


# A schedule point costs about as much as handling ten short messages; siblings wait for no more than these, which are
# as many as Tokio lets a task do.
_MESSAGES_PER_SCHEDULE_POINT = 128


# The descriptors that Actor's __slots__ made, whatever a subclass calls by their names.
_CONTEXT: Any = Actor.__dict__["context"]
_INBOX: Any = Actor.__dict__["inbox"]


class Incarnation:
    """One life of an actor, from its construction to its last task's end."""

    __slots__ = (
        "_asked_to_stop",
        "_deadline",
        "_deferred",
        "_drain",
        "_expected",
        "_failures",
        "_finishing",
        "_grace",
        "_hands",
        "_ignored",
        "_killed",
        "_make",
        "_over",
        "_scope",
        "_serves",
        "_serving",
        "_spawner",
        "_start_timeout",
        "_stop_asked",
        "_tasks",
        "_tasks_done",
        "cell",
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
        spawner: Callable[..., None],
    ) -> None:
        self.cell: Cell = cell
        self.number: int = number
        self.healthy: bool = True
        self.ready_at: float | None = None
        self._make = make
        self._grace = grace
        self._drain = drain
        self._start_timeout = start_timeout
        self._expected = expected
        self._spawner = spawner
        self._scope = trio.CancelScope(shield=True)
        # Dicts as ordered sets: an empty one takes a third of an empty set's memory.
        self._tasks: dict[trio.CancelScope, None] = {}
        self._tasks_done: trio.Event | None = None
        self._failures: list[BaseException] = []
        self._serving: Any = EMPTY
        """The ask that `serve` has in hand; when it has failed, any message it had."""
        self._hands: dict[int, Any] = {}
        """What was taken through the inbox and is not settled, by the message's id."""
        self._serves = False
        """`serve` runs, or was left with a message in hand."""
        self._deferred: dict[Slot, None] = {}
        self._asked_to_stop = False
        self._ignored = False
        self._finishing = False
        self._stop_asked: trio.Event | None = None
        self._over = False
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

    # ---- what the actor calls through its context and inbox

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> trio.CancelScope:
        if self._over:
            raise RuntimeError(f"this incarnation of {self.cell.path} is over; it can spawn nothing any more")
        given: object = function
        if not callable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("spawn takes a function and its arguments, as in spawn(f, x), and not the call f(x)")
        scope = trio.CancelScope(shield=True)
        self._tasks[scope] = None
        if self._killed:
            scope.cancel()
        self._spawner(self._task, scope, function, args)
        return scope

    @trio.lowlevel.enable_ki_protection
    async def _task(
        self, scope: trio.CancelScope, function: Callable[..., Awaitable[object]], args: tuple[Any, ...]
    ) -> None:
        try:
            with scope:
                await _let(function, *args)
        except BaseException as error:  # noqa: BLE001 - judged, and raised where the incarnation ends
            self._failures.append(error)
            self._scope.cancel()
        finally:
            self._tasks.pop(scope, None)
            if not self._tasks and self._tasks_done is not None:
                self._tasks_done.set()

    @property
    def stop_asked(self) -> trio.Event:
        if self._stop_asked is None:
            self._stop_asked = trio.Event()
            if self.cell.stop_requested:
                self._stop_asked.set()
        return self._stop_asked

    def finish(self) -> None:
        self._finishing = True
        self._request_stop()

    def defer(self, request: Request[R]) -> DeferredReply[R]:
        item = self._serving
        if content(item) is not request:
            item = self._hands.get(id(request))
        if type(item) is not Envelope:
            return DeferredReply(None)
        slot: Slot = item.slot
        self._deferred = {waiting: None for waiting in self._deferred if not waiting.closed}
        self._deferred[slot] = None
        return DeferredReply(slot)

    async def next_item(self) -> Any:
        """Return the next item in hand, or EMPTY when it is time to stop."""
        cell = self.cell
        while not cell.stop_requested or (self._drain and not self._finishing):
            # Before the message is in hand: a caller's own timeout must not lose it.
            await trio.lowlevel.checkpoint_if_cancelled()
            item = cell.take()
            if item is not EMPTY:
                self._hands[id(content(item))] = item
                return item
            if cell.stop_requested:
                break
            await cell.wait_for_message()
        return EMPTY

    def settle(self, message: object, answer: Answer | None) -> None:
        item = self._hands.pop(id(message), None)
        if item is None:
            return
        self._end(item, answer)
        self.cell.settle(item)

    def _end(self, item: object, answer: Answer | None) -> None:
        if answer is not None and type(answer) is not Answer:
            raise TypeError(f"receive returned {type(answer).__name__}; return message.answer(value), or None")
        if type(item) is not Envelope:
            return
        slot: Slot = item.slot
        if answer is not None:
            slot.end(answer.value)
        elif slot not in self._deferred:
            name = type(item.request).__name__
            slot.end(error=AskFailed(f"{self.cell.path} returned no answer to {name}"))

    @trio.lowlevel.enable_ki_protection
    async def serve(self, receive: Callable[[Any], Awaitable[Answer | None]]) -> None:  # noqa: C901, PLR0912 - below
        """Handle messages one after the other until a stop is requested."""
        if self._serves:
            raise RuntimeError(
                f"{self.cell.path} must not run again while a message is in hand: Actor.run runs already, or was"
                " cancelled in the middle of one; cancel around what receive does, or take messages from self.inbox"
            )
        self._serves = True
        receive = _interruptible(receive)
        cell, mailbox, count = self.cell, self.cell.mailbox, 0
        item: Any = EMPTY
        try:
            # For each message: what the cell's methods do is spelled out, because a call costs as much as its work.
            while not cell.stop_requested or (self._drain and not self._finishing):
                if cell.fast:  # invariants 2 and 5 of _cell: told messages only, and none in hand
                    count += await self._handle_told(receive, cell.fast)
                else:
                    item = mailbox.take(trio.current_time() if mailbox.timed else 0.0)
                    if item is EMPTY:
                        if cell.stop_requested:
                            return
                        await cell.wait_for_message()
                        count = 0
                        continue
                    if type(item) is not Envelope:
                        answer = await receive(item)
                        if answer is not None:
                            self._end(item, answer)
                    elif item.slot.closed:
                        cell.settle(item)
                        item = EMPTY
                        continue
                    else:
                        self._serving = item  # where `defer` finds it
                        self._end(item, await receive(item.request))
                        self._serving = EMPTY
                    mailbox.settle(item, trio.current_time() if mailbox.timed else 0.0)
                    item = EMPTY
                    count += 1
                if cell.senders:
                    cell.admit()
                if count >= _MESSAGES_PER_SCHEDULE_POINT:
                    count = 0
                    await trio.lowlevel.checkpoint()
        except BaseException:
            if item is not EMPTY:
                self._serving = item
            raise
        finally:
            self._serves = self._serving is not EMPTY

    @trio.lowlevel.enable_ki_protection
    async def _handle_told(self, receive: Callable[[Any], Awaitable[Answer | None]], queue: deque[Any]) -> int:
        """Handle what was told while nothing else happens, each message at the head of the queue; return how many."""
        cell, mailbox = self.cell, cast("Reject[Any]", self.cell.mailbox)
        mailbox.at_head = True  # invariant 5 of _cell
        before = mailbox.handled
        try:
            for handled in range(before + 1, before + _MESSAGES_PER_SCHEDULE_POINT + 1):
                answer = await receive(queue[0])
                if answer is not None:
                    self._end(queue[0], answer)
                queue.popleft()
                mailbox.handled = handled
                if not queue or cell.fast is not queue:  # receive ended the fast path (invariants 2 to 4)
                    break
        except BaseException:
            self._serving = queue[0]
            raise
        mailbox.at_head = False
        return mailbox.handled - before

    # ---- its life

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
                        await _let(actor.run)
        except BaseException as error:  # noqa: BLE001 - everything is judged below
            self._failures.append(error)
        reported = len(self._failures)
        crash = self._judge().crash
        self._report(crash)
        self._fail_hands(crash)
        del crash
        if actor is not None and self.ready_at is not None:
            await self._stopping(actor)
        self._over = True
        await self._end_tasks()
        if len(self._failures) > reported:
            self._report(judge(combine(self._failures[reported:], f"{cell.path} failed to clean up")).crash)
        for slot in self._deferred:
            slot.end(error=AskDropped("the incarnation ended before it answered"))
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
                await _let(actor.started)
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

    def _fail_hands(self, crash: Exception | None) -> None:
        cell = self.cell
        for item in self._in_hand():
            if type(item) is Envelope:
                slot: Slot = item.slot
                failure: Exception = ActorStopped(f"{cell.path} stopped while it handled the request")
                if crash is not None:
                    failure = AskFailed(f"{cell.path} crashed on {type(item.request).__name__}")
                    failure.__cause__ = crash
                slot.end(error=failure)
        self._serving = EMPTY
        self._hands.clear()
        try:
            cell.interrupted()
        except Exception as error:  # noqa: BLE001 - of a mailbox that people wrote
            self._failures.append(error)

    def _in_hand(self) -> list[Any]:
        hands = list(self._hands.values())
        return hands if self._serving is EMPTY else [self._serving, *hands]

    def _report(self, crash: Exception | None) -> None:
        if crash is None:
            return
        if isinstance(crash, self._expected):
            logger.debug("%s ended with %s", self.cell.path, type(crash).__name__)
        else:
            # The types of messages, never their content.
            kinds = ", ".join(type(content(item)).__name__ for item in self._in_hand()) or "no message"
            logger.error("%s crashed (in hand: %s)", self.cell.path, kinds, exc_info=crash)

    async def _stopping(self, actor: Actor[Any]) -> None:
        if _inherited(actor, "stopping"):
            return
        deadline = self._deadline
        if deadline is None:
            deadline = trio.current_time() + self._grace
        scope = trio.CancelScope(shield=True, deadline=deadline)
        self._tasks[scope] = None  # so that a later cut or kill reaches it
        try:
            with scope:
                await _let(actor.stopping, self._judge())
        except BaseException as error:  # noqa: BLE001 - judged where the incarnation ends
            self._failures.append(error)
        finally:
            self._tasks.pop(scope, None)
        if scope.cancelled_caught and not self._killed:
            logger.warning("%s took longer than its grace to clean up and was cut off", self.cell.path)

    async def _end_tasks(self) -> None:
        if self._tasks:
            self._tasks_done = trio.Event()
            for scope in self._tasks:
                scope.cancel()
            with trio.CancelScope(shield=True):
                await self._tasks_done.wait()
