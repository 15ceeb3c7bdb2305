"""Mailboxes in order of arrival: what happens when too many messages wait is what differs.

Pure.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

from ds_actors._mailbox import EMPTY, Dropped, Empty, Envelope, MailboxStatistics, Refused

M = TypeVar("M")

DEFAULT_CAPACITY: Final = 1_000

# An empty deque takes 760 bytes, and most mailboxes of a large tree are empty: each makes its own at its first message.
_NO_QUEUE: Final[deque[Any]] = deque(maxlen=0)


class QueueMailbox(Generic[M]):
    """What the mailboxes with one queue and one message in hand share."""

    timed: ClassVar[bool] = False
    __slots__ = (
        "_attempts",
        "_dead",
        "_dropped",
        "_failed",
        "_hand",
        "_queue",
        "_refused",
        "capacity",
        "handled",
        "redeliver",
    )

    def __init__(self, capacity: int = DEFAULT_CAPACITY, *, redeliver: int = 0) -> None:
        least = self._least_capacity()
        if capacity < least:
            raise ValueError(f"{type(self).__name__} needs a capacity of {least} or more, not {capacity!r}")
        if redeliver < 0:
            raise ValueError(f"redeliver counts deliveries after the first, so 0 or more, not {redeliver!r}")
        self.capacity: int = capacity
        self.redeliver: int = redeliver
        self._queue: deque[M] = _NO_QUEUE
        self._hand: M | Empty = EMPTY
        self._attempts = 0  # of the message in hand, or of the one put back in front
        self._refused = self._failed = self._dead = 0
        self.handled: int = 0
        self._dropped: Counter[str] | None = None

    @staticmethod
    def _least_capacity() -> int:
        return 1

    def __len__(self) -> int:
        return len(self._queue)

    def held(self) -> int:
        """Return how many messages are queued or in hand."""
        return len(self._queue) + (self._hand is not EMPTY)

    def _busy(self) -> bool:
        return self._hand is not EMPTY

    def _full(self) -> bool:
        return len(self) + self._busy() >= self.capacity

    def has_room(self, _message: M, /) -> bool:
        """True while the capacity, which counts the message in hand, is not reached."""
        return not self._full()

    def take(self, _now: float = 0.0, /) -> M | Empty:
        """Take the oldest message in hand; EMPTY when the mailbox is empty, or a message is in hand already."""
        if not self._queue or self._busy():
            return EMPTY
        message = self._hand = self._queue.popleft()
        return message

    def settle(self, _message: M, _now: float = 0.0, /) -> None:
        """Count the message in hand as handled."""
        self._hand = EMPTY
        self._attempts = 0
        self.handled += 1

    def interrupted(self, _now: float = 0.0, /) -> Iterable[Dropped[M]]:
        """Lose the message in hand (counted as failed), or put it back in front up to `redeliver` times."""
        hand = self._hand
        if hand is EMPTY:
            return ()
        self._hand = EMPTY
        # An ask is never delivered twice: its one ending, AskFailed, has already told the caller.
        if self._attempts < self.redeliver and type(hand) is not Envelope:
            self._attempts += 1
            newer = self._put_back(hand)
            if newer is None:
                return ()
            self._attempts = 0
            self._count_dropped(newer)
            return (Dropped(hand, newer),)
        exhausted = self.redeliver > 0 and type(hand) is not Envelope
        self._attempts = 0
        if exhausted:
            self._dead += 1
            return (Dropped(hand, "redelivered"),)
        self._failed += 1
        return (Dropped(hand, "interrupted"),)

    def release(self) -> None:
        """Give back the memory of an empty queue: an actor that is parked needs none."""
        if not self._queue and self._hand is EMPTY:  # what is in hand may have to be put back
            self._queue = _NO_QUEUE

    def _count_dropped(self, reason: str) -> None:
        if self._dropped is None:
            self._dropped = Counter()
        self._dropped[reason] += 1

    def _put_back(self, message: M) -> str | None:
        """Put a message back in front, or return why it gives way to a newer one."""
        self._queue.appendleft(message)
        return None

    def close(self, _now: float = 0.0, /) -> Iterable[M]:
        """Return what still waited, counted as dead."""
        rest = tuple(self._queue)
        self._queue.clear()
        self._dead += len(rest)
        return rest

    def statistics(self) -> MailboxStatistics:
        """Return the exact counts; each message is counted once, where it ends, so that the sum is what was offered."""
        queued, in_hand = len(self), int(self._busy())
        dropped: Mapping[str, int] = self._dropped or {}
        ended = self.handled + self._failed + self._dead + sum(dropped.values())
        return MailboxStatistics(
            capacity=self.capacity,
            offered=self._refused + ended + queued + in_hand,
            refused=self._refused,
            handled=self.handled,
            failed=self._failed,
            dead=self._dead,
            queued=queued,
            in_hand=in_hand,
            dropped=MappingProxyType(dict(dropped)),
        )


class Reject(QueueMailbox[M]):
    """First in, first out; a message that finds no room is refused. The default, with room for 1,000."""

    __slots__ = ("at_head",)

    def __init__(self, capacity: int = DEFAULT_CAPACITY, *, redeliver: int = 0) -> None:
        super().__init__(capacity, redeliver=redeliver)
        self.at_head: bool = False
        """The message in hand is still the first of the queue."""

    def __len__(self) -> int:
        return len(self._queue) - self.at_head

    def _busy(self) -> bool:
        return self.at_head or self._hand is not EMPTY

    def take(self, _now: float = 0.0, /) -> M | Empty:
        """Take the oldest message in hand; EMPTY when the mailbox is empty, or a message is in hand already."""
        if not self._queue or self.at_head or self._hand is not EMPTY:
            return EMPTY
        message = self._hand = self._queue.popleft()
        return message

    def put(self, message: M, _now: float = 0.0, /) -> Dropped[M] | None:
        """Append the message, or refuse it as "full"."""
        queue = self._queue
        if len(queue) + (self._hand is not EMPTY) >= self.capacity:
            self._refused += 1
            return Refused(message, "full")
        if queue is _NO_QUEUE:
            queue = self._queue = deque()
        queue.append(message)
        return None

    def interrupted(self, now: float = 0.0, /) -> Iterable[Dropped[M]]:
        """Lose the message in hand (counted as failed), or put it back in front up to `redeliver` times."""
        if self.at_head:
            self.at_head, self._hand = False, self._queue.popleft()
        return super().interrupted(now)

    def only(self) -> deque[M] | None:
        """Return the queue if it holds only the message just put; `_cell` may then append to it (its invariants).

        Until that ends, `take` is not called; the incarnation sets `at_head` and counts in `handled`.
        """
        return self._queue if len(self._queue) == 1 and not self.at_head and self._hand is EMPTY else None


class DropOldest(QueueMailbox[M]):
    """First in, first out; when full, the message that has waited longest makes room. Capacity 2 or more."""

    __slots__ = ()

    @staticmethod
    def _least_capacity() -> int:
        # With room for one only, a busy actor could keep nothing at all: the one in hand cannot be dropped.
        return 2

    def has_room(self, _message: M, /) -> bool:
        """Always: room is made."""
        return True

    def put(self, message: M, _now: float = 0.0, /) -> Dropped[M] | None:
        """Append the message; when there was no room, drop the oldest waiting one as "oldest"."""
        cost: Dropped[M] | None = None
        if self._full():
            oldest = self._queue.popleft()
            self._count_dropped("oldest")
            if self._hand is EMPTY:  # else the attempts are those of the message in hand
                self._attempts = 0
            cost = Dropped(oldest, "oldest")
        if self._queue is _NO_QUEUE:
            self._queue = deque()
        self._queue.append(message)
        return cost


class Latest(DropOldest[M]):
    """Only the newest message waits: one in hand, one behind it."""

    __slots__ = ()

    def __init__(self, *, redeliver: int = 0) -> None:
        super().__init__(2, redeliver=redeliver)

    def _full(self) -> bool:
        return bool(self._queue)

    def _put_back(self, message: M) -> str | None:
        return "oldest" if self._queue else super()._put_back(message)
