"""Actors and their references: telling, asking, sending, and the five endings of an ask."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from typing import Any

import pytest
import trio
from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    AskFailed,
    AskTimeout,
    ChildSpec,
    Context,
    DeferredReply,
    DropOldest,
    Dropped,
    Empty,
    Exit,
    ExponentialBackoff,
    Reject,
    Request,
    StartFailed,
    Supervisor,
    SupervisorSpec,
)


@frozen
class Add:
    amount: int


@frozen
class Total(Request[int]):
    pass


@frozen
class Forget(Request[int]):
    pass


@frozen
class Crash(Request[None]):
    pass


@frozen
class Block(Request[None]):
    until: trio.Event


@define
class Counter(Actor["Add | Total | Crash | Block | Forget"]):
    count: int = 0

    async def receive(self, message: Add | Total | Crash | Block | Forget, /) -> Answer | None:
        match message:
            case Add(amount):
                self.count += amount
            case Total():
                return message.answer(self.count)
            case Crash():
                raise ValueError("asked for it")
            case Block(until):
                await until.wait()
                return message.answer(None)
            case Forget():
                pass
        return None


async def test_a_told_message_is_handled_and_an_ask_is_answered(autojump_clock: object) -> None:
    """Messages told before an ask are handled before it."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter, name="counter")
        assert counter.tell(Add(2))
        assert counter.tell(Add(3))
        assert await counter.ask(Total(), timeout=1) == 5
        assert repr(counter) == "<ActorRef /app/counter>"


async def test_an_ask_that_crashes_the_receiver_fails_with_the_cause(autojump_clock: object) -> None:
    """AskFailed carries the crash, and the reference answers again after the restart."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter, 7)
        with pytest.raises(AskFailed) as caught:
            await counter.ask(Crash(), timeout=1)
        assert isinstance(caught.value.__cause__, ValueError)
        assert await counter.ask(Total(), timeout=1) == 7


async def test_a_forgotten_answer_fails_the_ask_and_not_the_actor(autojump_clock: object) -> None:
    """Returning None for a request ends it with AskFailed; the actor continues."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter, 1)
        with pytest.raises(AskFailed, match="no answer"):
            await counter.ask(Forget(), timeout=1)
        assert await counter.ask(Total(), timeout=1) == 1


async def test_an_ask_times_out_and_a_late_answer_has_no_effect(autojump_clock: object) -> None:
    """AskTimeout is a TimeoutError, and the receiver never notices."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter)
        until = trio.Event()
        with pytest.raises(TimeoutError) as caught:
            await counter.ask(Block(until), timeout=1)
        assert isinstance(caught.value, AskTimeout)
        until.set()
        assert await counter.ask(Total(), timeout=1) == 0


async def test_an_ask_that_finds_no_room_is_dropped_with_the_reason(autojump_clock: object) -> None:
    """A full mailbox refuses the ask; a displaced ask ends with AskDropped too."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        until = trio.Event()
        full = await app.start(Counter, mailbox=lambda: Reject(1))
        lossy = await app.start(Counter, mailbox=lambda: DropOldest(2))
        full.tell(Block(until))
        lossy.tell(Block(until))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(AskDropped, match="full"):
            await full.ask(Total(), timeout=1)
        seen: list[str] = []

        async def asker() -> None:
            with pytest.raises(AskDropped) as caught:
                await lossy.ask(Total(), timeout=10)
            seen.append(caught.value.reason)

        nursery.start_soon(asker)
        await trio.testing.wait_all_tasks_blocked()
        lossy.tell(Add(1))
        await trio.testing.wait_all_tasks_blocked()
        assert seen == ["oldest"]
        until.set()


