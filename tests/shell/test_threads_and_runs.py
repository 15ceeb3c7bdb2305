"""Calls from the wrong thread, the wrong trio run, or a past incarnation raise and name the right way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import define, field, frozen

from ds_actors import Actor, ActorRef, Answer, AskFailed, Context, DeferredReply, Inbox, Request, Supervisor
from ds_actors.testing import run_virtual


@frozen
class Echo(Request[int]):
    number: int = 0


@define(eq=False)
class Open(Actor[object]):
    """Hands out its context and inbox, which no actor should."""

    contexts: list[Context[object]]
    inboxes: list[Inbox[object]]
    deferred: list[DeferredReply[int]] = field(factory=list[DeferredReply[int]])

    async def started(self) -> None:
        self.contexts.append(self.context)
        self.inboxes.append(self.inbox)

    async def receive(self, message: object, /) -> Answer | None:
        if message == "crash":
            raise ValueError
        if isinstance(message, Echo):
            self.deferred.append(self.context.defer(message))
        return None


async def nothing() -> None:
    return None


def start_open(app: Supervisor) -> Any:
    contexts: list[Context[object]] = []
    inboxes: list[Inbox[object]] = []
    deferred: list[DeferredReply[int]] = []
    return app.start(Open, contexts, inboxes, deferred, expected=(ValueError,)), contexts, inboxes, deferred


CALLS: list[Callable[[Context[object]], object]] = [
    lambda context: context.spawn(nothing),
    lambda context: context.send_after(1, "x"),
    lambda context: context.send_every(1, "x"),
    lambda context: context.watch(context.ref, "x"),
    lambda context: context.unwatch(context.ref),
    lambda context: context.stop(),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_context_belongs_to_trios_thread(call: Callable[[Context[object]], object]) -> None:
    """From a worker thread each call raises at once, and the block still ends."""
    async with Supervisor("app") as app:
        start, contexts, _, _ = start_open(app)
        await start
        with pytest.raises(RuntimeError, match=r"belongs to trio's thread; from another one use ref\.tell_from_thread"):
            await trio.to_thread.run_sync(call, contexts[0])


async def test_a_deferred_reply_is_given_in_trios_thread() -> None:
    """From a worker thread it goes through `trio.from_thread`; the error says so."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        start, _, _, deferred = start_open(app)
        ref: ActorRef[object] = await start
        answers: list[int] = []

        async def ask() -> None:
            answers.append(await ref.ask(Echo(), timeout=50))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        (reply,) = deferred
        with pytest.raises(RuntimeError, match=r"trio\.from_thread\.run and run_sync"):
            await trio.to_thread.run_sync(reply.answer, 1)
        await trio.to_thread.run_sync(lambda: trio.from_thread.run_sync(reply.answer, 2))
    assert answers == [2]


def test_a_reference_of_another_run_is_refused() -> None:
    """`ask`, `send` and `wait_stopped` name the reason; `tell` to an actor that is gone returns False."""
    refs: list[ActorRef[object]] = []

    async def first() -> None:
        async with Supervisor("app") as app:
            refs.append(await start_open(app)[0])

    async def second() -> None:
        (ref,) = refs
        for call in (ref.wait_stopped, lambda: ref.send("x"), lambda: ref.ask(Echo(), timeout=1)):
            with pytest.raises(RuntimeError, match="belongs to another trio run; use it in the run of its Supervisor"):
                await call()
        assert not ref.tell("x")

    run_virtual(first)
    run_virtual(second)


async def test_the_context_of_a_past_incarnation_does_not_touch_the_new_one(autojump_clock: object) -> None:
    """Calls that would act on the new one raise; `stop` does nothing."""
    async with Supervisor("app") as app:
        start, contexts, inboxes, _ = start_open(app)
        ref = await start
        ref.tell("crash")
        await trio.sleep(1)
        old, inbox = contexts[0], inboxes[0]
        old.stop()
        with pytest.raises(RuntimeError, match="is over; the new one has its own context"):
            old.spawn(nothing)
        with pytest.raises(RuntimeError, match="is over; the new one has its own context"):
            old.watch(ref, "gone")
        with pytest.raises(RuntimeError, match="is over; it can take no messages any more"):
            await inbox.take()
        with pytest.raises(RuntimeError, match="no such str in hand"):
            inbox.settle("crash")
        with trio.fail_after(1):
            await old.wait_stop_requested()  # it was asked, or is over: there is nothing to wait for
        await trio.sleep(1)
        (node,) = app.which()
        assert (node.status, node.incarnation) == ("running", 2)


async def test_the_answer_to_another_request_is_an_error(autojump_clock: object) -> None:
    """The asker in hand does not get the answer that was meant for another one."""
    other = Echo(1)

    class Confused(Actor[Echo]):
        async def receive(self, message: Echo, /) -> Answer | None:
            return other.answer(7)

    async with Supervisor("app") as app:
        ref = await app.start(Confused, expected=(RuntimeError,))
        with pytest.raises(AskFailed) as failed:
            await ref.ask(Echo(1), timeout=1)
        assert "the answer to another Echo" in str(failed.value.__cause__)


def test_asyncio_run_around_a_supervisor_says_that_it_needs_trio() -> None:
    """The error names both ways to run it, and their pages."""
    import asyncio

    async def main() -> None:
        async with Supervisor("app"):
            pass

    ways = r"needs trio: .* trio\.run\(main\).*first-actor\.md.* ds_actors\.asyncio\.SupervisorThread.*asyncio\.md"
    with pytest.raises(RuntimeError, match=ways):
        asyncio.run(main())


async def test_a_supervisor_that_has_not_begun_belongs_to_no_run_yet(autojump_clock: object) -> None:
    """A task may wait for its end before its block is entered."""
    app = Supervisor("app")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app.wait_stopped)
        await trio.sleep(1)
        async with app:
            assert not app.stopped
