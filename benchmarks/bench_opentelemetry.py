"""What a traced mailbox costs: CPU time of a message that is told and handled.

Yardstick: the same actor with the default mailbox. 500 messages are told, then handled. `spans` without an SDK, so that
the exporter's work is no part of it. For information: an actor without the mailbox runs no code for tracing.

    python benchmarks/bench_opentelemetry.py
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import trio
import trio.testing
from _compare import Goal, compare, rounds

from ds_actors import Actor, Mailbox, Reject, Supervisor
from ds_actors.opentelemetry import traced

MESSAGES, REPETITIONS = 500, 200


class Silent(Actor[int]):
    """Takes messages."""

    async def receive(self, message: int, /) -> None:
        """Do nothing."""


def measure(mailbox: Callable[[], Mailbox[Any]]) -> float:
    """Return the CPU time of one message."""

    async def main() -> float:
        async with Supervisor("app") as app:
            ref = await app.start(Silent, mailbox=mailbox)
            began = process_time()
            for _ in range(REPETITIONS):
                for number in range(MESSAGES):
                    ref.tell(number)
                await trio.testing.wait_all_tasks_blocked()
            return (process_time() - began) / REPETITIONS / MESSAGES

    return trio.run(main)


def main() -> None:
    """Print both ratios."""
    for name, spans in (("the context of the sender", False), ("a span per message, without an SDK", True)):
        compare(
            name,
            lambda spans=spans: measure(traced(spans=spans)),  # type: ignore[misc]
            {"the default mailbox": lambda: measure(Reject)},
            (Goal("the default mailbox"),),
            rounds=rounds(7),
        )


if __name__ == "__main__":
    main()
