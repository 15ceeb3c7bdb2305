"""The context of a sender reaches `receive`."""

from __future__ import annotations

import trio
from attrs import define
from opentelemetry import baggage, context

from ds_actors import Actor, ActorRef, Answer, Request, Supervisor
from ds_actors.opentelemetry import traced


class Greet(Request[str]):
    pass


@define
class Greeter(Actor[Greet]):
    async def receive(self, message: Greet, /) -> Answer:
        return message.answer(f"hello {baggage.get_baggage('user')}")


async def request(user: str, greeter: ActorRef[Greet]) -> None:
    context.attach(baggage.set_baggage("user", user))  # as an instrumented web server does
    print(await greeter.ask(Greet(), timeout=1))


async def main() -> None:
    async with Supervisor("app") as app, trio.open_nursery() as requests:
        # With spans=True, each message is a span of the sender's trace.
        greeter = await app.start(Greeter, mailbox=traced())
        for user in ("alice", "bob"):
            requests.start_soon(request, user, greeter)
    # prints hello alice
    # prints hello bob


trio.run(main)
