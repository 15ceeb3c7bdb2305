"""Mailboxes: what waits for an actor, and what happens when too much does.

A message is *in hand* from `take` until it is settled, and the capacity counts it: an actor that is busy with one
message and has nine waiting holds ten. Whatever happens to a message is counted exactly once:

    offered  = accepted + refused
    accepted = handled + failed + dropped (by reason) + dead + queued + in hand

Pure: a mailbox that needs the time says so (`timed`) and gets it as an argument; the others never see a clock.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

from attrs import field, frozen

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

DEFAULT_CAPACITY: Final = 1_000

_NONE: Final[Mapping[str, int]] = MappingProxyType({})

# An empty deque takes 760 bytes, and most mailboxes of a large tree are empty: each makes its own at its first message.
_NO_QUEUE: Final[deque[Any]] = deque(maxlen=0)


class Empty(Enum):
    """The type of `EMPTY`, so that a mailbox can hold any object at all, None included."""

    EMPTY = "empty"


EMPTY: Final = Empty.EMPTY
"""What `take` returns when nothing may be taken now."""


@frozen
class Dropped(Generic[M_co]):
    """A message that a `put` cost: the offered one itself (it was refused) or one that had waited."""

    what: M_co
    reason: str


class Notice:
    """A watch's message on its way to the watcher, outside the mailbox."""

    __slots__ = ("due", "message", "target")

    def __init__(self, target: object, message: Any, due: int) -> None:
        self.target: object = target
        self.message: Any = message
        self.due: int = due


class Envelope:
    """An ask on its way: the request, and the slot that its one ending goes to."""

    __slots__ = ("request", "slot")

    def __init__(self, request: object, slot: Any) -> None:
        self.request = request
        self.slot = slot


def content(item: object) -> object:
    """Return the message itself, whether it came by tell, in an ask's envelope or as a notice."""
    if type(item) is Envelope:
        return item.request
    return item.message if type(item) is Notice else item


@frozen
class MailboxStatistics:
    """Exact counts since the mailbox was made; the two equations of the module hold at every moment."""

    capacity: int
    offered: int = 0
    refused: int = 0
    handled: int = 0
    failed: int = 0
    dead: int = 0
    queued: int = 0
    in_hand: int = 0
    dropped: Mapping[str, int] = field(default=_NONE)

    @property
    def accepted(self) -> int:
        """Messages accepted, regardless of what happened to them later."""
        return self.offered - self.refused


class Mailbox(Protocol[M]):
    """What an actor's messages wait in; write your own to decide what an overload costs."""

    timed: ClassVar[bool]
    """Whether `now` is trio's clock (seconds); where False it is 0.0, so that no clock is read for nothing."""

    def put(self, message: M, now: float, /) -> Dropped[M] | None:
        """Offer a message; return what that cost, which is the message itself when it was refused."""
        ...

    def has_room(self, message: M, /) -> bool:
        """Return True when a put of this message would accept it; a waiting send is admitted then."""
        ...

    def take(self, now: float, /) -> M | Empty:
        """Take the next message in hand, or return EMPTY."""
        ...

    def settle(self, message: M, now: float, /) -> None:
        """Count a message in hand as handled."""
        ...

    def interrupted(self, now: float, /) -> Iterable[Dropped[M]]:
        """The incarnation ended with messages in hand: keep, put back or give up each; return those given up."""
        ...

    def close(self, now: float, /) -> Iterable[M]:
        """Return what still waited, now counted as dead: the actor is gone for good, or its group starts again."""
        ...

    def statistics(self) -> MailboxStatistics:
        """Return the exact counts."""
        ...


