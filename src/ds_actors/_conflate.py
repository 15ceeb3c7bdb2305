"""The mailbox that keeps the newest message of each key.

Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar, cast

from ds_actors._mailbox import EMPTY, Dropped, Empty, Refused, content
from ds_actors._queue_mailboxes import DEFAULT_CAPACITY, QueueMailbox

M = TypeVar("M")


class Conflate(QueueMailbox[M]):
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

    def held(self) -> int:
        """Return how many messages are queued or in hand."""
        return len(self._newest) + (self._hand is not EMPTY)

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
            self._count_dropped("conflated")
            if self._hand is EMPTY and key == next(iter(self._newest)):
                self._attempts = 0  # they were those of the message that was put back in front
            self._newest[key] = message
            return Dropped(older, "conflated")
        if len(self._newest) + (self._hand is not EMPTY) >= self.capacity:
            self._refused += 1
            return Refused(message, "full")
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
