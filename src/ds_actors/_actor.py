"""Actors: the class to subclass, and what an actor can use.

One incarnation is: construct, `started`, serve the mailbox (`receive`, or your own `run`), `stopping`. An exception
ends it; the supervisor learns how it ended and decides what comes next.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, TypeVarTuple, cast, overload

import trio

from ds_actors._cell import Cell
from ds_actors._exits import Exit
from ds_actors._lifetime import Down
from ds_actors._mailbox import EMPTY, Empty, content
from ds_actors._ref import ActorRef, Answer, Request, lifetime_of
from ds_actors._slot import Slot

if TYPE_CHECKING:
    from ds_actors._supervisor_ref import SupervisorRef

M = TypeVar("M")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class RunningIncarnation(Protocol):
    """What an actor's context and inbox use of the incarnation that made them."""

    cell: Cell
    number: int

    @property
    def stop_asked(self) -> trio.Event: ...

    healthy: bool

    @property
    def supervisor(self) -> Any: ...

    def check_current(self) -> None: ...
    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> trio.CancelScope: ...
    async def next_item(self) -> Any: ...
    def settle(self, message: Any, answer: Answer | None, /) -> None: ...
    def holds(self, message: Any, /) -> bool: ...
    async def serve(self, receive: Callable[[Any], Awaitable[Answer | None]], /) -> None: ...
    def finish(self) -> None: ...
    def defer(self, request: Request[R], /) -> DeferredReply[R]: ...


class DeferredReply(Generic[R]):
    """The right to answer a request after `receive` returned; made by `Context.defer`."""

    __slots__ = ("_cell", "_slot")

    def __init__(self, slot: Slot | None, cell: Cell | None = None) -> None:
        self._slot = slot
        self._cell = cell

    def answer(self, value: R, /) -> None:
        """Answer now. Does nothing when the request was sent with `tell`, has timed out, or has been answered.

        Raises:
            RuntimeError: when called from another thread; use `trio.from_thread.run_sync(reply.answer, value)` there.
        """
        if self._slot is not None and self._cell is not None:
            self._cell.check_run()
            self._slot.end(value)


class Inbox(Generic[M]):
    """The mailbox, for an actor that runs its own loop."""

    __slots__ = ("_incarnation",)

    def __init__(self, incarnation: RunningIncarnation) -> None:
        self._incarnation = incarnation

    async def take(self) -> M:
        """Wait for the next message and take it in hand; settle it with `settle`.

        Raises:
            trio.EndOfChannel: when the actor was asked to stop.
            RuntimeError: in an actor whose `receive` gets the messages, after the incarnation's end, or from another
                thread.
        """
        item = await self._incarnation.next_item()
        if item is EMPTY:
            raise trio.EndOfChannel
        return content(item)  # type: ignore[return-value]

    def settle(self, message: M) -> None:
        """Count a message in hand as handled; an ask that was neither answered nor deferred fails.

        Raises:
            RuntimeError: when the message is not in hand.
        """
        self._incarnation.settle(message, None)

    def answer(self, answer: Answer) -> None:
        """Answer the ask in hand, and settle it."""
        self._incarnation.settle(answer.request, answer)

    def __aiter__(self) -> Messages[M]:
        """Iterate over the messages until a stop is requested; each is settled when the next one is taken."""
        return Messages(self)


class Messages(Generic[M]):
    """The iteration over an inbox."""

    __slots__ = ("_inbox", "_last")

    def __init__(self, inbox: Inbox[M]) -> None:
        self._inbox = inbox
        self._last: M | Empty = EMPTY

    def __aiter__(self) -> Messages[M]:
        return self

    async def __anext__(self) -> M:
        if self._last is not EMPTY and self._inbox._incarnation.holds(self._last):  # noqa: SLF001 - the same module
            self._inbox.settle(self._last)
        self._last = EMPTY
        try:
            message = self._last = await self._inbox.take()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        return message


