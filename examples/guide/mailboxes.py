from collections.abc import Callable
from functools import partial

import trio
import trio.testing
from attrs import define

from ds_actors import Actor, Conflate, DeadLetter, DropOldest, Latest, Mailbox, Reject, Supervisor, TelemetryEvent

Reading = tuple[str, int]  # the sensor and its value


@define
class Slow(Actor[Reading]):
    handled: list[Reading]
    go: trio.Event

    async def receive(self, message: Reading, /) -> None:
        await self.go.wait()
        self.handled.append(message)


def sensor(reading: Reading) -> str:
    return reading[0]


def lost(event: TelemetryEvent) -> None:
    if isinstance(event, DeadLetter):
        print(f"lost at {event.path}: {event.reason}")  # prints lost at /app/Reject: full


async def main() -> None:
    kinds: dict[str, Callable[[], Mailbox[Reading]]] = {
        "Reject": partial(Reject[Reading], 3),
        "DropOldest": partial(DropOldest[Reading], 3),
        "Latest": Latest[Reading],
        "Conflate": partial(Conflate[Reading], sensor, 3),
    }
    async with Supervisor("app", listeners=(lost,)) as app:
        for name, mailbox in kinds.items():
            handled, go = list[Reading](), trio.Event()
            slow = await app.start(Slow, handled, go, mailbox=mailbox, name=name)
            slow.tell(("a", 0))
            await trio.testing.wait_all_tasks_blocked()  # the first message is in hand now
            for number in range(1, 5):
                slow.tell(("ab"[number % 2], number))
            go.set()
            await trio.testing.wait_all_tasks_blocked()
            print(slow.name, [number for _, number in handled[1:]], dict(slow.statistics().dropped))
    # prints Reject [1, 2] {}
    # prints DropOldest [3, 4] {'oldest': 2}
    # prints Latest [4] {'oldest': 3}
    # prints Conflate [3, 4] {'conflated': 2}


trio.run(main)
