import trio
from attrs import frozen

from ds_actors import Actor, Answer, ChildSpec, PoolSpec, Request, Supervisor


@frozen
class Resize(Request[str]):
    picture: str


class Resizer(Actor[Resize]):
    async def receive(self, message: Resize, /) -> Answer | None:
        if message.picture == "broken":
            raise ValueError(message.picture)
        return message.answer(f"{message.picture}, resized by {self.context.name}")


async def main() -> None:
    worker = ChildSpec(Resizer, expected=(ValueError,))
    async with Supervisor("app") as app:
        pool = await app.start(PoolSpec("resizers", worker, 2))
        print(await pool.ask(Resize("cat"), timeout=1))  # prints cat, resized by 1
        print(await pool.ask(Resize("dog"), timeout=1))  # prints dog, resized by 2
        pool.tell(Resize("broken"))  # worker 1 crashes, and its queue survives:
        pool.tell(Resize("fox"))
        print(await pool.ask(Resize("owl"), timeout=1))  # prints owl, resized by 1
        counts = pool.statistics()
        print(f"{counts.offered} = {counts.handled} + {counts.failed}")  # prints 5 = 4 + 1


trio.run(main)
