"""Uses that a type checker must accept, with the types that it must infer.

Checked by `test_typing_api.py`, never run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorRef,
    Answer,
    ChildSpec,
    Conflate,
    Request,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)


@frozen
class Add:
    amount: int


@dataclass(frozen=True)
class Total(Request[int]):
    pass


class Name(Request["str | None"]):
    pass


@define
class Counter(Actor["Add | Total | Name"]):
    count: int = 0
    label: str = ""

    async def receive(self, message: Add | Total | Name, /) -> Answer | None:
        match message:
            case Add(amount):
                self.count += amount
            case Total():
                return message.answer(self.count)
            case Name():
                return message.answer(self.label or None)
        return None


def made(count: int, label: str) -> Counter:
    return Counter(count, label)


def lists_of_specs() -> list[Supervisor]:
    same = [ChildSpec(Counter), ChildSpec(Counter, 3)]
    different = [ChildSpec(Counter), ChildSpec(Watcher)]
    with_supervisors = [ChildSpec(Counter), ChildSpec(Watcher), SupervisorSpec("inner")]
    return [Supervisor("app", children=children) for children in (same, different, with_supervisors)]


class Watcher(Actor[str]):
    async def started(self) -> None:
        assert_type(self.context.supervisor, SupervisorRef)
        self.context.watch(self.context.supervisor, "gone")
        self.context.watch(self.context.supervisor, on_down=lambda down: down.why)


async def uses(app: Supervisor) -> None:
    counter = await app.start(made, 1, "a", name="counter", mailbox=lambda: Conflate(type))
    assert_type(counter, ActorRef[Add | Total | Name])
    assert_type(counter.tell(Add(2)), bool)
    assert_type(await counter.ask(Total(), timeout=1), int)
    assert_type(await counter.ask(Name(), timeout=1), "str | None")
    assert_type(await app.start(ChildSpec(Counter, 3)), ActorRef[Add | Total | Name])
    assert_type(await app.start(SupervisorSpec("inner")), SupervisorRef)
    assert_type(app.find_actor("counter"), ActorRef[Any])
    assert_type(app.find_supervisor("inner"), SupervisorRef)
    narrower: ActorRef[Add] = counter
    narrower.tell(Add(1))