class _Queue(Generic[M]):
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
        self._dropped: Counter[str] = Counter()

    @staticmethod
    def _least_capacity() -> int:
        return 1

    def __len__(self) -> int:
        return len(self._queue)

    def _busy(self) -> bool:
        return self._hand is not EMPTY

    def _full(self) -> bool:
        return len(self) + self._busy() >= self.capacity

    def has_room(self, _message: M, /) -> bool:
        """True while the capacity, which counts the message in hand, is not reached."""
        return not self._full()

    def take(self, _now: float = 0.0, /) -> M | Empty:
        """Take the oldest message in hand; EMPTY while there is none, or one is in hand already."""
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
            self._dropped[newer] += 1
            return (Dropped(hand, newer),)
        exhausted = self.redeliver > 0 and type(hand) is not Envelope
        self._attempts = 0
        if exhausted:
            self._dead += 1
            return (Dropped(hand, "redelivered"),)
        self._failed += 1
        return (Dropped(hand, "interrupted"),)

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
        ended = self.handled + self._failed + self._dead + sum(self._dropped.values())
        return MailboxStatistics(
            capacity=self.capacity,
            offered=self._refused + ended + queued + in_hand,
            refused=self._refused,
            handled=self.handled,
            failed=self._failed,
            dead=self._dead,
            queued=queued,
            in_hand=in_hand,
            dropped=MappingProxyType(dict(self._dropped)),
        )


class Reject(_Queue[M]):
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

    def put(self, message: M, _now: float = 0.0, /) -> Dropped[M] | None:
        """Append the message, or refuse it as "full"."""
        queue = self._queue
        if len(queue) + (self._hand is not EMPTY) >= self.capacity:
            self._refused += 1
            return Dropped(message, "full")
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
        return self._queue if len(self._queue) == 1 and not self._busy() else None


class DropOldest(_Queue[M]):
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
            self._dropped["oldest"] += 1
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


class Conflate(_Queue[M]):
    """Only the newest message per key waits, in the place of the first of that key; a new key needs room.

    Args:
        key: what two messages share for the newer to replace the older; called with the message.
        capacity: messages, the one in hand included.
        redeliver: deliveries after the first for a message that crashed the actor; a newer one of its key wins.
    """

    __slots__ = ("_newest", "key")

    def __init__(self, key: Callable[[M], Hashable], capacity: int = DEFAULT_CAPACITY, *, redeliver: int = 0) -> None:
        super().__init__(capacity, redeliver=redeliver)
        self.key: Callable[[M], Hashable] = key
        # Insertion order is arrival order, and replacing a value keeps its place. In a plain dict, the search for the
        # first key would pass over every key that was deleted before it.
        self._newest: OrderedDict[Hashable, M] = OrderedDict()

    def __len__(self) -> int:
        return len(self._newest)

    def has_room(self, message: M, /) -> bool:
        """True for a key that waits already, and while the capacity is not reached."""
        return self._key(message) in self._newest or not self._full()

    def _key(self, message: M) -> Hashable:
        return self.key(cast("M", content(message)))

    def put(self, message: M, _now: float = 0.0, /) -> Dropped[M] | None:
        """Replace the waiting message of the same key ("conflated"), or append; refuse a new key as "full"."""
        key = self._key(message)
        older = self._newest.get(key, EMPTY)
        if older is not EMPTY:
            self._dropped["conflated"] += 1
            if self._hand is EMPTY and key == next(iter(self._newest)):
                self._attempts = 0  # they were those of the message that was put back in front
            self._newest[key] = message
            return Dropped(older, "conflated")
        if len(self._newest) + (self._hand is not EMPTY) >= self.capacity:
            self._refused += 1
            return Dropped(message, "full")
        self._newest[key] = message
        return None

    def take(self, _now: float = 0.0, /) -> M | Empty:
        """Take the message whose key has waited longest in hand."""
        if not self._newest or self._hand is not EMPTY:
            return EMPTY
        _, message = self._newest.popitem(last=False)
        self._hand = message
        return message

    def _put_back(self, message: M) -> str | None:
        key = self._key(message)
        if key in self._newest:
            return "conflated"
        self._newest[key] = message
        self._newest.move_to_end(key, last=False)
        return None

    def close(self, _now: float = 0.0, /) -> Iterable[M]:
        """Return what still waited, counted as dead."""
        rest = tuple(self._newest.values())
        self._newest.clear()
        self._dead += len(rest)
        return rest
