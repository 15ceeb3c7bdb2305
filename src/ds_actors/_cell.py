"""What stays of a child while its incarnations come and go: the mailbox, and the tasks that wait at it.

The fast path of `tell`. Most messages are told to an actor that does nothing but handle them, and there a call into the
mailbox costs as much as the rest of the delivery. So `ActorRef.tell` appends to `Cell.fast`, and `Incarnation` handles
the messages at the head of that queue, without a call between. Seven invariants make this the same as `put`, `take` and
`settle`; code that relies on one names its number.

1. `fast` is None, or the queue of this cell's own `Reject` mailbox. An append to it is an accepted `put`: a `Reject`
   counts a message where it ends, not where it enters.
2. While `fast` is set, the queue holds told messages only. An ask is an `Envelope` and clears `fast`.
3. While `fast` is set, no notice of a watch is due, and an append overtakes no send that waits: the mailbox is full
   then, so that `tell` goes through `put` and is refused. A send that begins to wait and a notice clear `fast`.
4. `request_stop`, `interrupted`, `flush` and `end` clear `fast`. A `put` may set it again while the child stops or
   waits for its restart; that does no harm, because `serve` looks at `stop_requested` before told messages.
5. While `fast` is set, the mailbox has no message in hand of its own: `take` clears `fast`. During the handling of told
   messages the message in hand is the head of the queue, and `Reject.at_head` says so for the counts.
6. The code that appends checks the capacity (`limit`) and wakes the receiver, as `put` does. Only `put` sets `fast`.
7. `receiver` is the task that waits for a message, or the incarnation of a parked actor, which has none and makes one
   when it is resumed. While an actor is parked, its mailbox is empty, no notice is due and no send waits.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, cast

import trio

from ds_actors._errors import ActorStopped, AskDropped, SendDropped
from ds_actors._lifetime import Lifetime, Notices, Watch
from ds_actors._mailbox import EMPTY, Dropped, Empty, Envelope, Mailbox, Notice, Refused, content
from ds_actors._mailbox_guard import close, has_room, offer, queued
from ds_actors._queue_mailboxes import QueueMailbox, Reject
from ds_actors._slot import Slot
from ds_actors._telemetry import DeadLetter, Telemetry


class Parked(Protocol):
    """An incarnation without a task."""

    def resume(self) -> None: ...


def _never(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class _Sender:
    __slots__ = ("message", "slot")

    def __init__(self, message: Any) -> None:
        self.message = message
        self.slot = Slot()


class Cell(Lifetime):
    """One actor's mailbox, with the tasks that wait for a message or for room.

    A mailbox may be the user's code. An exception in `put` or `has_room` refuses that one message; in `take`, `settle`
    or `interrupted` it is a crash of the actor; in `close` it is logged.
    """

    __slots__ = (
        "fast",
        "gone",
        "limit",
        "mailbox",
        "notices",
        "receiver",
        "senders",
        "stop_requested",
        "task",
        "telemetry",
        "watching",
    )

    def __init__(
        self,
        name: str,
        above: str,
        mailbox: Mailbox[Any],
        telemetry: Telemetry,
        thread: int,
        *,
        token: trio.lowlevel.TrioToken | None = None,
    ) -> None:
        super().__init__(name, above, thread, token or trio.lowlevel.current_trio_token())
        self.mailbox: Mailbox[Any] = mailbox
        self.telemetry: Telemetry = telemetry
        self.gone: bool = False
        self.fast: deque[Any] | None = None
        """The queue to which `tell` appends directly; None while a call of `put` is needed (invariants 1 to 5)."""
        self.limit: int = 0
        """The capacity, where `fast` is set."""
        self.stop_requested: bool = False
        self.task: trio.lowlevel.Task | None = None
        self.receiver: trio.lowlevel.Task | Parked | None = None
        self.senders: OrderedDict[_Sender, None] | None = None
        """The sends that wait for room, in order of arrival."""
        self.notices: Notices | None = None
        """The notices of watches that this actor has not taken yet."""
        self.watching: dict[Lifetime, Watch] | None = None

    def now(self) -> float:
        """Return the time for the mailbox, which is 0.0 where it needs none."""
        return trio.current_time() if self.mailbox.timed else 0.0

    @trio.lowlevel.enable_ki_protection
    def put(self, item: Any) -> bool:
        """Offer an item; return whether it was accepted. The asker of a refused request is told."""
        if self.gone:
            if type(item) is Envelope:
                item.slot.end(error=ActorStopped(f"{self.path} has stopped"))
            self._dead(item, "stopped")
            return False
        mailbox = self.mailbox
        if type(mailbox) is Reject:  # the library's own, which does not fail
            cost = mailbox.put(item)
        else:
            cost = offer(mailbox, item, trio.current_time() if mailbox.timed else 0.0, self)
        if type(item) is Envelope:
            self.fast = None  # invariant 2
        elif type(mailbox) is Reject and cost is None and self.notices is None:  # invariants 1, 3 and 6
            self.fast = self.fast or mailbox.only()
            self.limit = mailbox.capacity
        if self.receiver is not None:
            self.wake_receiver()
        if cost is None:
            return True
        self.report((cost,))
        return not isinstance(cost, Refused)

    def put_from_thread(self, item: Any) -> None:
        """Offer an item that came from another thread, where nothing may raise."""
        try:
            self.put(item)
        except BaseException as error:  # noqa: BLE001 - raised at the top of the tree
            self.telemetry.escape(error)

    # ---- watches

    def watch(self, target: Lifetime) -> Watch:
        """Return this actor's watch of a child, which may be new."""
        if self.watching is None:
            self.watching = {}
        watch = self.watching.get(target)
        if watch is None:
            watch = Watch(self, target)
            if target.down is None:
                self.watching[target] = watch
                target.add_watcher(self, watch)
        return watch

    def unwatch(self, target: Lifetime) -> None:
        """End a watch, and drop its notices that were not taken yet."""
        target.remove_watcher(self)
        self.stop_watching(target)
        if self.notices is not None:
            self.notices.discard(target)

    def stop_watching(self, target: Lifetime) -> None:
        """Forget a watch whose target is gone."""
        if self.watching is not None:
            self.watching.pop(target, None)
            self.watching = self.watching or None

    @trio.lowlevel.enable_ki_protection
    def add_notice(self, target: Lifetime, message: Any) -> None:
        """Give this actor a watch's message, behind the messages that are queued now."""
        if self.notices is None:
            self.notices = Notices()
        self.fast = None  # invariant 3
        self.notices.add(target, message, queued(self.mailbox, self))
        self.wake_receiver()

    def take_any(self) -> Any | Empty:
        """Take the next message or notice in hand, or EMPTY; for an actor that has notices."""
        notices = self.notices
        assert notices is not None
        item: Any = EMPTY
        if not notices.due():
            item = self.mailbox.take(self.now())
            if item is not EMPTY:
                notices.count_message()
        if item is EMPTY and notices and (notices.due() or not queued(self.mailbox, self)):
            item = notices.pop()
        if not notices:
            self.notices = None
        return item

    # ---- the receiver

    def request_stop(self) -> None:
        """Make the actor end its loop the next time it looks."""
        self.stop_requested, self.fast = True, None  # invariant 4
        self.wake_receiver()

    def wake_receiver(self) -> None:
        """Wake a waiting actor: there is a message, or it is asked to stop."""
        receiver = self.receiver
        if receiver is None:
            return
        self.receiver = None
        if type(receiver) is trio.lowlevel.Task:
            trio.lowlevel.reschedule(receiver)
        else:  # invariant 7
            receiver.resume()

    def park(self, incarnation: Parked) -> None:
        """Take an incarnation without a task as the receiver."""
        self.receiver, self.task, self.fast = incarnation, None, None  # invariants 4 and 7
        mailbox: Any = self.mailbox  # one of the library's own
        mailbox.release()

    def has_work(self) -> bool:
        """Return whether something waits at one of the library's own mailboxes."""
        return bool(len(cast("QueueMailbox[Any]", self.mailbox)) or self.notices or self.senders)

    def wait_for_message(self) -> Awaitable[object]:
        """Wait until something was put or settled, a stop was requested, or the mailbox said that it is time."""
        # Returned, not awaited: each frame below a waiting task costs all that it waits for.
        at: float | None = None
        if self.mailbox.timed:
            ready_at: Callable[[float], float | None] | None = getattr(self.mailbox, "ready_at", None)
            at = None if ready_at is None else ready_at(trio.current_time())
        if self.receiver is not None:
            raise RuntimeError(f"{self.path}: one task takes from an inbox; another one does already")
        self.receiver = trio.lowlevel.current_task()
        if at is None:
            return trio.lowlevel.wait_task_rescheduled(self._forget_receiver)  # noqa: ASYNC105
        return self._wait_until(at)

    def wait_uncancelled(self) -> Awaitable[object]:
        """Wait at one of the library's own mailboxes, outside of the actor's scope; only `wake_receiver` ends it."""
        self.receiver = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(_never)  # noqa: ASYNC105

    async def _wait_until(self, at: float) -> None:
        with trio.move_on_at(at):
            await trio.lowlevel.wait_task_rescheduled(self._forget_receiver)

    def _forget_receiver(self, _: object) -> trio.lowlevel.Abort:
        self.receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    @trio.lowlevel.enable_ki_protection
    def take(self) -> Any | Empty:
        """Take the next item in hand, or EMPTY."""
        self.fast = None  # invariant 5
        while True:
            item = self.mailbox.take(self.now()) if self.notices is None else self.take_any()
            if type(item) is not Envelope or not item.slot.closed:
                return item
            # Its asker has timed out or was cancelled, so handling it would be wasted.
            self.mailbox.settle(item, self.now())
            self.admit()

    @trio.lowlevel.enable_ki_protection
    def settle(self, item: Any) -> None:
        """Count an item in hand as handled."""
        if type(item) is not Notice:
            self.mailbox.settle(item, self.now())
        if self.senders:
            self.admit()
        self.wake_receiver()

    # ---- sends that wait for room

    async def send(self, message: Any) -> None:
        """Wait for room, in the order of arrival."""
        if self.gone:
            raise ActorStopped(f"{self.path} has stopped")
        sender = _Sender(message)
        if self.senders is None:
            self.senders = OrderedDict()
        self.senders[sender] = None
        self.fast = None  # invariant 3
        self.admit()
        await sender.slot.wait(partial(self._forget_sender, sender))

    def _forget_sender(self, sender: _Sender) -> None:
        assert self.senders is not None
        self.senders.pop(sender, None)

    def admit(self) -> None:
        """Admit waiting sends in order while there is room."""
        while self.senders and not self.gone:
            sender = next(iter(self.senders))
            if not has_room(self.mailbox, sender.message, self):
                return
            del self.senders[sender]
            if self.put(sender.message):
                sender.slot.end()
            else:
                sender.slot.end(error=SendDropped(f"the mailbox of {self.path} refused the message"))

    # ---- losses and the end

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
        before = queued(self.mailbox, self) if self.notices else 0
        self.report(tuple(self.mailbox.interrupted(self.now())))
        if self.notices:
            self.notices.delay(max(0, queued(self.mailbox, self) - before))
        self.admit()

    def flush(self, reason: str) -> None:
        """Drop the messages that wait: the next incarnation starts with an empty mailbox."""
        self.fast = None
        self.report(tuple(Dropped(item, reason) for item in close(self.mailbox, self.now(), self)))
        self.admit()

    @trio.lowlevel.enable_ki_protection
    def end(self, why: str, error: BaseException | None = None) -> None:
        """End the actor for good, and notify everyone who waits, once."""
        if self.gone:
            return
        self.gone, self.fast = True, None  # invariant 4
        try:
            if type(self.mailbox) is not Reject or self.has_work():
                self._end_messages()
        finally:  # a mailbox may raise SystemExit
            if self.watching:
                for target in tuple(self.watching):
                    self.unwatch(target)
            super().end(why, error)

    def _end_messages(self) -> None:
        error = ActorStopped(f"{self.path} has stopped")
        while self.senders:
            self.senders.popitem(last=False)[0].slot.end(error=error)
        while self.notices:
            self._dead(self.notices.pop().message, "stopped")
        for item in close(self.mailbox, self.now(), self):
            if type(item) is Envelope:
                item.slot.end(error=error)
            self._dead(item, "stopped")
