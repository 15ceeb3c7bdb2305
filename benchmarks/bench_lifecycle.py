"""Starting, stopping, crashing and parking actors: CPU time and memory, compared with bare trio tasks in the same run.

Yardsticks:
- 10,000 actors of one supervisor, started each when the one before is ready, parked, stopped in reverse order, over
  10,000 trio tasks with a cancel scope of their own, parked, and cancelled. A second row: the dynamic strategy, whose
  children stop together. A third: actors that override `started` and `stopping`, and so have a task all their lives.
- The first message of a parked actor, which makes its task, over spawning a bare trio task and waiting until it runs.
- From the message that crashes an actor to its new incarnation's first message, over spawning a bare trio task and
  waiting until it runs. One row without listener and log handler, one with a handler that formats every record.
- Bytes of a parked actor (its mailbox, reference and spec included), over a parked trio task with a cancel scope of
  its own; `tracemalloc`, which counts what Python allocates, of 10,000 each.
"""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import Any

import trio
import trio.testing
from _compare import Contestant, Goal, compare, rounds

from ds_actors import Actor, ChildSpec, Exit, Supervisor

MANY, CRASHES = 10_000, 500


class Parked(Actor[object]):
    """Waits for a message that never comes."""

    async def receive(self, message: object, /) -> None:
        """Nothing comes."""


class Hooked(Parked):
    """Has hooks that do nothing."""

    async def started(self) -> None:
        """Do nothing."""

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Do nothing."""


async def actors(strategy: Any, kind: type[Parked] = Parked) -> float:
    """Start, park and stop many actors."""
    specs = [ChildSpec(kind, name=f"actor-{number}") for number in range(MANY)]
    begin = process_time()
    async with Supervisor("bench", strategy, specs, close_within=600):
        await trio.testing.wait_all_tasks_blocked()
    return (process_time() - begin) / MANY


async def parked(scopes: list[trio.CancelScope]) -> None:
    """Park a task in its own cancel scope."""
    with trio.CancelScope() as scope:
        scopes.append(scope)
        await trio.sleep_forever()


async def tasks() -> float:
    """Start, park and cancel the same number of tasks."""
    scopes: list[trio.CancelScope] = []
    begin = process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(MANY):
            nursery.start_soon(parked, scopes)
        await trio.testing.wait_all_tasks_blocked()
        for scope in scopes:
            scope.cancel()
    return (process_time() - begin) / MANY


class Crashing(Actor[trio.Event]):
    """Crashes on every second message: the first message of each incarnation sets an event, the second crashes it."""

    def __init__(self) -> None:
        self.fresh = True

    async def receive(self, message: trio.Event, /) -> None:
        """Set the event, or crash."""
        if not self.fresh:
            raise ValueError("as asked")
        self.fresh = False
        message.set()


async def crashes() -> float:
    """From a crash to the first message of the next incarnation."""
    async with Supervisor("bench", max_restarts=CRASHES) as app:
        actor, took = await app.start(Crashing), 0.0
        came = trio.Event()
        actor.tell(came)
        await came.wait()
        for _ in range(CRASHES):
            await trio.testing.wait_all_tasks_blocked()
            came = trio.Event()
            begin = process_time()
            actor.tell(came)  # crashes
            actor.tell(came)  # waits for the next incarnation
            await came.wait()
            took += process_time() - begin
    return took / CRASHES


class Setting(Actor[trio.Event]):
    """Sets the event it is told."""

    async def receive(self, message: trio.Event, /) -> None:
        """Set it."""
        message.set()


async def first_messages() -> float:
    """From telling a parked actor its first message to that message."""
    took = 0.0
    async with Supervisor("bench", "dynamic") as app:
        for number in range(CRASHES):
            actor = await app.start(Setting, name=f"{number}")
            await trio.testing.wait_all_tasks_blocked()
            came = trio.Event()
            begin = process_time()
            actor.tell(came)
            await came.wait()
            took += process_time() - begin
    return took / CRASHES


async def spawns() -> float:
    """Spawn a task and wait until it runs."""
    took = 0.0

    async def task(came: trio.Event) -> None:
        came.set()

    async with trio.open_nursery() as nursery:
        for _ in range(CRASHES):
            await trio.testing.wait_all_tasks_blocked()
            came = trio.Event()
            begin = process_time()
            nursery.start_soon(task, came)
            await came.wait()
            took += process_time() - begin
    return took / CRASHES


def with_logging(function: Contestant) -> Contestant:
    """Return the contestant with a handler that formats every record and keeps none."""

    class Formatting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.format(record)

    def run() -> float:
        handler, logger = Formatting(), logging.getLogger("ds_actors")
        logging.disable(logging.NOTSET)
        logger.addHandler(handler)
        try:
            return function()
        finally:
            logger.removeHandler(handler)
            logging.disable()

    return run


def measured(park: Callable[[], Any]) -> Contestant:
    """Return the contestant that measures the bytes per parked actor or task."""

    def run() -> float:
        tracemalloc.start()
        try:
            return trio.run(park) / MANY
        finally:
            tracemalloc.stop()

    return run


async def bytes_of_actors() -> int:
    """Park actors and return their memory in bytes."""
    references: list[object] = [None] * MANY
    before = tracemalloc.get_traced_memory()[0]
    specs = [ChildSpec(Parked, name=f"actor-{number}") for number in range(MANY)]
    async with Supervisor("bench", "dynamic", specs, close_within=600) as app:
        await trio.testing.wait_all_tasks_blocked()
        for number in range(MANY):
            references[number] = app.find_actor(f"actor-{number}")
        return tracemalloc.get_traced_memory()[0] - before


async def bytes_of_tasks() -> int:
    """Park tasks and return their memory in bytes."""
    before, scopes = tracemalloc.get_traced_memory()[0], list[trio.CancelScope]()
    async with trio.open_nursery() as nursery:
        for _ in range(MANY):
            nursery.start_soon(parked, scopes)
        await trio.testing.wait_all_tasks_blocked()
        took = tracemalloc.get_traced_memory()[0] - before
        nursery.cancel_scope.cancel()
    return took


def main() -> None:
    """Print the rows."""
    logging.disable()
    name = "a trio task with a cancel scope"
    for title, strategy, kind, most in (
        ("one_for_one", "one_for_one", Parked, 0.5),
        ("dynamic", "dynamic", Parked, 0.5),
        ("one_for_one, with hooks", "one_for_one", Hooked, 1.5),
    ):
        compare(
            f"{MANY:,} actors started ready, parked, stopped ({title})",
            lambda strategy=strategy, kind=kind: trio.run(actors, strategy, kind),
            {name: lambda: trio.run(tasks)},
            (Goal(name, most=most),),
            rounds=rounds(5),
        )
    spawn = "spawning a bare trio task"
    compare(
        "first message of a parked actor",
        lambda: trio.run(first_messages),
        {spawn: lambda: trio.run(spawns)},
        (Goal(spawn, most=1.5),),
        rounds=rounds(9),
    )
    for title, contestant in (
        ("no listener, no log handler", lambda: trio.run(crashes)),
        ("logged", with_logging(lambda: trio.run(crashes))),
    ):
        compare(
            f"crash to the new incarnation's first message ({title})",
            contestant,
            {spawn: lambda: trio.run(spawns)},
            (Goal(spawn, most=3 if title != "logged" else None),),
            rounds=rounds(9),
        )
    compare(
        "memory of a parked actor",
        measured(bytes_of_actors),
        {name: measured(bytes_of_tasks)},
        (Goal(name, most=0.5),),
        rounds=1,
        unit=(1, "bytes"),
    )


if __name__ == "__main__":
    main()
