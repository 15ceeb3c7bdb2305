from functools import partial

import trio
from attrs import define

from ds_actors import Actor, Reject, Supervisor


@define
class Disk(Actor[bytes]):
    async def receive(self, message: bytes, /) -> None:
        await trio.sleep(0.001)


async def main() -> None:
    async with Supervisor("app") as app:
        disk = await app.start(Disk, mailbox=partial(Reject[bytes], 4))
        most = 0
        for _ in range(50):
            await disk.send(b"block")  # waits for room in order of arrival
            most = max(most, disk.statistics().queued)
        print("never more than", most)  # one is in hand: prints never more than 3
        print(disk.statistics().refused)  # prints 0


trio.run(main)
