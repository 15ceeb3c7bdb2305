"""Groups: who gets a message that is published."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import get_ident
from typing import Generic, TypeVar

import trio

from ds_actors._lifetime import Down
from ds_actors._ref import ActorRef, lifetime_of

# Invariant: what joins must take all that is published.
M = TypeVar("M")


class Group(Generic[M]):
    """Actors that get the same messages; an actor that is gone for good leaves by itself.

    A member takes at least all messages of the group: an `ActorRef[A | B]` may join a `Group[A]`. A restart of a member
    changes nothing. A group belongs to trio's thread, and may be made before the run.

    Example:
        ```python
        alerts = Group[Alert]()
        alerts.join(screen)
        alerts.join(log)
        accepted = alerts.publish(Alert("smoke"))
        ```
    """

    __slots__ = ("_leaves", "_members", "_thread")

    def __init__(self) -> None:
        self._members: dict[ActorRef[M], None] = {}
        self._leaves = 0
        self._thread: int | None = None
        """That of the last member that joined."""

    def __repr__(self) -> str:
        return f"<Group of {len(self._members)}>"

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, ref: object) -> bool:
        return ref in self._members

    def __iter__(self) -> Iterator[ActorRef[M]]:
        """Iterate over the members as they are now, in the order in which they joined."""
        return iter(tuple(self._members))

    @trio.lowlevel.enable_ki_protection
    def join(self, ref: ActorRef[M], /) -> None:
        """Add a member. An actor that is a member already, or is gone for good, changes nothing.

        Raises:
            RuntimeError: when called from another thread or trio run than the actor's.
        """
        self._check_thread()
        target = lifetime_of(ref)
        target.check_run()
        if ref not in self._members and target.down is None:
            self._thread = target.thread
            self._members[ref] = None
            target.add_watcher(self, partial(self._forget, ref))

    @trio.lowlevel.enable_ki_protection
    def leave(self, ref: ActorRef[M], /) -> None:
        """Take a member out; an actor that is not a member stays as it is.

        Raises:
            RuntimeError: when called from another thread than trio's.
        """
        self._check_thread()
        if ref in self._members:
            lifetime_of(ref).remove_watcher(self)
            self._forget(ref)

    def publish(self, message: M, /) -> int:
        """Tell every member, in the order in which they joined, and return how many accepted the message.

        It never waits. A member's mailbox counts a message that it refuses. Who leaves meanwhile, in a function of a
        mailbox or a listener, and was not told yet, is left out; who joins meanwhile gets the next message.

        Raises:
            RuntimeError: when called from another thread than trio's.
        """
        self._check_thread()
        leaves, accepted = self._leaves, 0
        for ref in tuple(self._members):
            if self._leaves != leaves and ref not in self._members:
                continue
            accepted += ref.tell(message)
        return accepted

    def _forget(self, ref: ActorRef[M], _down: Down | None = None) -> None:
        del self._members[ref]
        self._leaves += 1

    def _check_thread(self) -> None:
        if self._members and get_ident() != self._thread:
            raise RuntimeError(
                "a group belongs to trio's thread; from another one use"
                " trio.from_thread.run_sync(group.publish, message), and likewise for join and leave"
            )
