"""Uses that a type checker must refuse: each ignore is an expected error, and one without need is an error itself.

Checked by `test_typing_api.py`, never run.
"""

from __future__ import annotations

from attrs import define, frozen

from ds_actors import Actor, ActorRef, Answer, ChildSpec, Request, Supervisor


@frozen
class Add:
    amount: int


@frozen
class Total(Request[int]):
    pass


@frozen
class Foreign(Request[str]):
    pass


@define
class Counter(Actor["Add | Total"]):
    count: int = 0

    async def receive(self, message: Add | Total, /) -> Answer | None:
        match message:
            case Add(amount):
                self.count += amount
            case Total():
                return message.answer("many")  # type: ignore[arg-type]
        return None


async def wrong_message(ref: ActorRef[Add | Total]) -> None:
    ref.tell("add")  # type: ignore[arg-type]
    await ref.send(3)  # type: ignore[arg-type]
    ref.tell_from_thread(None)  # type: ignore[arg-type]


async def foreign_request(ref: ActorRef[Add | Total]) -> None:
    await ref.ask(Foreign(), timeout=1)  # type: ignore[arg-type]
    await ref.ask(Add(1), timeout=1)  # type: ignore[arg-type]
    await ref.ask(Total())  # type: ignore[call-arg]


async def wrong_reply(ref: ActorRef[Add | Total]) -> str:
    return await ref.ask(Total(), timeout=1)  # type: ignore[arg-type]


async def wrong_start(app: Supervisor) -> None:
    await app.start(Counter, "three")  # type: ignore[arg-type]
    await app.start(Counter(1))  # type: ignore[call-overload]
    await app.start(Counter, restart="always")  # type: ignore[call-arg,call-overload]
    ChildSpec(Counter, "three")  # type: ignore[arg-type]


def wider(ref: ActorRef[Add]) -> ActorRef[Add | Total]:
    return ref  # type: ignore[return-value]