async def test_asking_a_stopped_actor_raises_at_once(autojump_clock: object) -> None:
    """The reference of an actor that stopped for good reports it to ask, send and tell."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter, name="counter")
        await app.terminate("counter")
        assert counter.stopped
        assert not counter.tell(Add(1))
        with pytest.raises(ActorStopped):
            await counter.ask(Total(), timeout=1)
        with pytest.raises(ActorStopped):
            await counter.send(Add(1))


async def test_queued_asks_survive_a_crash(autojump_clock: object) -> None:
    """Only the ask in hand ends with a crash; the next incarnation answers the rest."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        counter = await app.start(Counter, 3)
        replies: list[int] = []

        async def asker() -> None:
            replies.append(await counter.ask(Total(), timeout=5))

        counter.tell(Crash())
        nursery.start_soon(asker)
        await trio.sleep(1)
        assert replies == [3]


async def test_send_waits_for_room_in_order_of_arrival(autojump_clock: object) -> None:
    """Waiting sends are accepted in order of arrival, and no tell overtakes one."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        until = trio.Event()
        seen: list[int] = []

        class Slow(Actor[int]):
            async def receive(self, message: int, /) -> None:
                if not seen:
                    await until.wait()
                seen.append(message)

        slow = await app.start(Slow, mailbox=lambda: Reject(1))
        slow.tell(0)
        for n in (1, 2, 3):
            nursery.start_soon(slow.send, n)
            await trio.testing.wait_all_tasks_blocked()
        assert not slow.tell(9)
        until.set()
        await trio.sleep(1)
        assert seen == [0, 1, 2, 3]
        statistics = slow.statistics()
        assert (statistics.offered, statistics.refused, statistics.handled) == (5, 1, 4)


async def test_asking_oneself_raises_at_once(autojump_clock: object) -> None:
    """A self-deadlock is an error that names the solution."""
    said: list[str] = []

    class Selfish(Actor[str]):
        async def receive(self, message: str, /) -> None:
            ref: ActorRef[object] = self.context.ref  # type: ignore[assignment]
            try:
                await ref.ask(Total(), timeout=1)
            except RuntimeError as error:
                said.append(str(error))

    async with Supervisor("app") as app:
        ref = await app.start(Selfish)
        ref.tell("go")
        await trio.sleep(1)
    assert "must not ask itself" in said[0]


async def test_a_tell_from_a_thread_is_refused_and_told_the_way_in(autojump_clock: object) -> None:
    """Refs belong to trio's thread; tell_from_thread is the way in."""
    async with Supervisor("app") as app:
        counter = await app.start(Counter)

        def in_thread() -> None:
            with pytest.raises(RuntimeError, match="tell_from_thread"):
                counter.tell(Add(1))
            counter.tell_from_thread(Add(4))

        await trio.to_thread.run_sync(in_thread)
        await trio.testing.wait_all_tasks_blocked()
        assert await counter.ask(Total(), timeout=1) == 4


async def test_a_deferred_request_is_answered_later(autojump_clock: object) -> None:
    """defer keeps the request open after receive returned."""

    class Waiting(Actor["Total"]):
        async def receive(self, message: Total, /) -> None:
            later: DeferredReply[int] = self.context.defer(message)
            self.context.spawn(self.answer, later)

        async def answer(self, later: DeferredReply[int]) -> None:
            await trio.sleep(1)
            later.answer(11)

    async with Supervisor("app") as app:
        waiting = await app.start(Waiting)
        assert await waiting.ask(Total(), timeout=2) == 11


async def test_watch_delivers_its_message_once_and_only_at_the_end_for_good(autojump_clock: object) -> None:
    """Restarts do not count; the end does, exactly once."""
    seen: list[str] = []

    @define
    class Watcher(Actor[str]):
        other: ActorRef[Crash]

        async def started(self) -> None:
            self.context.watch(self.other, "gone")

        async def receive(self, message: str, /) -> None:
            seen.append(message)

    async with Supervisor("app") as app:
        counter = await app.start(Counter, name="counter")
        await app.start(Watcher, counter)
        counter.tell(Crash())
        await trio.sleep(1)
        assert seen == []
        await app.terminate("counter")
        await trio.sleep(1)
        assert seen == ["gone"]


