import trio
from attrs import define, frozen

from ds_actors import Actor, ActorRef, ChildSpec, ExponentialBackoff, Supervisor


@frozen
class Greet:
    whom: str
    reply_to: ActorRef["Greeted"]


@frozen
class Greeted:
    whom: str


@frozen
class GreeterGone:
    pass


class Greeter(Actor[Greet]):  # Behaviors.receiveMessage
    async def receive(self, message: Greet, /) -> None:
        print(f"hello, {message.whom}")  # prints hello, world
        message.reply_to.tell(Greeted(message.whom))  # replyTo ! Greeted(whom)
        self.context.stop()  # Behaviors.stopped


@define
class Main(Actor[Greeted | GreeterGone]):
    greeter: ActorRef[Greet]
    over: trio.Event

    async def started(self) -> None:
        self.context.watch(self.greeter, GreeterGone())  # context.watchWith
        self.greeter.tell(Greet("world", self.context.ref))

    async def receive(self, message: Greeted | GreeterGone, /) -> None:
        print(message)  # prints GreeterGone()
        if message == GreeterGone():
            self.over.set()


async def main() -> None:
    # Behaviors.supervise(...).onFailure(SupervisorStrategy.restartWithBackoff(200.millis, 10.seconds, 0.2))
    again = ExponentialBackoff(base=0.2, cap=10)
    greeter = ChildSpec(Greeter, name="greeter", restart="transient", backoff=again)
    over = trio.Event()
    async with Supervisor("system") as system:
        ref = await system.start(greeter)
        await system.start(Main, ref, over)
        await over.wait()


trio.run(main)
