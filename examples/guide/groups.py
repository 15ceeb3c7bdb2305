import trio
from attrs import define, frozen

from ds_actors import Actor, Group, Supervisor


@frozen
class Alert:
    text: str


@define(eq=False)
class Listener(Actor[Alert]):
    group: Group[Alert]

    async def started(self) -> None:
        self.group.join(self.context.ref)  # after a restart, it has no effect

    async def receive(self, message: Alert, /) -> None:
        print(f"{self.context.name}: {message.text}")


async def main() -> None:
    alerts = Group[Alert]()
    async with Supervisor("app") as app:
        await app.start(Listener, alerts, name="screen")
        horn = await app.start(Listener, alerts, name="horn")
        print(alerts.publish(Alert("smoke")), "heard it")  # prints 2 heard it
        await trio.sleep(0.01)  # prints screen: smoke
        await app.terminate(horn)  # gone for good, so it has left
        print(alerts.publish(Alert("all clear")), "heard it")  # prints 1 heard it
        await trio.sleep(0.01)


trio.run(main)
