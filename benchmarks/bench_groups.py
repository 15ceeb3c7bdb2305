"""Publish to a group, and tell to a pool, compared with a loop of tells.

Yardstick: `for ref in refs: ref.tell(message)` over a list of as many actors with empty mailboxes. The cost is that of
putting the messages into the mailboxes; nothing is handled meanwhile.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from functools import partial
from time import process_time

import trio
import trio.testing
from _compare import Goal, compare, rounds

from ds_actors import Actor, ActorRef, ChildSpec, Group, PoolSpec, Supervisor
from ds_actors._pool import Balance

MEMBERS, REPETITIONS = 10_000, 20
WORKERS, MESSAGES = 8, 1_000


class Silent(Actor[int]):
    """Takes messages."""

    async def receive(self, _message: int, /) -> None:
        """Do nothing."""


def measure(members: int, make: Callable[[list[ActorRef[int]]], Callable[[int], object]]) -> float:
    """Return the CPU time of one tell to one member."""

    async def main() -> float:
        async with Supervisor("app", "dynamic", close_within=60) as app:
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


def measure_pool(route: Balance | Callable[[int], Hashable]) -> float:
    """Return the CPU time of one tell to a pool."""

    async def main() -> float:
        async with Supervisor("app") as app:
            pool = await app.start(PoolSpec("pool", ChildSpec(Silent), WORKERS, route=route))
            return await told(pool.tell)

    return trio.run(main)


def measure_workers() -> float:
    """Return the CPU time of one tell to each of as many actors in turn."""

    async def main() -> float:
        async with Supervisor("app") as app:
            refs = itertools.cycle([await app.start(Silent) for _ in range(WORKERS)])
            return await told(lambda message: next(refs).tell(message))

    return trio.run(main)


async def told(tell: Callable[[int], object]) -> float:
    """Return the CPU time of one tell."""
    spent = 0.0
    for _ in range(REPETITIONS):
        began = process_time()
        for number in range(MESSAGES):
            tell(number)
        spent += process_time() - began
        await trio.testing.wait_all_tasks_blocked()
    return spent / REPETITIONS / MESSAGES


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
    routes: dict[str, Balance | Callable[[int], Hashable]] = {
        "round robin": "round_robin",
        "by key": lambda message: message,
        "least loaded": "least_loaded",
    }
    for name, route in routes.items():
        compare(
            f"tell to a pool of {WORKERS}, {name}",
            partial(measure_pool, route),
            {"tells to as many actors in turn": measure_workers},
            (Goal("tells to as many actors in turn", most=15 if name == "least loaded" else 6),),
            rounds=rounds(11),
        )


if __name__ == "__main__":
    main()
