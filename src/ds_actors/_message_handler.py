"""What an incarnation does with its messages: it takes them in hand, handles them, answers and settles."""

from __future__ import annotations

import inspect
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from types import CodeType
from typing import Any, Final, TypeVar, cast

import trio

from ds_actors._actor import DeferredReply
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, AskDropped, AskFailed
from ds_actors._mailbox import EMPTY, Envelope, Notice, content
from ds_actors._queue_mailboxes import Reject
from ds_actors._ref import Answer, Request
from ds_actors._slot import Slot

R = TypeVar("R")
T = TypeVar("T")


@trio.lowlevel.disable_ki_protection
async def call_hook(function: Callable[..., Awaitable[object]], *args: Any) -> None:
    """Await a hook of the user's, interruptible by Ctrl-C; the library's own frames are protected from it."""
    await _awaitable(function, function(*args))


def _awaitable(function: Callable[..., object], returned: T) -> T:
    if not inspect.isawaitable(returned):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} must be async def: it returned {type(returned).__name__}, which cannot be awaited")
    return returned


_INTERRUPTIBLE: Final[dict[int, weakref.ref[CodeType]]] = {}
"""The code that trio knows to be interruptible, by its identity: telling trio costs as much as handling a message."""


def _interruptible(receive: Callable[[Any], Awaitable[R]]) -> Callable[[Any], Awaitable[R]]:
    """Make an actor's `receive` interruptible too, without an extra frame per message where that is possible."""
    code: CodeType | None = getattr(receive, "__code__", None)
    known = id(code)
    if known in _INTERRUPTIBLE:
        return receive
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        trio.lowlevel.disable_ki_protection(receive)
        _INTERRUPTIBLE[known] = weakref.ref(code, lambda _: _INTERRUPTIBLE.pop(known, None))
        return receive

    @trio.lowlevel.disable_ki_protection
    async def called(message: Any) -> R:
        return await _awaitable(receive, receive(message))

    return called


# A schedule point costs about as much as handling ten short messages. Tokio uses the same limit.
_MESSAGES_PER_SCHEDULE_POINT = 128

# How long a task stays, of an actor that can be parked. PASSING: until the mailbox is empty; the next one is ACTIVE:
# it waits. IDLE: it has waited since the last sweep. DISMISSED: it waited from one sweep to the next, and leaves.
PASSING: Final = 0
DISMISSED: Final = 1
ACTIVE: Final = 2
IDLE: Final = 3


