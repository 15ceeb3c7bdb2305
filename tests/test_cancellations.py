"""A cancellation from outside, at every single step of a start, a message, a restart and a stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from attrs import define, field, frozen

from ds_actors import (
    Actor,
    ActorRef,
    Answer,
    ChildSpec,
    Exit,
    ExponentialBackoff,
    Request,
    Supervisor,
    SupervisorSpec,
)
from ds_actors.testing import run_virtual


@frozen
class Ask(Request[int]):
    pass


@define
class Records:
    """The incarnations that started, and those that cleaned up."""

    started: list[str] = field(factory=list[str])
    stopped: list[str] = field(factory=list[str])
    refs: list[ActorRef[Any]] = field(factory=list[ActorRef[Any]])


@define(eq=False)
class Worker(Actor[str | Ask]):
    name: str
    books: Records

    async def started(self) -> None:
        await trio.lowlevel.checkpoint()
        self.context.spawn(trio.sleep, 100)
        await trio.lowlevel.checkpoint()
        self.books.started.append(f"{self.name}{self.context.incarnation}")

    async def receive(self, message: str | Ask, /) -> Answer | None:
        await trio.lowlevel.checkpoint()
        if isinstance(message, Ask):
            return message.answer(1)
        raise ValueError(self.name)

    async def stopping(self, exit: Exit, /) -> None:
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        self.books.stopped.append(f"{self.name}{self.context.incarnation}")


class CancellingInstrument(trio.abc.Instrument):
    """Cancels a scope just before the given step of the run."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.scope = trio.CancelScope()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def whole_life(books: Records, strategy: Any) -> None:
    """Start a tree, ask, crash, start again with and without a wait, ask for a start and a stop, and stop."""

    def spec(name: str, **options: Any) -> ChildSpec[str | Ask]:
        return ChildSpec(Worker, name, books, name=name, expected=(ValueError,), **options)

    inner = SupervisorSpec("inner", strategy, [spec("c"), spec("d")])
    children: list[ChildSpec[Any] | SupervisorSpec] = [spec("a"), inner, spec("b", backoff=ExponentialBackoff(0.1))]
    async with Supervisor("app", strategy, children) as app:
        for path in ("a", "b", "inner/c"):
            ref = app.find(path)
            assert isinstance(ref, ActorRef)
            books.refs.append(ref)
            assert await ref.ask(Ask(), timeout=5) == 1
            ref.tell("crash")
            await trio.sleep(1)
        books.refs.append(await app.start(spec("e", restart="temporary")))
        await app.terminate("a")
        if strategy != "dynamic":  # which forgets it
            await app.restart("a")
        await app.terminate("e")


def cancelled_at_every_step(scenario: Callable[[Records], Awaitable[object]]) -> int:
    """Run it with a cancellation at step 1, 2, ... until it ends before that step; return the number of steps."""
    for step in range(1, 5_000):
        books, instrument = Records(), CancellingInstrument(step)

        async def main(books: Records = books, instrument: CancellingInstrument = instrument) -> None:
            with instrument.scope:
                trio.lowlevel.add_instrument(instrument)
                await scenario(books)
            trio.lowlevel.remove_instrument(instrument)

        run_virtual(main)
        # trio.run returned, so no task is left; and each that became ready has cleaned up, once.
        assert sorted(books.started) == sorted(books.stopped), f"cancelled at step {step}"
        assert all(ref.stopped for ref in books.refs), f"cancelled at step {step}"
        if instrument.left > 0:
            return step
    raise AssertionError("it never ends")


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one", "dynamic"])
def test_a_cancellation_at_any_step_stops_the_tree_in_order(strategy: Any) -> None:
    """Nothing keeps running, everything is cleaned up exactly once, and no error is raised."""

    async def scenario(books: Records) -> None:
        await whole_life(books, strategy)

    assert cancelled_at_every_step(scenario) > 100


@pytest.mark.parametrize("call", ["start", "restart", "terminate", "ask", "send"])
def test_a_caller_cancelled_at_any_step_harms_nobody(call: str) -> None:
    """A started request is undone or completed, and the tree continues."""
    for step in range(1, 1_000):
        books, instrument = Records(), CancellingInstrument(step)

        async def main(books: Records = books, instrument: CancellingInstrument = instrument) -> None:
            def spec(name: str) -> ChildSpec[str | Ask]:
                return ChildSpec(Worker, name, books, name=name)

            async with Supervisor("app", "one_for_all", [spec("a"), spec("b")]) as app:
                a = app.find("a")
                assert isinstance(a, ActorRef)
                if call == "restart":
                    await app.terminate("b")
                with instrument.scope:
                    trio.lowlevel.add_instrument(instrument)
                    match call:
                        case "start":
                            await app.start(spec("c"))
                        case "restart":
                            await app.restart("b")
                        case "terminate":
                            await app.terminate("b")
                        case "ask":
                            await a.ask(Ask(), timeout=1)
                        case _:
                            await a.send(Ask())
                trio.lowlevel.remove_instrument(instrument)
                await trio.sleep(1)
                assert await a.ask(Ask(), timeout=1) == 1
                status = {node.name: node.status for node in app.which()}
                assert status.pop("a") == "running"
                # Whatever was under way is over: it runs, it is at rest, or it is gone.
                assert set(status.values()) <= {"running", "down"}
                counts = a.statistics()
                assert (counts.queued, counts.in_hand) == (0, 0)

        run_virtual(main)
        assert sorted(books.started) == sorted(books.stopped)
        if instrument.left > 0:
            assert step > 1
            return
    raise AssertionError("it never ends")
