"""Watches: exactly one notice, in order, with the reason, whatever the mailbox does; and nothing is left of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from attrs import define, field, frozen

from ds_actors import (
    EMPTY,
    Actor,
    ActorRef,
    ChildSpec,
    Conflate,
    DeadLetter,
    Down,
    DropOldest,
    Latest,
    Mailbox,
    Reject,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    TelemetryEvent,
)


class Plain(Actor[Any]):
    async def receive(self, message: Any, /) -> None:
        if message == "crash":
            raise ValueError("as asked")
        if message == "stop":
            self.context.stop()


@frozen
class Do:
    """Run a function in the watcher."""

    function: Callable[[Watcher], object]


@define(eq=False)
class Watcher(Actor[Any]):
    """Notes what it receives, but for functions to run."""

    seen: list[Any] = field(factory=list[Any])

    async def receive(self, message: Any, /) -> None:
        if isinstance(message, Do):
            message.function(self)
        elif message == "slow":
            await trio.sleep(10)
        else:
            self.seen.append(message)


def watch_down(ref: ActorRef[Any], watcher: Watcher) -> None:
    watcher.context.watch(ref, on_down=lambda down: down)


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "mailbox", [Latest, partial(DropOldest[Any], 2), partial(Conflate[Any], lambda _: 0, 1), partial(Reject[Any], 1)]
)
async def test_a_notice_survives_every_mailbox_policy(
    mailbox: Callable[[], Mailbox[Any]], autojump_clock: object
) -> None:
    """A busy watcher with a full mailbox gets it, once, after what it had."""
    seen: list[Any] = []
    async with Supervisor("app") as app:
        target = await app.start(Plain, name="target")
        watcher = await app.start(Watcher, seen, mailbox=mailbox)
        watcher.tell(Do(lambda self: self.context.watch(target, "gone")))
        await settle()
        watcher.tell("slow")
        await settle()
        for number in range(5):
            watcher.tell(number)
        await app.terminate(target)
        for number in range(5, 10):
            watcher.tell(number)
        await trio.sleep(60)
    assert seen.count("gone") == 1


async def test_a_notice_comes_after_the_messages_that_the_watched_actor_sent_before(autojump_clock: object) -> None:
    """As in Erlang, where a DOWN message overtakes nothing that was sent before it."""
    seen: list[Any] = []

    class Sender(Actor[Any]):
        async def receive(self, message: Any, /) -> None:
            for number in range(3):
                message.tell(number)
            self.context.stop()

    async with Supervisor("app") as app:
        sender = await app.start(Sender, restart="temporary")
        watcher = await app.start(Watcher, seen)
        watcher.tell(Do(lambda self: self.context.watch(sender, "gone")))
        watcher.tell("slow")
        await settle()
        sender.tell(watcher)
        await trio.sleep(60)
    assert seen == [0, 1, 2, "gone"]


async def test_on_down_gets_the_reason_of_the_end(autojump_clock: object) -> None:
    """Its path, why it is gone, and the error of a crash."""
    seen: list[Any] = []
    async with Supervisor("app") as app:
        refs = {
            name: await app.start(Plain, name=name, restart="temporary", expected=(ValueError,))
            for name in ("crash", "stop", "terminated")
        }
        watcher = await app.start(Watcher, seen)
        for ref in refs.values():
            watcher.tell(Do(partial(watch_down, ref)))
        await settle()
        refs["crash"].tell("crash")
        await settle()
        refs["stop"].tell("stop")
        await settle()
        await app.terminate("terminated")
        await trio.sleep(1)
        late = refs["crash"]
        watcher.tell(Do(lambda self: self.context.watch(late, on_down=lambda down: ("late", down.why))))
        await trio.sleep(1)
    assert [(down.path, down.why) for down in seen[:3]] == [
        ("/app/crash", "crashed"),
        ("/app/stop", "finished"),
        ("/app/terminated", "terminated"),
    ]
    assert isinstance(seen[0].error, ValueError)
    assert seen[1].error is seen[2].error is None
    assert seen[3] == ("late", "crashed")


async def test_an_on_down_that_raises_is_logged_and_loses_one_notice_only(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The watched actor's supervisor, in whose task it runs, goes on."""
    seen: list[Any] = []

    def failing(_: Down) -> Any:
        raise LookupError("mine")

    async with Supervisor("app") as app:
        target = await app.start(Plain, name="target")
        watcher = await app.start(Watcher, seen)

        def watch(self: Watcher) -> None:
            for _ in range(2):  # a repeated watch changes nothing
                self.context.watch(target, on_down=failing)
                self.context.watch(target, "gone")

        watcher.tell(Do(watch))
        await settle()
        await app.terminate("target")
        await settle()
        assert app.count().active == 1
    assert seen == ["gone"]
    assert caplog.text.count("/app/Watcher gets no notice of the end of /app/target: on_down failed") == 1


async def test_unwatch_ends_the_watch_and_drops_a_notice_on_its_way(autojump_clock: object) -> None:
    """Erlang's demonitor with flush."""
    seen: list[Any] = []
    async with Supervisor("app") as app:
        first = await app.start(Plain, name="first")
        second = await app.start(Plain, name="second")
        watcher = await app.start(Watcher, seen)

        def watch(self: Watcher) -> None:
            self.context.watch(first, "first")
            self.context.watch(second, "second")

        watcher.tell(Do(watch))
        await settle()
        watcher.tell(Do(lambda self: self.context.unwatch(first)))
        await settle()
        await app.terminate(first)
        watcher.tell("slow")
        await settle()
        watcher.tell(Do(lambda self: self.context.unwatch(second)))
        await app.terminate(second)
        await trio.sleep(60)
    assert seen == []


