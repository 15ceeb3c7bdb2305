"""A supervised tree beside an asyncio program."""

from __future__ import annotations

import asyncio

from attrs import define, frozen

from ds_actors import Actor, Answer, ChildSpec, Request, Supervisor
from ds_actors.asyncio import LoopBridge, SupervisorThread


@frozen
class Convert(Request[float]):
    amount: float


async def fetch_rate() -> float:
    """Stands for a client of asyncio, such as aiohttp's."""
    await asyncio.sleep(0.01)
    return 1.25


@define
class Exchange(Actor[Convert]):
    """Asks the loop for the rate once."""

    loop: LoopBridge
    rate: float = 0.0

    async def started(self) -> None:
        self.rate = await self.loop.call(fetch_rate)  # runs on the asyncio loop

    async def receive(self, message: Convert, /) -> Answer:
        return message.answer(message.amount * self.rate)


async def main() -> None:
    loop = LoopBridge()
    supervisor = Supervisor("app", children=[ChildSpec(Exchange, loop, name="exchange")])
    async with SupervisorThread(supervisor, bridge=loop) as app:
        exchange = await app.run_sync(app.supervisor.find_actor, "exchange")
        print(await app.ask(exchange, Convert(8), timeout=1))  # prints 10.0
        print(await app.run_sync(app.supervisor.tree))  # prints exchange running


asyncio.run(main())
