"""Laws of a live actor under any mix of tell, ask and send; tell has a fast path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import (
    Actor,
    ActorRef,
    Answer,
    AskDropped,
    AskFailed,
    Conflate,
    DropOldest,
    ExponentialBackoff,
    Latest,
    Mailbox,
    Reject,
    Request,
    Supervisor,
)
from ds_actors._mailbox import Envelope
from ds_actors._slot import Slot
from ds_actors.testing import Crashed, run_virtual

offers = st.sampled_from(["tell", "tell", "tell", "tell", "ask", "send"])
actions = st.lists(st.one_of(offers, st.sampled_from(["handle", "handle", "crash", "wait"])), max_size=50)


@frozen
class Numbered(Request[int]):
    number: int


Message = int | Numbered


class Gated(Actor[Message]):
    """Notes each message as it is taken, and ends with it as the gate says."""

    def __init__(self, taken: list[int], gate: trio.MemoryReceiveChannel[str]) -> None:
        self.taken, self.gate = taken, gate

    async def receive(self, message: Message, /) -> Answer | None:
        number = message.number if isinstance(message, Numbered) else message
        self.taken.append(number)
        if await self.gate.receive() == "crash":
            raise Crashed("as asked")
        return message.answer(number) if isinstance(message, Numbered) else None


class GatedLoop(Gated):
    """The same with a loop of its own."""

    async def run(self) -> None:
        while True:
            try:
                message = await self.inbox.take()
            except trio.EndOfChannel:
                return
            answer = await self.receive(message)
            if answer is None:
                self.inbox.settle(message)
            else:
                self.inbox.answer(answer)


class Story:
    """One actor, the offered messages, and their outcomes."""

    def __init__(self, factory: Callable[..., Gated], capacity: int) -> None:
        self.factory = factory
        self.capacity = capacity
        self.offered = 0
        self.let_in: list[int] = []
        self.taken: list[int] = []
        self.crashed: list[int] = []
        self.answers: dict[int, str] = {}
        self.sending = 0

    async def run(self, script: list[str]) -> None:
        let, gate = trio.open_memory_channel[str](0)
        async with trio.open_nursery() as nursery, Supervisor("app", max_restarts=100) as app:
            ref = await app.start(self.factory, self.taken, gate, mailbox=partial(Reject[Any], self.capacity))
            for number, action in enumerate([*script, "wait", *["handle"] * 60]):
                await self.act(ref, nursery, let, number, action)
            assert ref.statistics().queued + ref.statistics().in_hand == 0
        assert self.taken == self.let_in

    async def act(self, ref: ActorRef[Message], nursery: trio.Nursery, let: Any, number: int, action: str) -> None:
        counts = ref.statistics()
        has_room = counts.queued + counts.in_hand < self.capacity
        if action == "tell":
            # No other task runs between this and the next tell: that is a burst.
            self.offered += 1
            assert ref.tell(number) is has_room
            self.let_in += [number] * has_room
            return
        if action == "ask":
            nursery.start_soon(self.ask, ref, number)
        elif action == "send":
            nursery.start_soon(self.send, ref, number)
        elif action in ("handle", "crash") and counts.in_hand:
            if action == "crash":
                self.crashed.append(self.taken[-1])
            await let.send(action)
        await trio.testing.wait_all_tasks_blocked()
        self.check(ref)

    async def ask(self, ref: ActorRef[Message], number: int) -> None:
        self.offered += 1
        self.let_in.append(number)
        try:
            assert await ref.ask(Numbered(number), timeout=1e6) == number
            self.answers[number] = "answered"
        except AskFailed:
            self.answers[number] = "failed"
        except AskDropped:
            self.answers[number] = "dropped"
            self.let_in.remove(number)

    async def send(self, ref: ActorRef[Message], number: int) -> None:
        self.sending += 1
        await ref.send(number)
        self.sending -= 1
        self.offered += 1
        self.let_in.append(number)

    def check(self, ref: ActorRef[Message]) -> None:
        counts = ref.statistics()
        ended = counts.handled + counts.failed
        assert counts.offered == self.offered
        assert counts.refused == self.offered - len(self.let_in)
        assert counts.failed == len(self.crashed)
        assert ended + counts.in_hand == len(self.taken)
        assert ended + counts.in_hand + counts.queued == len(self.let_in)
        assert counts.queued + counts.in_hand <= self.capacity
        assert not self.sending or counts.queued + counts.in_hand == self.capacity


@pytest.mark.parametrize("factory", [Gated, GatedLoop])
@given(st.integers(1, 5), actions)
def test_what_is_let_in_is_handled_once_and_in_order(factory: type[Gated], capacity: int, script: list[str]) -> None:
    """Counts are exact at every moment, no send waits while there is room, and an ask ends as its message did."""
    story = Story(factory, capacity)
    run_virtual(story.run, script)
    for number, ending in story.answers.items():
        if number in story.let_in:
            assert ending == ("failed" if number in story.crashed else "answered")
        else:
            assert ending == "dropped"


def test_each_message_has_its_own_deliveries() -> None:
    """Every one of a burst crashes once, is delivered again, and is handled then."""
    tried: list[int] = []

    class Unsure(Actor[int]):
        async def receive(self, message: int, /) -> None:
            tried.append(message)
            if tried.count(message) == 1:
                raise Crashed("the first time")

    async def main() -> None:
        async with Supervisor("app", max_restarts=100) as app:
            ref = await app.start(Unsure, mailbox=partial(Reject[Any], redeliver=1))
            for number in range(3):
                ref.tell(number)
            await trio.testing.wait_all_tasks_blocked()
            assert tried == [0, 0, 1, 1, 2, 2]
            assert (ref.statistics().handled, ref.statistics().dead) == (3, 0)

    run_virtual(main)


@pytest.mark.parametrize("mailbox", [Latest[Any], partial(DropOldest[Any], 2), partial(Conflate[Any], lambda _: 0)])
def test_an_object_that_replaces_itself_is_accepted(mailbox: Callable[[], Mailbox[Any]]) -> None:
    """`tell` returns True when the same object waits already and gives way to itself."""

    class Plain(Actor[str]):
        async def receive(self, _message: str, /) -> None: ...

    async def main() -> None:
        async with Supervisor("app") as app:
            ref = await app.start(Plain, mailbox=mailbox)
            assert [ref.tell("again") for _ in range(4)] == [True] * 4

    run_virtual(main)


def test_a_stop_leaves_the_rest_of_a_burst() -> None:
    """The message in hand is handled; what waits behind it is dead."""

    class Stopping(Actor[int]):
        async def receive(self, _message: int, /) -> None:
            self.context.stop()

    async def main() -> None:
        async with Supervisor("app") as app:
            ref = await app.start(Stopping, restart="temporary")
            for number in range(3):
                ref.tell(number)
            await ref.wait_stopped()
            assert (ref.statistics().handled, ref.statistics().dead) == (1, 2)
            assert not ref.tell(3)

    run_virtual(main)


def test_a_told_message_refused_behind_an_ask_changes_nothing() -> None:
    """With room for the ask alone, which the actor has not seen yet."""
    taken: list[Message] = []

    class Answering(Actor[Message]):
        async def receive(self, message: Message, /) -> Answer | None:
            taken.append(message)
            return message.answer(7) if isinstance(message, Numbered) else None

    async def main() -> None:
        async with Supervisor("app") as app:
            ref = await app.start(Answering, mailbox=partial(Reject[Any], 1))
            await trio.testing.wait_all_tasks_blocked()
            slot = Slot()
            assert ref._cell.put(Envelope(Numbered(1), slot))
            assert not ref.tell(2)
            assert await slot.wait() == 7
            assert taken == [Numbered(1)]

    run_virtual(main)


def test_who_waited_for_a_restart_that_never_comes_is_dead() -> None:
    """Messages of the meantime wait; when the actor is terminated, they are dead letters and new ones are refused."""

    class Fragile(Actor[int]):
        async def receive(self, _message: int, /) -> None:
            raise Crashed("always")

    async def main() -> None:
        async with Supervisor("app") as app:
            ref = await app.start(Fragile, backoff=ExponentialBackoff(base=60.0, cap=60.0), name="fragile")
            ref.tell(0)
            await trio.testing.wait_all_tasks_blocked()
            assert ref.tell(1)
            assert ref.tell(2)
            await app.terminate("fragile")
            assert not ref.tell(3)
            assert (ref.statistics().failed, ref.statistics().dead) == (1, 2)

    run_virtual(main)
