"""Publish to a group, compared with a loop of tells.

Yardstick: `for ref in refs: ref.tell(message)` over a list of as many actors with empty mailboxes. The cost is that of
putting the messages into the mailboxes; nothing is handled meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import trio
from _compare import Goal, compare, rounds

from ds_actors import Actor, ActorRef, Group, Supervisor

MEMBERS, REPETITIONS = 10_000, 20


class Silent(Actor[int]):
    """Takes messages."""

    async def receive(self, _message: int, /) -> None:
        """Do nothing."""


def measure(members: int, make: Callable[[list[ActorRef[int]]], Callable[[int], object]]) -> float:
    """Return the CPU time of one tell to one member."""

    async def main() -> float:
        async with Supervisor("app", "dynamic") as app:
            refs = [await app.start(Silent, name=str(number)) for number in range(members)]
            give = make(refs)
            spent = 0.0
            for number in range(REPETITIONS):
                began = process_time()
                give(number)
                spent += process_time() - began
                await trio.lowlevel.checkpoint()
            return spent / REPETITIONS / members

    return trio.run(main)


def publishing(refs: list[ActorRef[int]]) -> Callable[[int], object]:
    """ds-actors."""
    group = Group[int]()
    for ref in refs:
        group.join(ref)
    return group.publish


def telling(refs: list[ActorRef[int]]) -> Callable[[int], object]:
    """The yardstick."""

    def loop(message: int) -> None:
        for ref in refs:
            ref.tell(message)

    return loop


def main() -> None:
    """Print the table."""
    compare(
        f"publish to {MEMBERS:,} members, per member",
        lambda: measure(MEMBERS, publishing),
        {"a loop of tells": lambda: measure(MEMBERS, telling)},
        (Goal("a loop of tells", most=1.5),),
        rounds=rounds(11),
    )


if __name__ == "__main__":
    main()
