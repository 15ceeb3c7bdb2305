"""What stays of a child while its incarnations come and go: the mailbox, and the tasks that wait at it.

The fast path of `tell`. Most messages are told to an actor that does nothing but handle them, and there a call into the
mailbox costs as much as the rest of the delivery. So `ActorRef.tell` appends to `Cell.fast`, and `Incarnation` handles
the messages at the head of that queue, without a call between. Six invariants make this the same as `put`, `take` and
`settle`; code that relies on one names its number.

1. `fast` is None, or the queue of this cell's own `Reject` mailbox. An append to it is an accepted `put`: a `Reject`
   counts a message where it ends, not where it enters.
2. While `fast` is set, the queue holds told messages only. An ask is an `Envelope` and clears `fast`.
3. While `fast` is set, no send waits for room, so an append overtakes nothing. A send that waits clears `fast`.
4. While `fast` is set, the child lives and is not asked to stop. `request_stop`, `interrupted` and `close` clear it.
5. While `fast` is set, the mailbox has no message in hand of its own: `take` clears `fast`. During the handling of told
   messages the message in hand is the head of the queue, and `Reject.at_head` says so for the counts.
6. The code that appends checks the capacity (`limit`) and wakes the receiver, as `put` does. Only `put` sets `fast`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any

import trio

from ds_actors._errors import ActorStopped, AskDropped
from ds_actors._mailbox import EMPTY, Dropped, Empty, Envelope, Mailbox, Reject, content
from ds_actors._telemetry import DeadLetter, Telemetry

logger = logging.getLogger("ds_actors")


class Slot:
    """Where the one ending of an ask arrives; later endings are dropped."""

    __slots__ = ("_error", "_task", "_value", "closed", "ended")

    def __init__(self) -> None:
        self._value: Any = None
        self._error: Exception | None = None
        self._task: trio.lowlevel.Task | None = None
        self.ended: bool = False
        """An ending arrived."""
        self.closed: bool = False
        """An ending arrived, or its asker no longer waits."""

    def end(self, value: Any = None, error: Exception | None = None) -> None:
        """Deliver the ending, unless one was delivered before."""
        if self.closed:
            return
        self.closed = self.ended = True
        self._value = value
        self._error = error
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    async def wait(self) -> Any:
        """Return or raise the ending."""
        if not self.ended:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget)
        else:
            await trio.lowlevel.checkpoint()
        return self.take()

    def _forget(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def take(self) -> Any:
        """Return or raise the ending that arrived."""
        if self._error is not None:
            raise self._error
        return self._value


class _Sender:
    __slots__ = ("message", "slot")

    def __init__(self, message: Any) -> None:
        self.message = message
        self.slot = Slot()


class _Watch:
    __slots__ = ("notify", "watcher")

    def __init__(self, watcher: Cell, notify: Any) -> None:
        self.watcher = watcher
        self.notify = notify

    def __call__(self) -> None:
        self.watcher.put_when_room(self.notify)

    def same(self, other: object) -> bool:
        return (
            isinstance(other, _Watch)
            and self.watcher is other.watcher
            and type(self.notify) is type(other.notify)
            and bool(self.notify == other.notify)
        )


class Cell:
    """One child's mailbox, with the tasks that wait for a message, for room, or for the end."""

    __slots__ = (
        "fast",
        "gone",
        "limit",
        "mailbox",
        "name",
        "path",
        "receiver",
        "senders",
        "stop_requested",
        "task",
        "telemetry",
        "thread",
        "token",
        "watchers",
    )

    def __init__(self, name: str, path: str, mailbox: Mailbox[Any], telemetry: Telemetry, thread: int) -> None:
        self.name: str = name
        self.path: str = path
        self.mailbox: Mailbox[Any] = mailbox
        self.telemetry: Telemetry = telemetry
        self.gone: bool = False
        self.fast: deque[Any] | None = None
        """The queue to which `tell` appends directly; None while a call of `put` is needed (invariants 1 to 5)."""
        self.limit: int = 0
        """The capacity, where `fast` is set."""
        self.stop_requested: bool = False
        self.task: trio.lowlevel.Task | None = None
        self.token: trio.lowlevel.TrioToken = trio.lowlevel.current_trio_token()
        self.watchers: dict[object, Callable[[], None]] = {}
        self.thread: int = thread
        self.receiver: trio.lowlevel.Task | None = None
        self.senders: deque[_Sender] | None = None
        """The sends that wait for room, in order of arrival."""

    def now(self) -> float:
        """Return the time for the mailbox, which is 0.0 where it needs none."""
        return trio.current_time() if self.mailbox.timed else 0.0

    def check_thread(self) -> None:
        """Refuse a caller from another thread.

        Raises:
            RuntimeError: naming the way in.
        """
        if get_ident() != self.thread:
            raise RuntimeError(f"{self.path} belongs to trio's thread; from another one use ref.tell_from_thread")

    @trio.lowlevel.enable_ki_protection
    def put(self, item: Any) -> bool:
        """Offer an item; return whether it was accepted. The asker of a refused request is told."""
        if self.gone:
            if type(item) is Envelope:
                item.slot.end(error=ActorStopped(f"{self.path} has stopped"))
            self._dead(item, "stopped")
            return False
        mailbox = self.mailbox
        cost = mailbox.put(item, self.now())
        if type(item) is Envelope:
            self.fast = None  # invariant 2
        elif type(mailbox) is Reject and cost is None:  # invariants 1 and 6
            self.fast = self.fast or mailbox.only()
            self.limit = mailbox.capacity
        if self.receiver is not None:
            self.wake_receiver()
        if cost is None:
            return True
        self.report((cost,))
        return cost.what is not item

    def watch(self, watcher: Cell, notify: Any) -> None:
        """Put `notify` into the watcher's mailbox when this child is gone for good, once."""
        watch = _Watch(watcher, notify)
        if self.gone:
            watch()
        elif not any(watch.same(other) for other in self.watchers):
            self.watchers[watch] = watch

    def put_when_room(self, message: Any) -> None:
        """Deliver a watch's message: as soon as the mailbox has room, and never lost for want of it."""
        self._line_up(_Sender(message))

    def request_stop(self) -> None:
        """Make the actor end its loop the next time it looks."""
        self.stop_requested, self.fast = True, None  # invariant 4
        self.wake_receiver()

    def wake_receiver(self) -> None:
        """Wake a waiting actor: there is a message, or it is asked to stop."""
        if self.receiver is not None:
            trio.lowlevel.reschedule(self.receiver)
            self.receiver = None

    async def wait_for_message(self) -> None:
        """Wait until something was put or settled, a stop was requested, or the mailbox said that it is time."""
        at: float | None = None
        if self.mailbox.timed:
            ready_at: Callable[[float], float | None] | None = getattr(self.mailbox, "ready_at", None)
            at = None if ready_at is None else ready_at(trio.current_time())
        self.receiver = trio.lowlevel.current_task()
        if at is None:
            await trio.lowlevel.wait_task_rescheduled(self._forget_receiver)
            return
        with trio.move_on_at(at):
            await trio.lowlevel.wait_task_rescheduled(self._forget_receiver)

    def _forget_receiver(self, _: object) -> trio.lowlevel.Abort:
        self.receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    @trio.lowlevel.enable_ki_protection
    def take(self) -> Any | Empty:
        """Take the next item in hand, or EMPTY."""
        self.fast = None  # invariant 5
        item = self.mailbox.take(self.now())
        while item is not EMPTY and type(item) is Envelope and item.slot.closed:
            # Its asker has timed out or was cancelled, so handling it would be wasted.
            self.mailbox.settle(item, self.now())
            self.admit()
            item = self.mailbox.take(self.now())
        return item

    @trio.lowlevel.enable_ki_protection
    def settle(self, item: Any) -> None:
        """Count an item in hand as handled."""
        self.mailbox.settle(item, self.now())
        if self.senders:
            self.admit()
        self.wake_receiver()

    async def send(self, message: Any) -> None:
        """Wait for room, in the order of arrival."""
        if self.gone:
            raise ActorStopped(f"{self.path} has stopped")
        sender = _Sender(message)
        self._line_up(sender)
        try:
            await sender.slot.wait()
        except BaseException:
            sender.slot.closed = True
            raise

    def _line_up(self, sender: _Sender) -> None:
        if self.senders is None:
            self.senders = deque()
        self.senders.append(sender)
        self.fast = None  # invariant 3
        self.admit()

    def admit(self) -> None:
        """Admit waiting sends in order while there is room."""
        while self.senders and not self.gone:
            sender = self.senders[0]
            if sender.slot.closed:
                self.senders.popleft()
            elif self.mailbox.has_room(sender.message):
                self.senders.popleft()
                self.put(sender.message)
                sender.slot.end()
            else:
                return

    def report(self, dropped: tuple[Dropped[Any], ...]) -> None:
        """Tell the askers and the listeners what a mailbox dropped."""
        for loss in dropped:
            if type(loss.what) is Envelope:
                loss.what.slot.end(error=AskDropped(loss.reason))
            self._dead(loss.what, loss.reason)

    def _dead(self, item: Any, reason: str) -> None:
        if self.telemetry.listeners:
            self.telemetry.emit(DeadLetter(self.path, type(content(item)).__name__, reason))

    def interrupted(self) -> None:
        """The incarnation is over: settle what it had in hand by the mailbox's rule."""
        self.fast = None  # invariant 4
        self.report(tuple(self.mailbox.interrupted(self.now())))
        self.admit()

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """End the child for good, and tell everyone who waits, once."""
        if self.gone:
            return
        self.gone, self.fast = True, None  # invariant 4
        error = ActorStopped(f"{self.path} has stopped")
        try:
            rest = tuple(self.mailbox.close(self.now()))
        except Exception:
            # People write mailboxes: one that fails must not keep the rest of the tree from stopping.
            logger.exception("the mailbox of %s failed to close", self.path)
            rest = ()
        for item in rest:
            if type(item) is Envelope:
                item.slot.end(error=error)
            self._dead(item, "stopped")
        while self.senders:
            self.senders.popleft().slot.end(error=error)
        watchers, self.watchers = self.watchers, {}
        for notify in watchers.values():
            notify()