class Context(Generic[M]):
    """What the library offers to an incarnation; `self.context` in an actor."""

    __slots__ = ("_incarnation",)

    def __init__(self, incarnation: RunningIncarnation) -> None:
        self._incarnation = incarnation

    @property
    def ref(self) -> ActorRef[M]:
        """A reference to this actor."""
        return ActorRef(self._incarnation.cell)

    @property
    def name(self) -> str:
        """The name among its siblings."""
        return self._incarnation.cell.name

    @property
    def path(self) -> str:
        """The names from the root."""
        return self._incarnation.cell.path

    @property
    def supervisor(self) -> SupervisorRef:
        """A reference to the supervisor of this actor, to start siblings or to terminate them."""
        return cast("SupervisorRef", self._incarnation.supervisor)

    @property
    def incarnation(self) -> int:
        """1 for the first incarnation, one more after each restart."""
        return self._incarnation.number

    def spawn(self, function: Callable[[*Ts], Awaitable[object]], /, *args: *Ts) -> trio.CancelScope:
        """Run a task that ends with this incarnation at the latest; if it crashes, the incarnation crashes."""
        return self._incarnation.spawn(function, *args)

    def send_after(self, delay: float, message: M, /) -> trio.CancelScope:
        """Send this actor a message after `delay` seconds, unless the incarnation ends or the scope is cancelled."""

        async def later() -> None:
            await trio.sleep(delay)
            self._incarnation.cell.put(message)

        return self._incarnation.spawn(later)

    def send_every(self, period: float, message: M, /) -> trio.CancelScope:
        """Send this actor a message every `period` seconds, the first after one; ends as `send_after` does.

        The beats do not drift; beats that the program missed while it was blocked are skipped.

        Raises:
            ValueError: when the period is not a finite number of seconds above 0.
        """
        if not 0 < period < math.inf:
            raise ValueError(f"period must be a finite number of seconds above 0, not {period!r}")

        async def beats() -> None:
            at = trio.current_time()
            while True:
                at += period * max(1, math.ceil((trio.current_time() - at) / period))
                await trio.sleep_until(at)
                self._incarnation.cell.put(message)

        return self._incarnation.spawn(beats)

    @overload
    def watch(self, ref: ActorRef[Any] | SupervisorRef, notify: M, /) -> None: ...
    @overload
    def watch(self, ref: ActorRef[Any] | SupervisorRef, /, *, on_down: Callable[[Down], M]) -> None: ...
    def watch(
        self,
        ref: ActorRef[Any] | SupervisorRef,
        notify: M | Empty = EMPTY,
        /,
        *,
        on_down: Callable[[Down], M] | None = None,
    ) -> None:
        """Get a message, exactly once, when that actor or supervisor is gone for good; its restarts do not count.

        No mailbox policy can drop the message, and it arrives after the messages that were queued before it. A watch
        survives the restarts of the watcher, until a newer incarnation watches the same target anew. Repeating a watch
        with an equal message, or with the same function, changes nothing. When the target is gone already, the
        message comes at once, after each call.

        Args:
            ref: what to watch.
            notify: the message; or
            on_down: a function that makes the message of a `Down`, which has the reason of the end.

        Raises:
            RuntimeError: after the incarnation's end, or from another thread.
        """
        self._incarnation.check_current()
        target = lifetime_of(ref)
        target.check_run()
        watch = self._incarnation.cell.watch(target)
        watch.asked_by(self._incarnation.number)
        if on_down is not None:
            watch.add_maker(on_down)
        else:
            watch.add(notify)
        if target.down is not None:
            watch(target.down)

    def unwatch(self, ref: ActorRef[Any] | SupervisorRef, /) -> None:
        """End all watches of that actor or supervisor, and drop a notice that is on its way.

        Raises:
            RuntimeError: after the incarnation's end, or from another thread.
        """
        self._incarnation.check_current()
        self._incarnation.cell.unwatch(lifetime_of(ref))

    async def wait_stop_requested(self) -> None:
        """Wait until this incarnation is asked to stop; for a `run` that waits for more than its inbox."""
        await self._incarnation.stop_asked.wait()

    def stop(self) -> None:
        """Finish normally after the message in hand: a transient actor is not restarted."""
        self._incarnation.finish()

    def defer(self, request: Request[R], /) -> DeferredReply[R]:
        """Keep the request in hand for a later answer; `receive` may then return None.

        Ends with AskDropped when the incarnation ends first.
        """
        return self._incarnation.defer(request)

    def mark_unproven(self) -> None:
        """Declare that being ready is not being healthy: failures are forgotten only after `mark_healthy()`."""
        self._incarnation.healthy = False

    def mark_healthy(self) -> None:
        """Declare this incarnation healthy (a first answer came, a first sample was sent)."""
        self._incarnation.healthy = True


class Actor(Generic[M]):
    """The base class of actors: subclass it and write `receive`, or `run` for your own loop over `self.inbox`.

    There is no `__init__` to call, and the library never hashes, compares or prints instances: plain classes, attrs
    and dataclasses all work. No field may be called `context` or `inbox`.

    Example:
        ```python
        class Greeter(Actor[str]):
            async def receive(self, message: str, /) -> None:
                print(f"hello, {message}")


        async with Supervisor("app") as app:
            greeter = await app.start(Greeter, name="greeter")
            greeter.tell("world")
        ```
    """

    __slots__ = ("context",)

    context: Context[M]

    @property
    def inbox(self) -> Inbox[M]:
        """The messages, for a `run` of your own."""
        return Inbox(self.context._incarnation)  # noqa: SLF001

    @inbox.setter
    def inbox(self, _value: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} has a field called 'inbox', which Actor needs; rename it")

    async def started(self) -> None:
        """Prepare; the actor is ready, and the next sibling starts, when this returns.

        No I/O that can hang belongs here: readiness is not connectedness. Raising means that the start failed, except
        for `Ignore`: the actor is not needed, and is neither run nor tried again.
        """

    async def receive(self, message: M, /) -> Answer | None:
        """Handle one message; return `message.answer(value)` for a request. Raising is a crash."""
        raise NotImplementedError(f"{type(self).__name__} needs its own receive or run")

    async def run(self) -> None:
        """Serve the mailbox until a stop is requested; override it to run your own loop."""
        await self.context._incarnation.serve(self.receive)  # noqa: SLF001

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Clean up, once for each incarnation whose `started` returned, also after a crash.

        Shielded from cancellation for what is left of the grace. Not called when the start failed or was ignored.
        """
