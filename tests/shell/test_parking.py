"""An actor without hooks has a task only while it handles messages, and nothing else about it changes."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field
from task_actors import Simple, TaskOf

from ds_actors import (
    Actor,
    ActorRef,
    AskDropped,
    ChildEnded,
    ChildReady,
    ChildSpec,
    Conflate,
    DeferredReply,
    DropOldest,
    Exit,
    Ignore,
    Latest,
    Reject,
    StartFailed,
    Supervisor,
    TelemetryEvent,
    _parking,
)
from ds_actors._parking import IN_A_ROW, SWEEP_PERIOD
from ds_actors.testing import Crashed, crash

setting: ContextVar[str] = ContextVar("setting", default="none")


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


@define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    count: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


def conflate() -> Conflate[object]:
    return Conflate(type)


async def steps_of_a_tree(children: int) -> int:
    """Start and stop a tree; return how many steps of tasks that takes."""
    specs = [ChildSpec(Simple, name=f"{number}") for number in range(children)]
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    async with Supervisor("app", children=specs):
        pass
    trio.lowlevel.remove_instrument(steps)
    return steps.count


async def test_starting_and_stopping_takes_no_turn_of_the_scheduler() -> None:
    """Ten children cost as many steps of tasks as fifty."""
    assert await steps_of_a_tree(10) == await steps_of_a_tree(50)


async def test_many_starts_and_stops_let_other_tasks_run() -> None:
    """After every 127 of them, each other task gets a turn."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await trio.lowlevel.checkpoint()
        before = turns
        specs = [ChildSpec(Simple, name=f"{number}") for number in range(10 * IN_A_ROW)]
        async with Supervisor("app", children=specs):
            started = turns - before
        stopped = turns - before - started
        nursery.cancel_scope.cancel()
    assert started >= 10
    assert stopped >= 10


@pytest.mark.parametrize("mailbox", [Reject, DropOldest, Latest, conflate])
async def test_a_parked_actor_has_no_task_and_is_shown_as_running(mailbox: Any, autojump_clock: object) -> None:
    """The first message's task ends with it; the second's stays until it waited from one sweep to the next."""
    async with Supervisor("app", "dynamic") as app:
        bare = tasks()
        ref = await app.start(Simple, name="a", mailbox=mailbox)
        assert tasks() == bare
        assert app.which()[0].status == "running"
        first = await ref.ask(TaskOf(), timeout=1)
        await trio.testing.wait_all_tasks_blocked()
        assert tasks() == bare
        second = await ref.ask(TaskOf(), timeout=1)
        assert await ref.ask(TaskOf(), timeout=1) is second is not first
        await trio.sleep(1.5 * SWEEP_PERIOD)
        assert await ref.ask(TaskOf(), timeout=1) is second
        waiting = tasks()
        await trio.sleep(2.1 * SWEEP_PERIOD)
        assert tasks() == waiting - 1
        assert app.which()[0].status == "running"
        assert await ref.ask(TaskOf(), timeout=1) is not second
        await trio.testing.wait_all_tasks_blocked()
        assert tasks() == waiting - 1
        assert ref.statistics().handled == 5
    assert ref.stopped


@pytest.mark.parametrize("hook", ["started", "run", "stopping"])
async def test_an_actor_with_a_hook_has_one_task_for_all(hook: str, autojump_clock: object) -> None:
    """As a hook may open what `receive` uses and another hook closes."""

    async def own(self: Simple, *_: Any) -> None:
        if hook == "run":
            await super(Simple, self).run()

    async with Supervisor("app") as app:
        ref = await app.start(type("Hooked", (Simple,), {hook: own}))
        first = await ref.ask(TaskOf(), timeout=1)
        await trio.sleep(3 * SWEEP_PERIOD)
        assert await ref.ask(TaskOf(), timeout=1) is first


async def test_a_hook_of_an_instance_is_called(autojump_clock: object) -> None:
    """Such as a double that a test puts in."""
    log: list[str] = []

    class Doubled(Simple):
        def __init__(self) -> None:
            async def started() -> None:
                log.append("started")

            self.started = started  # type: ignore[method-assign]

    async with Supervisor("app") as app:
        await app.start(Doubled)
    assert log == ["started"]


def make_simple() -> Simple:
    return Simple()