class MessageHandler:
    """The message handling of one incarnation.

    It is a base class and not a part of the incarnation, because a part would cost each parked actor one more object.
    """

    __slots__ = (
        "_deferred",
        "_drain",
        "_finishing",
        "_hands",
        "_over",
        "_serves",
        "_serving",
        "_stays",
        "_taken",
        "cell",
    )

    def __init__(self, cell: Cell, *, drain: bool) -> None:
        self.cell: Cell = cell
        self._drain = drain
        self._finishing = False
        self._serving: Any = EMPTY
        """The ask that `serve` has in hand; after a failure, any message it had."""
        self._hands: list[Any] | None = None
        """The items taken through the inbox and not settled."""
        self._over = False
        """The incarnation has ended, or waits for nothing but its tasks."""
        self._taken = 0
        """Messages taken through the inbox since the last schedule point."""
        self._serves = False
        """`serve` runs, or was left with a message in hand, or the actor is parked."""
        self._stays: int = ACTIVE
        """Whether `serve` waits for messages: one of the four states above."""
        self._deferred: dict[Slot, None] | None = None

    def defer(self, request: Request[R]) -> DeferredReply[R]:
        item = self._serving
        if content(item) is not request:
            item = next((item for item in self._hands or () if content(item) is request), None)
        if type(item) is not Envelope:
            return DeferredReply(None)
        slot: Slot = item.slot
        deferred = self._deferred or {}
        count = len(deferred)
        if count & (count - 1) == 0:  # at powers of two, so that each deferral costs little
            self._deferred = deferred = {waiting: None for waiting in deferred if not waiting.closed}
        deferred[slot] = None
        return DeferredReply(slot, self.cell)

    async def next_item(self) -> Any:
        """Return the next item in hand, or EMPTY when it is time to stop."""
        cell = self.cell
        cell.check_run()
        if self._over:
            raise RuntimeError(f"this incarnation of {cell.path} is over; it can take no messages any more")
        if self._serves:
            raise RuntimeError(f"{cell.path} takes its messages in receive; inbox.take is for a run of your own")
        while not cell.stop_requested or (self._drain and not self._finishing):
            # Before the message is in hand: a caller's own timeout must not lose it.
            if self._taken < _MESSAGES_PER_SCHEDULE_POINT:
                await trio.lowlevel.checkpoint_if_cancelled()
            else:
                self._taken = 0
                await trio.lowlevel.checkpoint()
            item = cell.take()
            if item is not EMPTY:
                self._taken += 1
                if self._hands is None:
                    self._hands = []
                self._hands.append(item)
                return item
            if cell.stop_requested:
                break
            await cell.wait_for_message()
            self._taken = 0
        return EMPTY

    def settle(self, message: object, answer: Answer | None) -> None:
        self.cell.check_thread()
        hands = self._hands or []
        for index, item in enumerate(hands):
            if content(item) is message:
                del hands[index]
                self._end(item, answer)
                self.cell.settle(item)
                return
        raise RuntimeError(
            f"{self.cell.path} has no such {type(message).__name__} in hand; settle what take returned, once"
        )

    def holds(self, message: object) -> bool:
        """Return whether a message was taken through the inbox and is not settled yet."""
        return any(content(item) is message for item in self._hands or ())

    def _end(self, item: object, answer: Answer | None) -> None:
        if answer is not None and type(answer) is not Answer:
            raise TypeError(f"receive returned {type(answer).__name__}; return message.answer(value), or None")
        if answer is not None and answer.request is not content(item):
            kind = type(answer.request).__name__
            raise RuntimeError(
                f"receive returned the answer to another {kind}; answer the message in hand, and answer one that was"
                " kept through its context.defer"
            )
        if type(item) is not Envelope:
            return
        slot: Slot = item.slot
        if answer is not None:
            slot.end(answer.value)
        elif not self._deferred or slot not in self._deferred:
            name = type(item.request).__name__
            slot.end(
                error=AskFailed(
                    f"{self.cell.path} returned no answer to {name}; receive must return request.answer(...)"
                )
            )

    @trio.lowlevel.enable_ki_protection
    async def serve(self, receive: Callable[[Any], Awaitable[Answer | None]]) -> None:  # noqa: C901, PLR0912, PLR0915
        """Handle messages one after the other until a stop is requested, or the actor is to be parked."""
        if self._serves:
            raise RuntimeError(
                f"{self.cell.path} must not run again while a message is in hand: Actor.run runs already, or was"
                " cancelled in the middle of one; cancel around what receive does, or take messages from self.inbox"
            )
        self._serves = True
        receive = _interruptible(receive)
        cell, mailbox, timed, count = self.cell, self.cell.mailbox, self.cell.mailbox.timed, 0
        item: Any = EMPTY
        try:
            # For each message: what the cell's methods do is spelled out, because a call costs as much as its work.
            while not cell.stop_requested or (self._drain and not self._finishing):
                if cell.fast:  # invariants 2 and 5 of _cell: told messages only, and none in hand
                    count += await self._handle_told(receive, cell.fast)
                else:
                    if cell.fast is not None:  # invariants 3 and 5: nothing waits
                        item = EMPTY
                    elif cell.notices is None:
                        item = mailbox.take(trio.current_time() if timed else 0.0)
                    else:
                        item = cell.take_any()
                    if item is EMPTY:
                        if cell.stop_requested or self._stays < ACTIVE:
                            return
                        self._stays = ACTIVE
                        await cell.wait_for_message()
                        count = 0
                        continue
                    kind = type(cast("object", item))
                    if kind is not Envelope:
                        answer = await receive(item if kind is not Notice else item.message)
                        if answer is not None:
                            self._end(item, answer)
                    elif item.slot.closed:
                        cell.settle(item)
                        item = EMPTY
                        continue
                    else:
                        self._serving = item  # where `defer` finds it
                        answer = await receive(item.request)
                        if type(answer) is Answer and answer.request is item.request:
                            item.slot.end(answer.value)
                        else:
                            self._end(item, answer)
                        self._serving = EMPTY
                    if kind is not Notice:
                        mailbox.settle(item, trio.current_time() if timed else 0.0)
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
        cell = self.cell
        mailbox: Reject[Any] = cell.mailbox  # type: ignore[assignment] # invariant 1
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

    def _fail_in_hand(self, crash: Exception | None) -> None:
        """End the asks in hand with the crash or the stop, and let the mailbox keep or drop the messages in hand."""
        for item in self._in_hand():
            if type(item) is Envelope:
                slot: Slot = item.slot
                failure: Exception = ActorStopped(f"{self.cell.path} stopped while it handled the request")
                if crash is not None:
                    failure = AskFailed(f"{self.cell.path} crashed on {type(item.request).__name__}")
                    failure.__cause__ = crash
                slot.end(error=failure)
        self._serving = EMPTY
        self._hands = None
        self.cell.interrupted()

    def _drop_deferred(self) -> None:
        for slot in self._deferred or ():
            slot.end(error=AskDropped("the incarnation ended before it answered"))

    def _in_hand(self) -> list[Any]:
        hands = self._hands or []
        return hands if self._serving is EMPTY else [self._serving, *hands]