async def test_a_spawned_tasks_crash_is_the_incarnations(autojump_clock: object) -> None:
    """The actor is restarted when one of its tasks fails."""
    lives: list[int] = []

    class Fragile(Actor[None]):
        async def started(self) -> None:
            lives.append(self.context.incarnation)
            if self.context.incarnation == 1:
                self.context.spawn(self.fail)

        async def fail(self) -> None:
            await trio.sleep(1)
            raise KeyError("x")

    async with Supervisor("app") as app:
        await app.start(Fragile)
        await trio.sleep(5)
    assert lives == [1, 2]


async def test_stopping_runs_once_for_each_started_incarnation(autojump_clock: object) -> None:
    """After a crash and after a stop, never after a failed start."""
    ends: list[str] = []

    class TidyWorker(Actor[Crash]):
        async def receive(self, message: Crash, /) -> None:
            raise ValueError

        async def stopping(self, exit: Exit, /) -> None:
            await trio.sleep(1)
            ends.append(exit.kind)

    async with Supervisor("app") as app:
        tidy = await app.start(TidyWorker)
        tidy.tell(Crash())
        await trio.sleep(5)
        assert ends == ["crashed"]
    assert ends == ["crashed", "stopped"]


async def test_a_crash_report_names_the_messages_type_and_never_its_content(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the path, the type and the traceback."""

    @frozen
    class Secret:
        text: str

    class Careless(Actor[Secret]):
        async def receive(self, message: Secret, /) -> None:
            raise ValueError("no")

    async with Supervisor("app") as app:
        careless = await app.start(Careless, restart="temporary")
        careless.tell(Secret("hunter2"))
        await trio.sleep(1)
    assert "Secret" in caplog.text
    assert "/app/Careless" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("field", ["context", "inbox"])
async def test_a_field_that_hides_the_librarys_own_is_refused_at_start(field: str) -> None:
    """The error names the field."""
    actor = type("Hiding", (Actor,), {field: 1})
    async with Supervisor("app") as app:
        with pytest.raises(Exception, match="did not start") as caught:
            await app.start(actor)
        assert field in str(caught.value.__cause__)


async def test_an_instance_instead_of_a_class_is_a_type_error() -> None:
    """start(Counter()) says: pass the class."""
    async with Supervisor("app") as app:
        with pytest.raises(TypeError, match="pass the class"):
            await app.start(Counter())  # type: ignore[call-overload]


async def test_hooks_that_are_not_async_are_named(autojump_clock: object) -> None:
    """A forgotten `async` and a call in place of a function: the crash says what to write."""

    class Plain(Actor[str]):
        def receive(self, message: str, /) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
            pass

    class PlainStart(Actor[str]):
        def started(self) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
            pass

    class SpawnsCall(Actor[str]):
        async def started(self) -> None:
            sleeping: Any = trio.sleep(1)  # noqa: ASYNC105 - the mistake
            self.context.spawn(sleeping)

    class SpawnsValue(Actor[str]):
        async def started(self) -> None:
            returned: Any = len("x")
            self.context.spawn(returned)

    spawning = r"spawn\(f, x\)"
    mistakes = (
        (PlainStart, "PlainStart.started must be async def"),
        (SpawnsCall, spawning),
        (SpawnsValue, spawning),
    )
    async with Supervisor("app") as app:
        for factory, words in mistakes:
            with pytest.raises(StartFailed) as start:
                await app.start(factory, restart="temporary")
            assert re.search(words, str(start.value.__cause__))
        plain: ActorRef[Any] = await app.start(Plain)
        with pytest.raises(AskFailed) as ask:
            await plain.ask(Total(), timeout=1)
        assert "Plain.receive must be async def: it returned NoneType" in str(ask.value.__cause__)


def test_specs_refuse_what_is_not_of_its_kind() -> None:
    """A mailbox in place of what makes one, seconds in place of a backoff: each error says what to pass."""
    with pytest.raises(TypeError, match=r"mailbox=lambda: Reject\(\.\.\.\)"):
        ChildSpec(Counter, mailbox=Reject(5))  # type: ignore[arg-type]
    for spec in (lambda: ChildSpec(Counter, backoff=3), lambda: SupervisorSpec("pool", backoff=3)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="ExponentialBackoff"):
            spec()
    with pytest.raises(ValueError, match="grace must be 0 or more seconds, not None"):
        ChildSpec(Counter, grace=None)  # type: ignore[arg-type]


def test_specs_refuse_figures_that_make_no_sense() -> None:
    """Each error names the field."""
    with pytest.raises(ValueError, match="grace"):
        ChildSpec(Counter, grace=-1)
    with pytest.raises(ValueError, match="max_failures"):
        ChildSpec(Counter, max_failures=3)
    with pytest.raises(ValueError, match="restart"):
        ChildSpec(Counter, restart="always")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cap"):
        ExponentialBackoff(base=2, cap=1)


async def test_a_deep_queue_does_not_starve_the_siblings(autojump_clock: object) -> None:
    """A schedule point comes every few messages."""
    turns = 0

    class Busy(Actor[int]):
        async def receive(self, message: int, /) -> None:
            pass

    async def sibling() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        busy = await app.start(Busy)
        nursery.start_soon(sibling)
        for n in range(1000):
            busy.tell(n)
        while busy.statistics().handled < 1000:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert turns >= 1000 // 128 - 1


def test_logging_is_standard() -> None:
    """Everything logs under ds_actors."""
    assert logging.getLogger("ds_actors").handlers == []
    assert Context.__slots__ == ("_incarnation",)


async def test_people_code_is_interruptible_and_the_library_around_it_is_not() -> None:
    """Ctrl-C may land in receive, however it is written, and nowhere between a take and its settling."""
    seen: dict[str, bool] = {}

    def note(where: str) -> None:
        seen[where] = trio.lowlevel.currently_ki_protected()

    class NotingMailbox(Reject[str]):
        def put(self, message: str, _now: float = 0.0, /) -> Dropped[str] | None:
            note("put")
            return super().put(message)

        def take(self, _now: float = 0.0, /) -> str | Empty:
            note("take")
            return super().take()

        def settle(self, message: str, _now: float = 0.0, /) -> None:
            note("settle")
            super().settle(message)

    class Plain(Actor[str]):
        async def started(self) -> None:
            note("started")

        async def receive(self, message: str, /) -> None:
            note("receive")

        async def stopping(self, exit: Exit, /) -> None:
            note("stopping")

    class Wrapped(Actor[str]):
        def receive(self, message: str, /) -> Awaitable[None]:  # type: ignore[override]
            async def handle() -> None:
                note("wrapped receive")

            return handle()

    async with Supervisor("app") as app:
        for factory in (Plain, Wrapped):
            ref = await app.start(factory, mailbox=NotingMailbox)
            ref.tell("message")
            await trio.testing.wait_all_tasks_blocked()
    assert {where for where, protected in seen.items() if protected} == {"put", "take", "settle"}
    assert {"started", "receive", "wrapped receive", "stopping"} <= set(seen)


async def test_an_ending_that_is_known_already_needs_no_time(autojump_clock: object) -> None:
    """Even with a timeout of 0, asking a stopped or full actor ends with that cause, not with a timeout."""
    async with Supervisor("app") as app:
        ref = await app.start(Counter, mailbox=lambda: Reject(1))
        ref.tell(Add(1))
        with pytest.raises(AskDropped, match="full"):
            await ref.ask(Total(), timeout=0)
    with pytest.raises(ActorStopped):
        await ref.ask(Total(), timeout=0)


async def test_an_ask_in_hand_when_its_receiver_is_cut_off_ends_as_stopped(autojump_clock: object) -> None:
    """It did not crash: only its time was up."""

    class Slow(Actor[Total]):
        async def receive(self, message: Total, /) -> Answer:
            await trio.sleep(1_000)
            return message.answer(1)

    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(Slow, grace=1, name="slow")

        async def ask() -> None:
            with pytest.raises(ActorStopped, match="stopped while it handled the request"):
                await ref.ask(Total(), timeout=60)

        nursery.start_soon(ask)
        await trio.sleep(1)
        await app.terminate("slow")
