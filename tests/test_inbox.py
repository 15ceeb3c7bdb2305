"""Actors with their own loop over the inbox, and messages of an actor to itself."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorStopped,
    Answer,
    AskDropped,
    AskFailed,
    ChildSpec,
    Context,
    DeferredReply,
    Reject,
    Request,
    Supervisor,
)


@frozen
class Double(Request[int]):
    number: int


@frozen
class Command:
    text: str


Message = Double | Command


@define(eq=False)
class Loop(Actor[Message]):
    """Takes, settles and answers by hand."""

    seen: list[str]
    keep: bool = False

    async def run(self) -> None:
        while True:
            try:
                message = await self.inbox.take()
            except trio.EndOfChannel:
                self.seen.append("asked to stop")
                return
            match message:
                case Double(number) if number < 0:
                    self.inbox.settle(message)
                case Double(13):
                    raise ValueError(number_of_bad_luck)
                case Double(number):
                    self.inbox.answer(message.answer(2 * number))
                case Command("again"):
                    self.inbox.settle(message)
                    self.inbox.settle(message)
                case Command(text):
                    self.seen.append(text)
                    if not self.keep:
                        self.inbox.settle(message)


number_of_bad_luck = "thirteen"


@define(eq=False)
class InboxIterator(Actor[Message]):
    seen: list[str]

    async def run(self) -> None:
        async for message in self.inbox:
            self.seen.append(f"{message}")


async def test_an_own_loop_takes_answers_and_settles(autojump_clock: object) -> None:
    """Every ending of an ask, as with receive; settling twice counts once."""
    seen: list[str] = []
    async with Supervisor("app", children=[ChildSpec(Loop, seen, name="loop", expected=(ValueError,))]) as app:
        ref: Any = app.find("loop")
        assert await ref.ask(Double(4), timeout=1) == 8
        with pytest.raises(AskFailed, match="returned no answer to Double"):
            await ref.ask(Double(-1), timeout=1)
        with pytest.raises(AskFailed, match="crashed on Double") as caught:
            await ref.ask(Double(13), timeout=1)
        assert isinstance(caught.value.__cause__, ValueError)
        assert ref.tell(Command("again"))
        assert ref.tell(Command("text"))
        await trio.sleep(1)
        assert (ref.statistics().handled, ref.statistics().failed) == (4, 1)
    assert seen == ["text", "asked to stop"]


async def test_several_in_hand_are_all_interrupted_by_the_end(autojump_clock: object) -> None:
    """An inbox gives one message at a time: the next one comes after it is settled."""
    seen: list[str] = []
    async with Supervisor("app", children=[ChildSpec(Loop, seen, keep_all, name="loop")]) as app:
        ref: Any = app.find("loop")
        ref.tell(Command("a"))
        ref.tell(Command("b"))
        await trio.sleep(1)
        assert (ref.statistics().in_hand, ref.statistics().queued) == (1, 1)
    assert seen == ["a", "asked to stop"]
    assert (ref.statistics().failed, ref.statistics().dead) == (1, 1)


keep_all = True


async def test_an_iteration_settles_each_when_the_next_is_wanted(autojump_clock: object) -> None:
    """And ends when a stop is requested, or after the queue where it drains."""
    for drain in (False, True):
        seen: list[str] = []
        async with Supervisor("app", children=[ChildSpec(InboxIterator, seen, name="loop", drain=drain)]) as app:
            ref: Any = app.find("loop")
            ref.tell(Command("a"))
            await trio.sleep(1)
            assert ref.statistics().in_hand == 0
            ref.tell(Command("b"))
        assert len(seen) == 1 + drain


async def test_a_stop_that_is_awaited_beside_the_inbox(autojump_clock: object) -> None:
    """wait_stop_requested returns when a stop is asked for, by the supervisor or by the actor itself."""
    log: list[str] = []

    class Waiter(Actor[Command]):
        async def run(self) -> None:
            await self.context.wait_stop_requested()
            log.append(f"{self.context.name} at {self.context.path}")

    async with Supervisor("app", children=[ChildSpec(Waiter, name="waits")]):
        await trio.sleep(1)
        assert log == []
    assert log == ["waits at /app/waits"]


async def test_beats_come_at_their_times_until_they_are_cancelled(autojump_clock: object) -> None:
    """Each period from the start, however long the handling takes; missed ones are left out; restarts end them."""
    beats: list[float] = []
    contexts: list[Context[str]] = []

    class Clock(Actor[str]):
        async def started(self) -> None:
            contexts.append(self.context)
            self.began = trio.current_time()
            self.scope = self.context.send_every(2.0, "beat")

        async def receive(self, message: str, /) -> None:
            if message == "enough":
                self.scope.cancel()
                return
            beats.append(round(trio.current_time() - self.began, 6))
            await trio.sleep(0.5)

    async with Supervisor("app") as app:
        ref = await app.start(Clock)
        await trio.sleep(7)
        ref.tell("enough")
        await trio.sleep(10)
        for period in (0.0, -1.0, float("inf"), float("nan")):
            with pytest.raises(ValueError, match="period must be"):
                contexts[0].send_every(period, "never")
    assert beats == [2.0, 4.0, 6.0]


async def test_a_watch_that_is_asked_for_again_by_the_next_incarnation_tells_once(autojump_clock: object) -> None:
    """A watch from `started` is renewed after each restart, and different messages are different watches."""
    seen: list[str] = []

    class Watched(Actor[str]):
        async def receive(self, message: str, /) -> None:
            self.context.stop()

    class Watcher(Actor[str]):
        async def started(self) -> None:
            self.context.watch(watched, f"gone {1}")
            self.context.watch(watched, "gone 2")

        async def receive(self, message: str, /) -> None:
            if message == "crash":
                raise ValueError
            seen.append(message)

    async with Supervisor("app") as app:
        watched = await app.start(Watched, restart="temporary")
        watcher = await app.start(Watcher, expected=(ValueError,))
        for _ in range(3):
            watcher.tell("crash")
        await trio.sleep(1)
        watched.tell("end")
        await trio.sleep(1)
        assert sorted(seen) == ["gone 1", "gone 2"]
        late = await app.start(Watcher, name="late")
        await trio.sleep(1)
        assert sorted(seen) == ["gone 1", "gone 1", "gone 2", "gone 2"]
        assert late.statistics().offered == 0  # notices pass by the mailbox


async def test_waiting_for_ones_own_end_raises_at_once(autojump_clock: object) -> None:
    """Only in the actor's own task: one that it spawned may wait, and ends with it."""
    said: list[str] = []

    class Waiter(Actor[str]):
        async def receive(self, message: str, /) -> None:
            try:
                await self.context.ref.wait_stopped()
            except RuntimeError as error:
                said.append(str(error))

    async with Supervisor("app") as app:
        ref = await app.start(Waiter)
        ref.tell("now")
        await trio.sleep(1)
    assert said == ["/app/Waiter must not wait for the end of itself: it would wait forever; use self.context.stop()"]


