"""An ask from an asyncio loop to an actor in trio's thread, one at a time.

Yardstick: a round trip of `asyncio.run_coroutine_threadsafe` from a loop to a loop in another thread, which returns a
number; awaited through `asyncio.wrap_future`. CPU time of the process, seven rounds, order alternated. Goal: 1.5 or
less.

    python benchmarks/bench_asyncio.py
"""

from __future__ import annotations

import asyncio
import threading
from time import process_time

from _compare import Goal, compare, rounds

from ds_actors import Actor, Answer, Request, Supervisor
from ds_actors.asyncio import SupervisorThread

CALLS = 5_000


class Number(Request[int]):
    """Asks for a number."""


class Numbers(Actor[Number]):
    """Answers with one."""

    async def receive(self, message: Number, /) -> Answer:
        """Answer."""
        return message.answer(7)


def asking() -> float:
    """ds-actors."""

    async def main() -> float:
        async with SupervisorThread(Supervisor("app")) as app:
            actor = await app.run(lambda: app.supervisor.start(Numbers))
            began = process_time()
            for _ in range(CALLS):
                await app.ask(actor, Number(), timeout=10)
            return process_time() - began

    return asyncio.run(main())


def threadsafe() -> float:
    """asyncio.run_coroutine_threadsafe."""
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()

    async def number() -> int:
        return 7

    async def main() -> float:
        began = process_time()
        for _ in range(CALLS):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(number(), other))
        return process_time() - began

    try:
        return asyncio.run(main())
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()


def main() -> None:
    """Print the ratio."""
    compare(
        "an ask from an asyncio loop",
        lambda: asking() / CALLS,
        {"asyncio.run_coroutine_threadsafe": lambda: threadsafe() / CALLS},
        (Goal("asyncio.run_coroutine_threadsafe", most=1.5),),
        rounds=rounds(7),
    )


if __name__ == "__main__":
    main()