async def test_a_supervisor_can_be_watched(autojump_clock: object) -> None:
    """A nested one that finishes, and the root, which no actor below outlives."""
    seen: list[Any] = []
    events: list[TelemetryEvent] = []
    spec = SupervisorSpec(
        "inner",
        children=[ChildSpec(Plain, name="a", restart="transient", significant=True)],
        restart="transient",
        auto_shutdown="any_significant",
    )
    async with Supervisor("app", children=[spec], listeners=(events.append,)) as app:
        inner = app.find_supervisor("inner")
        stopped = [inner.stopped]
        watcher = await app.start(Watcher, seen)
        watcher.tell(Do(lambda self: self.context.watch(inner, on_down=lambda down: down)))
        await settle()
        app.find_actor("inner/a").tell("stop")
        await inner.wait_stopped()
        await settle()
        stopped.append(inner.stopped)
    assert stopped == [False, True]
    assert seen == [Down("/app/inner", "finished", None)]
    assert app.stopped
    await app.wait_stopped()


async def test_nothing_is_left_of_a_watch(autojump_clock: object) -> None:
    """Not at a watcher that has gone, and not at a target that has gone."""
    async with Supervisor("app", "dynamic") as app:
        target = await app.start(Plain, name="target")
        for number in range(20):
            watcher = await app.start(Watcher, name=f"w{number}")
            watcher.tell(Do(lambda self: self.context.watch(target, "gone")))
            await settle()
            assert len(target._cell.watchers or ()) == 1
            await app.terminate(watcher)
            assert target._cell.watchers is None
        last = await app.start(Watcher, name="last")
        last.tell(Do(lambda self: self.context.watch(target, "gone")))
        await settle()
        await app.terminate(target)
        await settle()
        assert not last._cell.watching
        assert last._cell.notices is None


async def test_a_notice_that_its_watcher_never_takes_is_a_dead_letter(autojump_clock: object) -> None:
    """The watcher is terminated first."""
    events: list[TelemetryEvent] = []
    async with Supervisor("app", listeners=(events.append,)) as app:
        target = await app.start(Plain, name="target")
        watcher = await app.start(Watcher, name="w", grace=1)
        watcher.tell(Do(lambda self: self.context.watch(target, "gone")))
        watcher.tell("slow")
        await settle()
        await app.terminate(target)
        await app.terminate(watcher)
    assert DeadLetter("/app/w", "str", "stopped") in events


async def test_an_actor_with_its_own_loop_takes_notices_from_its_inbox(autojump_clock: object) -> None:
    """And settles them like messages; its stop is not held up by them."""
    seen: list[Any] = []

    class Loop(Actor[Any]):
        def __init__(self, target: ActorRef[Any] | SupervisorRef) -> None:
            self.target = target

        async def run(self) -> None:
            self.context.watch(self.target, ("gone",))
            seen.extend([message async for message in self.inbox])

    async with Supervisor("app") as app:
        target = await app.start(Plain, name="target")
        loop = await app.start(Loop, target)
        loop.tell(1)
        await app.terminate(target)
        loop.tell(2)
        await settle()
    assert seen == [1, ("gone",), 2]


async def test_the_same_object_sent_twice_is_two_messages(autojump_clock: object) -> None:
    """Each is handled and settled, also when both are in hand."""
    seen: list[Any] = []

    class Loop(Actor[Any]):
        async def run(self) -> None:
            seen.extend([message async for message in self.inbox])

    message = ("same",)
    async with Supervisor("app") as app:
        for actor in (Loop, Watcher):
            ref = await app.start(actor) if actor is Loop else await app.start(Watcher, seen)
            ref.tell(message)
            ref.tell(message)
            await settle()
            assert ref.statistics().handled == 2
    assert seen == [message] * 4


async def test_settling_what_is_not_in_hand_raises_at_once(autojump_clock: object) -> None:
    """Twice, or something else; and `take` in `receive`."""
    caught: list[str] = []

    class Loop(Actor[Any]):
        async def run(self) -> None:
            message = await self.inbox.take()
            self.inbox.settle(message)
            for wrong in (message, "other"):
                try:
                    self.inbox.settle(wrong)
                except RuntimeError as error:
                    caught.append(str(error))

    class Taker(Actor[Any]):
        async def receive(self, message: Any, /) -> None:
            try:
                await self.inbox.take()
            except RuntimeError as error:
                caught.append(str(error))

    async with Supervisor("app") as app:
        (await app.start(Loop, restart="temporary")).tell("x")
        (await app.start(Taker)).tell("x")
        await settle()
    assert caught == [
        "/app/Loop has no such str in hand; settle what take returned, once",
        "/app/Loop has no such str in hand; settle what take returned, once",
        "/app/Taker takes its messages in receive; inbox.take is for a run of your own",
    ]


class Several(Reject[Any]):
    """Lets its actor have any number of messages in hand."""

    def take(self, now: float = 0.0, /) -> Any:
        return self._queue.popleft() if self._queue else EMPTY

    def settle(self, message: Any, now: float = 0.0, /) -> None:
        self.handled += 1


async def test_messages_in_hand_may_be_settled_in_any_order(autojump_clock: object) -> None:
    """Each by itself, with a mailbox that allows several in hand."""

    class Loop(Actor[Any]):
        async def run(self) -> None:
            first, second = await self.inbox.take(), await self.inbox.take()
            self.inbox.settle(second)
            self.inbox.settle(first)

    async with Supervisor("app") as app:
        ref = await app.start(Loop, mailbox=Several, restart="temporary")
        ref.tell("a")
        ref.tell("b")
        await settle()
        assert ref.statistics().handled == 2
