"""Uses that a type checker must refuse: each ignore is an expected error, and one without need is an error itself.

Checked by `test_typing_api.py`, never run.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, frozen

from ds_actors import Actor, ActorRef, Answer, ChildSpec, Group, PoolSpec, Request, Supervisor


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


def wrong_member(group: Group[Add | Total], narrow: ActorRef[Add]) -> None:
    group.join(narrow)  # type: ignore[arg-type]
    group.publish("add")  # type: ignore[arg-type]


async def wrong_pool(app: Supervisor, key_of: Callable[[str], str]) -> None:
    pool = await app.start(PoolSpec("counters", ChildSpec(Counter), 2))
    pool.tell("add")  # type: ignore[arg-type]
    await pool.ask(Foreign(), timeout=1)  # type: ignore[arg-type]
    PoolSpec("counters", ChildSpec(Counter), 2, route=key_of)  # type: ignore[arg-type]
    PoolSpec("counters", Counter, 2)  # type: ignore[arg-type]