async def test_a_deferred_answer_ends_with_the_incarnation_and_what_was_told_needs_none(autojump_clock: object) -> None:
    """DeferredReply has no effect when no caller waits."""
    kept: list[DeferredReply[int]] = []

    class DeferringWorker(Actor[Double]):
        async def receive(self, message: Double, /) -> Answer | None:
            if message.number == 13:
                raise ValueError
            kept.append(self.context.defer(message))
            return None

    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(DeferringWorker, expected=(ValueError,))

        async def ask() -> None:
            with pytest.raises(AskDropped, match="ended before it answered"):
                await ref.ask(Double(1), timeout=60)

        nursery.start_soon(ask)
        await trio.sleep(1)
        ref.tell(Double(2))
        await trio.sleep(1)
        kept[1].answer(4)
        ref.tell(Double(13))
        await trio.sleep(1)
        kept[0].answer(2)


async def test_an_actor_without_a_receive_says_what_it_needs(autojump_clock: object) -> None:
    """And one that spawns after its end is refused."""
    kept: list[Any] = []

    class Bare(Actor[str]):
        async def started(self) -> None:
            kept.append(self.context)

    async with Supervisor("app") as app:
        ref = await app.start(Bare, restart="temporary", mailbox=lambda: Reject(3))
        ref.tell("anything")
        await ref.wait_stopped()
        with pytest.raises(RuntimeError, match="is over; the new one has its own context"):
            kept[0].spawn(trio.sleep, 1)
        with pytest.raises(ActorStopped):
            await ref.send("anything")
        await ref.wait_stopped()


async def test_an_iteration_can_be_gone_on_with(autojump_clock: object) -> None:
    """A message in hand at the end of one loop is settled when the next loop asks for more."""
    pairs: list[list[str]] = []

    class Pairs(Actor[str]):
        async def run(self) -> None:
            messages = aiter(self.inbox)
            async for first in messages:
                async for second in messages:
                    pairs.append([first, second])
                    break

    async with Supervisor("app") as app:
        ref = await app.start(Pairs)
        for message in "abcde":
            ref.tell(message)
        await trio.sleep(1)
        assert pairs == [["a", "b"], ["c", "d"]]
        assert (ref.statistics().handled, ref.statistics().in_hand) == (5, 0)


async def test_all_who_wait_for_a_stop_hear_of_it_and_who_comes_late_too(autojump_clock: object) -> None:
    """Also tasks of the actor that begin to wait long after the request."""
    log: list[str] = []

    class Waiter(Actor[str]):
        async def wait(self, name: str) -> None:
            await self.context.wait_stop_requested()
            log.append(name)

        async def run(self) -> None:
            self.context.spawn(self.wait, "early")
            await self.wait("own")
            await trio.sleep(1)
            await self.wait("again")

    class Late(Waiter):
        async def run(self) -> None:
            await trio.sleep(1)
            await self.wait("late")

    async with Supervisor("app", children=[ChildSpec(Waiter), ChildSpec(Late, grace=3)]):
        await trio.sleep(0.5)
    assert sorted(log[:3]) == ["early", "late", "own"]
    assert log[3:] == ["again"]