async def test_an_actor_that_a_function_makes_is_parked_when_it_is_ready(autojump_clock: object) -> None:
    """Only its start takes a turn."""
    async with Supervisor("app", children=[ChildSpec(make_simple, name="a")]) as app:
        bare = tasks()
        await trio.testing.wait_all_tasks_blocked()
        assert tasks() <= bare
        assert app.which()[0].status == "running"
        assert (await app.find_actor("a").ask(TaskOf(), timeout=1)).name == "/app/a"


async def test_stops_are_in_order_and_each_is_told(autojump_clock: object) -> None:
    """Actors with and without a task, and one that cleans up, in one supervisor."""
    ends: list[str] = []

    def listen(event: TelemetryEvent) -> None:
        if isinstance(event, (ChildReady, ChildEnded)):
            ends.append(f"{type(event).__name__} {event.path}")

    class Cleaning(Simple):
        async def stopping(self, exit: Exit, /) -> None:
            await trio.sleep(1)

    specs = [
        ChildSpec(kind, name=name) for kind, name in [(Simple, "a"), (Cleaning, "b"), (Simple, "c"), (Simple, "d")]
    ]
    async with Supervisor("app", children=specs, listeners=(listen,)) as app:
        for _ in range(2):
            await app.find_actor("c").ask(TaskOf(), timeout=1)
    starts = [f"ChildReady /app/{name}" for name in "abcd"]
    assert ends == [*starts, *(f"ChildEnded /app/{name}" for name in "dcba")]


