"""Where the time from a crash to the next incarnation's first message goes: CPU time, by what trio alone needs for it.

Yardstick of every row: spawning a bare trio task and waiting until it runs. Each row is made by hand and contains the
row above it, but for the decisions, which have no trio in them; the last is the library.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from time import process_time
from typing import Any

import trio
import trio.testing
from _compare import Contestant, Goal, compare, rounds
from bench_lifecycle import CRASHES, crashes, spawns
from bench_restart_decision import deciding


def _never(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class Hand:
    """A task that waits to be woken, without an actor; what it does then, a row decides."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.over = False
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> None:
        """Wait to be woken."""
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(_never)

    def wake(self) -> None:
        """Wake it."""
        assert self._task is not None
        trio.lowlevel.reschedule(self._task)


async def _answer(hand: Hand, _: trio.Nursery) -> None:
    while True:
        await hand.wait()
        if hand.over:
            return
        hand.came.set()


async def _crash_and_stay(hand: Hand, _: trio.Nursery) -> None:
    while True:
        try:
            await hand.wait()
            if hand.over:
                return
            raise ValueError("as asked")
        except ValueError:
            await trio.lowlevel.cancel_shielded_checkpoint()
            hand.came.set()


async def _crash_and_end(hand: Hand, nursery: trio.Nursery) -> None:
    try:
        with trio.CancelScope(shield=True):
            if not hand.over:
                hand.came.set()
            await hand.wait()
            if hand.over:
                return
            raise ValueError("as asked")
    except ValueError:
        nursery.start_soon(_crash_and_end, hand, nursery)


def by_hand(life: Callable[[Hand, trio.Nursery], Coroutine[Any, Any, None]]) -> Contestant:
    """Return what measures from waking a task to the event that it, or the next one, sets."""

    async def run() -> float:
        hand, took = Hand(), 0.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life, hand, nursery)
            for _ in range(CRASHES):
                await trio.testing.wait_all_tasks_blocked()
                hand.came = trio.Event()
                begin = process_time()
                hand.wake()
                await hand.came.wait()
                took += process_time() - begin
            await trio.testing.wait_all_tasks_blocked()
            hand.over = True
            hand.wake()
        return took / CRASHES

    return lambda: trio.run(run)


def main() -> None:
    """Print one row per step."""
    logging.disable()  # the crashes are intended
    spawn = "spawning a bare trio task"
    for title, contestant in (
        ("wake a waiting task", by_hand(_answer)),
        ("wake one that raises, takes one more turn, and goes on", by_hand(_crash_and_stay)),
        ("wake one that raises out of its scope, and ends; a new one has a scope too", by_hand(_crash_and_end)),
        ("decide that a crashed child starts again, and that it is ready", deciding(1)),
        ("from a crash to the first message, the library", lambda: trio.run(crashes)),
    ):
        compare(title, contestant, {spawn: lambda: trio.run(spawns)}, (Goal(spawn),), rounds=rounds(9))


if __name__ == "__main__":
    main()