async def test_a_constructor_that_raises_fails_the_start(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is the cause, and is logged once; `Ignore` is no failure; SystemExit ends the tree."""

    class Failing(Simple):
        def __init__(self, error: BaseException) -> None:
            raise error

    with pytest.raises(SystemExit):
        async with Supervisor("app") as app:
            with pytest.raises(StartFailed) as caught:
                await app.start(Failing, ValueError("as asked"), name="a")
            assert isinstance(caught.value.__cause__, ValueError)
            assert [record.getMessage() for record in caplog.records] == ["/app/a crashed (in hand: no message)"]
            assert (await app.start(Failing, Ignore(), name="b")).stopped
            await app.start(Failing, SystemExit(3), name="c")
    assert len(caplog.records) == 1


async def test_what_was_told_before_the_start_is_handled(autojump_clock: object) -> None:
    """A sibling may find an actor that is not started yet."""
    log: list[str] = []

    class Second(Actor[str]):
        async def receive(self, message: str, /) -> None:
            log.append(message)

    class First(Simple):
        async def started(self) -> None:
            self.context.supervisor.find_actor("second").tell("early")

    async with Supervisor("app", children=[ChildSpec(First, name="first"), ChildSpec(Second, name="second")]):
        await trio.testing.wait_all_tasks_blocked()
        assert log == ["early"]


class Incomparable:
    """Has no truth to its equality, as an array has none."""

    def __eq__(self, other: object) -> bool:
        raise ValueError(other)

    __hash__ = None  # type: ignore[assignment]


async def test_equal_values_of_two_starters_are_not_taken_for_one(autojump_clock: object) -> None:
    """Each actor has its starter's own object, and a value that cannot be compared does no harm."""
    found: list[object] = []
    held: ContextVar[object] = ContextVar("held")

    class Looks(Actor[str]):
        async def receive(self, message: str, /) -> None:
            found.append(held.get())

    values: list[object] = [dict[str, str](), dict[str, str](), Incomparable(), Incomparable()]
    async with Supervisor("app") as app:
        for number, value in enumerate(values):
            held.set(value)
            (await app.start(Looks, name=f"{number}")).tell("look")
            await trio.testing.wait_all_tasks_blocked()
    assert [id(value) for value in found] == [id(value) for value in values]


async def test_context_variables_are_those_of_the_starter_and_then_the_actors_own(autojump_clock: object) -> None:
    """What a message or the constructor sets is seen by later messages, in any task, and by no other actor."""
    seen: list[str] = []

    class Setting(Actor[str]):
        def __init__(self, own: str | None = None) -> None:
            if own is not None:
                setting.set(own)

        async def receive(self, message: str, /) -> None:
            seen.append(setting.get())
            if message == "crash":
                raise ValueError
            setting.set(message)

    setting.set("starter")
    async with Supervisor("app") as app:
        a = await app.start(Setting, name="a", expected=(ValueError,))
        b = await app.start(Setting, "constructor", name="b")
        for message in ("one", "two", "crash", "three"):
            a.tell(message)
            await trio.sleep(3 * SWEEP_PERIOD)
        b.tell("x")
        await trio.testing.wait_all_tasks_blocked()
    assert seen == ["starter", "one", "two", "two", "constructor"]
    assert setting.get() == "starter"


@pytest.mark.parametrize("kind", ["blocked", "quick"])
async def test_a_burst_to_many_parked_actors_makes_a_bounded_number_of_tasks(kind: str, autojump_clock: object) -> None:
    """Tasks are made as earlier ones begin; those that wait for something hold up none of the others."""
    most, handled = 0, 0

    async def work(_: Simple) -> None:
        nonlocal most, handled
        most, handled = max(most, tasks()), handled + 1
        if kind == "blocked":
            await trio.sleep_forever()

    number = 5 * IN_A_ROW
    async with Supervisor("app", "dynamic", [ChildSpec(Simple, name=f"{n}", grace=0) for n in range(number)]) as app:
        bare = tasks()
        for ref in app.actors():
            ref.tell(work)
        await trio.testing.wait_all_tasks_blocked()
        assert handled == number
        if kind == "quick":
            assert most <= bare + 2 * IN_A_ROW
            assert tasks() == bare


async def test_no_actor_of_a_burst_is_left_behind_by_those_that_the_standby_handles(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the standby takes makes no task, whose begin would wake the next one."""
    monkeypatch.setattr(_parking, "IN_A_ROW", 3)
    handled = 0

    async def count(_: Simple) -> None:
        nonlocal handled
        handled += 1

    async with Supervisor("app", "dynamic", [ChildSpec(Simple, name=f"{number}") for number in range(50)]) as app:
        for ref in app.actors():
            ref.tell(count)
        await trio.testing.wait_all_tasks_blocked()
        assert handled == 50


@pytest.mark.parametrize(("drain", "expected"), [(False, []), (True, ["x"])])
async def test_an_actor_that_is_stopped_before_its_task_runs_keeps_the_rule_for_its_messages(
    drain: bool, expected: list[str], autojump_clock: object
) -> None:
    """Without drain they are dead letters."""
    log: list[str] = []

    class Log(Actor[str]):
        async def receive(self, message: str, /) -> None:
            log.append(message)

    async with Supervisor("app", "dynamic") as app:
        ref = await app.start(Log, drain=drain)
        ref.tell("x")
        await app.terminate(ref)
        assert log == expected
        assert ref.statistics().dead == 1 - len(expected)


async def spawn_failing(actor: Simple) -> None:
    async def fail() -> None:
        await trio.sleep(1)
        raise Crashed

    actor.context.spawn(fail)


async def spawn_stopping(actor: Simple) -> None:
    async def stop() -> None:
        await trio.sleep(1)
        actor.context.stop()

    actor.context.spawn(stop)


async def test_a_task_of_a_parked_actor_can_crash_or_stop_it(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """As it can when the actor waits; what comes in the same moment is for the next incarnation."""
    async with Supervisor("app") as app:
        ref = await app.start(Simple, name="a", expected=(Crashed,))
        for incarnation, message in enumerate((spawn_failing, spawn_stopping), 2):
            ref.tell(message)
            await trio.sleep(2)
            assert app.which()[0].incarnation == incarnation
        await crash(app, ref)
        assert isinstance(await ref.ask(TaskOf(), timeout=1), trio.lowlevel.Task)


async def test_a_parked_actors_tasks_end_before_it_does(autojump_clock: object) -> None:
    """A stop then takes a task, which waits for them."""
    log: list[str] = []

    async def spawn(actor: Simple) -> None:
        async def helper() -> None:
            try:
                await trio.sleep_forever()
            finally:
                log.append("helper")

        actor.context.spawn(helper)

    async with Supervisor("app") as app:
        first = await app.start(Simple, name="first")
        second = await app.start(Simple, name="second")
        for ref in (first, second):
            ref.tell(spawn)
        await trio.testing.wait_all_tasks_blocked()
        await app.terminate(second)
        assert log == ["helper"]
        assert second.stopped
    assert log == ["helper", "helper"]


@define
class Timed(Actor[str]):
    log: list[tuple[float, str]] = field(factory=list[tuple[float, str]])

    async def receive(self, message: str, /) -> None:
        if message == "begin":
            self.context.send_after(20, "later")
        self.log.append((trio.current_time(), message))


async def test_timers_and_watches_reach_a_parked_actor(autojump_clock: object) -> None:
    """At their time; a watcher needs no task to be told."""
    log: list[tuple[float, str]] = []
    began = trio.current_time()

    async def watch(actor: Simple) -> None:
        actor.context.watch(other, notify)

    async def notify(_: Simple) -> None:
        log.append((trio.current_time(), "down"))

    async with Supervisor("app", "dynamic") as app:
        timed: ActorRef[str] = await app.start(Timed, log)
        other = await app.start(Simple)
        watcher: ActorRef[Any] = await app.start(Simple)
        timed.tell("begin")
        watcher.tell(watch)
        await trio.sleep(15)
        await app.terminate(other)
        await trio.sleep(15)
    assert [(at - began, what) for at, what in log] == [(0, "begin"), (15, "down"), (20, "later")]


async def test_a_message_from_a_thread_wakes_a_parked_actor() -> None:
    """In real time, because a thread is not seen by a virtual clock."""
    came = trio.Event()

    async def work(_: Simple) -> None:
        came.set()

    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Simple)
        await trio.to_thread.run_sync(ref.tell_from_thread, work)
        with trio.fail_after(20):
            await came.wait()


async def test_an_actor_that_waits_inside_receive_keeps_its_task(autojump_clock: object) -> None:
    """A sweep counts only what waits for messages; what comes as it is dismissed is still handled by that task."""
    log: list[str] = []

    async def work(_: Simple) -> None:
        await trio.sleep(5 * SWEEP_PERIOD)
        log.append("done")

    async def note(_: Simple) -> None:
        log.append("noted")

    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Simple)
        await ref.ask(TaskOf(), timeout=1)
        ref.tell(work)
        await trio.sleep(5 * SWEEP_PERIOD + 1)
        assert log == ["done"]
        incarnation = app._living().links["Simple"].incarnation
        assert isinstance(incarnation, object)
        while incarnation.look():  # type: ignore[union-attr]
            pass
        ref.tell(note)
        await trio.testing.wait_all_tasks_blocked()
        assert log == ["done", "noted"]


async def test_a_deferred_request_ends_with_a_parked_actor(autojump_clock: object) -> None:
    """It is parked between the request and the answer."""
    kept: list[DeferredReply[Any]] = []

    class Deferring(Actor[TaskOf]):
        async def receive(self, message: TaskOf, /) -> None:
            kept.append(self.context.defer(message))

    async with trio.open_nursery() as nursery, Supervisor("app") as app:
        ref = await app.start(Deferring)

        async def ask() -> None:
            with pytest.raises(AskDropped):
                await ref.ask(TaskOf(), timeout=100)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert len(kept) == 1
        assert not ref._cell.task


async def test_the_inbox_of_a_parked_actor_is_no_one_elses(autojump_clock: object) -> None:
    """As it is while the actor has a task."""
    caught: list[str] = []

    async def spawn(actor: Simple) -> None:
        async def take() -> None:
            await trio.sleep(1)
            try:
                await actor.inbox.take()
            except RuntimeError as error:
                caught.append(str(error))

        actor.context.spawn(take)

    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Simple)
        ref.tell(spawn)
        await trio.sleep(2)
    assert len(caught) == 1
    assert "takes its messages in receive" in caught[0]


async def test_no_instance_can_have_a_field_called_inbox(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The error says to rename it."""
    caplog.set_level(logging.CRITICAL)

    class Hiding(Simple):
        def __init__(self) -> None:
            self.inbox = []

    async with Supervisor("app") as app:
        with pytest.raises(StartFailed) as caught:
            await app.start(Hiding)
        assert "'inbox', which Actor needs" in str(caught.value.__cause__)


async def test_a_start_of_a_parked_actor_that_is_cancelled_leaves_none(autojump_clock: object) -> None:
    """Its name is free. A start that has begun needs no turn, so that no later cancellation undoes it."""
    async with Supervisor("app") as app:
        with trio.CancelScope() as scope:
            scope.cancel()
            await app.start(Simple, name="a")
        assert scope.cancelled_caught
        assert app.which() == ()
        scope = trio.CancelScope()
        forget = app.listen(lambda _: scope.cancel())
        with scope:
            ref = await app.start(Simple, name="a")
            assert app.find("a") == ref
        forget()
        assert scope.cancel_called
        assert not scope.cancelled_caught
