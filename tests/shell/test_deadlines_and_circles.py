"""Deadlines reach every child, nothing waits in a circle, and one failure takes nothing else with it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    ChildSpec,
    DeferredReply,
    Dropped,
    Exit,
    Reject,
    Request,
    StartFailed,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)
from ds_actors.testing import run_virtual


class Quiet(Actor[Any]):
    async def receive(self, message: Any, /) -> Answer | None:
        if message == "crash":
            raise ValueError("as asked")
        return None


class Stuck(Actor[Any]):
    async def receive(self, message: Any, /) -> None:
        await trio.sleep_forever()


async def test_close_within_reaches_children_that_are_stopping_already(autojump_clock: object) -> None:
    """A nested supervisor that is being terminated, child after child, is cut to the time that is left."""
    began = trio.current_time()
    async with trio.open_nursery() as nursery, Supervisor("app", close_within=1) as app:
        inner = await app.start(SupervisorSpec("inner", children=[ChildSpec(Stuck, name=name) for name in "abcd"]))
        for ref in inner.actors():
            ref.tell("x")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(app.terminate, "inner")
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() - began < 2


async def test_leaving_ends_a_round_that_waits_for_an_endless_grace(autojump_clock: object) -> None:
    """Within `close_within`."""
    children = [
        ChildSpec(Quiet, name="crashes", expected=(ValueError,)),
        ChildSpec(Stuck, name="stuck", grace=math.inf),
    ]
    with trio.fail_after(20):
        async with Supervisor("app", "one_for_all", children, close_within=10) as app:
            app.find_actor("stuck").tell("x")
            app.find_actor("crashes").tell("crash")
            await trio.sleep(1)


async def test_requests_from_a_thread_raise_and_break_nothing() -> None:
    """Each call that changes the tree checks first."""
    async with Supervisor("app") as app:
        await app.start(Quiet, name="a")
        await app.terminate("a")
        with pytest.raises(RuntimeError, match="belongs to trio's thread"):
            await trio.to_thread.run_sync(app.delete, "a")
        app.delete("a")


def test_requests_from_another_run_raise() -> None:
    """Also those of a supervisor's reference, and a watch's target."""
    kept: list[Any] = []

    class Watching(Actor[Any]):
        async def started(self) -> None:
            with pytest.raises(RuntimeError, match="belongs to"):
                self.context.watch(kept[1], "gone")

    async def first() -> None:
        async with Supervisor("app") as app:
            kept.extend([app, await app.start(Quiet, name="a")])
            await trio.to_thread.run_sync(trio.run, second)

    async def second() -> None:
        app: SupervisorRef = kept[0]
        for call in (lambda: app.start(Quiet), lambda: app.terminate("a"), app.wait_stopped, kept[0].wait):
            with pytest.raises(RuntimeError, match="belongs to"):
                await call()
        async with Supervisor("other") as other:
            await other.start(Watching)

    trio.run(first)


class Box(Reject[Any]):
    """Ends the program in one of its hooks."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook

    def close(self, now: float = 0.0, /) -> Iterable[Any]:
        if self.hook == "close":
            raise SystemExit(3)
        return super().close(now)

    def interrupted(self, now: float = 0.0, /) -> Iterable[Dropped[Any]]:
        if self.hook == "interrupted":
            raise SystemExit(3)
        return super().interrupted(now)


@define(eq=False)
class Tidy(Quiet):
    log: list[str]

    async def started(self) -> None:
        self.context.spawn(self.work)

    async def work(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.log.append("task over")

    async def stopping(self, exit: Exit, /) -> None:
        self.log.append("stopping")


@pytest.mark.parametrize("hook", ["close", "interrupted"])
async def test_a_mailbox_that_ends_the_program_while_its_group_starts_again_hangs_nothing(
    hook: str, autojump_clock: object
) -> None:
    """The hooks of the incarnation run, its task ends, and SystemExit comes out."""
    log: list[str] = []
    children = [
        ChildSpec(Tidy, log, name="a", mailbox=lambda: Box(hook), expected=(ValueError,)),
        ChildSpec(Quiet, name="b"),
    ]
    with trio.fail_after(30), pytest.raises(SystemExit):
        async with Supervisor("app", "one_for_all", children) as app:
            app.find_actor("a").tell("crash")
            await trio.sleep(10)
    assert log[:2] == ["task over", "stopping"]


async def test_a_handler_of_logs_that_fails_leaves_no_task(autojump_clock: object) -> None:
    """The incarnation ends as a whole, and the restart is in order."""
    log: list[str] = []

    class Failing(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise LookupError("mine")

    failing = Failing()
    logger = logging.getLogger("ds_actors")
    logger.addFilter(failing)
    try:
        async with Supervisor("app", children=[ChildSpec(Tidy, log, name="a")]) as app:
            app.find_actor("a").tell("crash")
            await trio.sleep(1)
            assert log == ["task over", "stopping"]
            assert app.which()[0].incarnation == 2
    finally:
        logger.removeFilter(failing)


@define(eq=False)
class Late(Actor[Any]):
    """Asks its supervisor for something a second after a message came."""

    log: list[str]

    async def receive(self, message: Any, /) -> None:
        await trio.sleep(1)
        supervisor = self.context.supervisor
        try:
            if message == "start":
                await supervisor.start(Quiet, name="new")
            else:
                await supervisor.terminate("elder")
        except ActorStopped as error:
            self.log.append(str(error))


@pytest.mark.parametrize("what", ["start", "terminate"])
async def test_an_actor_that_is_being_stopped_must_not_wait_for_its_group(what: str, autojump_clock: object) -> None:
    """Its request comes after the round had asked it to stop: it raises at once, and the round goes on."""
    log: list[str] = []
    children = [
        ChildSpec(Quiet, name="elder"),
        ChildSpec(Late, log, name="late", grace=math.inf),
        ChildSpec(Quiet, name="crashes", expected=(ValueError,)),
    ]
    with trio.fail_after(30):
        async with Supervisor("app", "one_for_all", children) as app:
            app.find_actor("late").tell(what)
            await trio.testing.wait_all_tasks_blocked()
            app.find_actor("crashes").tell("crash")
            await trio.sleep(5)
            assert [node.status for node in app.which()] == ["running"] * 3
    assert log == ["/app/late is being stopped, and must not wait for its siblings"]


async def test_a_start_that_waits_for_the_first_batch_ends_when_the_batch_fails(autojump_clock: object) -> None:
    """Otherwise the batch would wait for the actor, and the actor for the batch."""

    class Eager(Actor[Any]):
        async def started(self) -> None:
            self.context.ref.tell("go")

        async def receive(self, message: Any, /) -> None:
            await self.context.supervisor.start(Quiet, name="more")

    class Fails(Actor[Any]):
        async def started(self) -> None:
            await trio.sleep(1)
            raise ValueError("as asked")

    spec = SupervisorSpec("inner", children=[ChildSpec(Eager, grace=math.inf), ChildSpec(Fails)])
    with trio.fail_after(10):
        async with Supervisor("app") as app:
            with pytest.raises(StartFailed):
                await app.start(spec)


class SlowStart(Actor[Any]):
    async def started(self) -> None:
        await trio.sleep_forever()


async def test_a_start_that_is_called_off_is_cancelled_at_once(autojump_clock: object) -> None:
    """Nothing of it was in use, so its long grace does not hold up the caller."""
    began = trio.current_time()
    async with Supervisor("app") as app:
        with trio.move_on_after(1):
            await app.start(SlowStart, grace=100, start_timeout=1_000)
    assert trio.current_time() - began == pytest.approx(1)


async def test_a_supervisor_whose_start_is_called_off_is_waited_for(autojump_clock: object) -> None:
    """Its children have their grace, six seconds at most."""
    began = trio.current_time()
    async with Supervisor("app") as app:
        with trio.move_on_after(1):
            await app.start(SupervisorSpec("inner", children=[ChildSpec(SlowStart, grace=2, start_timeout=1_000)]))
        assert app.count().specs == 0
    assert trio.current_time() - began == pytest.approx(3)


async def test_a_start_that_fails_while_it_is_called_off_touches_no_other_child(autojump_clock: object) -> None:
    """Its name may belong to another child by then."""

    class Fails(Actor[Any]):
        async def started(self) -> None:
            await trio.sleep(1)
            raise ValueError("as asked")

    async with Supervisor("app") as app:
        for _ in range(20):
            with trio.move_on_after(1):
                with pytest.raises(StartFailed):
                    await app.start(Fails, name="x")
        ref = await app.start(Quiet, name="x")
        await trio.sleep(1)
        assert not ref.stopped


async def test_a_start_is_not_called_off_when_nothing_waits_in_a_circle(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """An actor that is terminated may finish the start it waits for, within its grace; and nothing is logged."""

    class Slow(Actor[Any]):
        async def started(self) -> None:
            await trio.sleep(1)

    class Starts(Actor[Any]):
        async def receive(self, message: Any, /) -> None:
            await self.context.supervisor.start(Slow, name="b")

    async with Supervisor("app") as app:
        ref = await app.start(Starts, name="a")
        ref.tell("x")
        await trio.testing.wait_all_tasks_blocked()
        await app.terminate("a")
        assert not app.find_actor("b").stopped
        ref = await app.start(Starts, name="c")
        await app.terminate("b")
        app.delete("b")
        ref.tell("x")
        await trio.testing.wait_all_tasks_blocked()
    assert caplog.records == []


@define(eq=False)
class Watching(Actor[Any]):
    target: ActorRef[Any]
    seen: list[Any]

    async def started(self) -> None:
        self.context.watch(self.target, on_down=lambda down: down.path)

    async def receive(self, message: Any, /) -> None:
        if message == "crash":
            raise ValueError("as asked")
        self.seen.append(message)


async def test_watches_made_in_started_do_not_multiply(autojump_clock: object) -> None:
    """The newest incarnation's watch takes the place of the older ones, though a lambda equals no other."""
    seen: list[Any] = []
    async with Supervisor("app", max_restarts=10) as app:
        target = await app.start(Quiet, name="target")
        watcher = await app.start(Watching, target, seen, expected=(ValueError,))
        for _ in range(4):
            watcher.tell("crash")
            await trio.testing.wait_all_tasks_blocked()
        await app.terminate(target)
        await trio.sleep(1)
    assert seen == ["/app/target"]


async def test_a_notice_stays_behind_a_message_that_is_put_back(autojump_clock: object) -> None:
    """A crash with `redeliver` puts the message in hand before those that waited, and so before the notice."""
    seen: list[Any] = []

    class Once(Actor[Any]):
        async def started(self) -> None:
            if self.context.incarnation == 1:
                self.context.watch(target, "down")

        async def receive(self, message: Any, /) -> None:
            seen.append(message)
            if message == "m1":
                await trio.sleep(1)
            if seen == ["m1"]:
                raise ValueError("as asked")

    async with Supervisor("app") as app:
        target = await app.start(Quiet, name="target")
        ref = await app.start(Once, expected=(ValueError,), mailbox=lambda: Reject[Any](5, redeliver=1))
        ref.tell("m1")
        ref.tell("m2")
        await trio.testing.wait_all_tasks_blocked()
        await app.terminate(target)
        await trio.sleep(5)
    assert seen == ["m1", "m1", "m2", "down"]


class StrangeCounts(Reject[Any]):
    def statistics(self) -> Any:
        return type("Counts", (), {"queued": None})()


async def test_a_watcher_that_fails_harms_neither_target_nor_other_watchers(autojump_clock: object) -> None:
    """Strange counts cost nothing; SystemExit in `on_down` stops the watcher's tree, and who waits is told."""
    told: list[str] = []

    def exits(_: object) -> Any:
        raise SystemExit(3)

    class Exits(Quiet):
        async def started(self) -> None:
            self.context.watch(target, on_down=exits)

    # Outside the tree, so that the waiter is not cancelled with the block's body.
    async with trio.open_nursery() as nursery:
        with pytest.raises(SystemExit):
            async with Supervisor("app") as app:
                target = await app.start(Quiet, name="target")
                seen: list[Any] = []
                await app.start(Watching, target, seen, name="strange", mailbox=StrangeCounts)
                await app.start(Exits, name="exits")

                async def wait() -> None:
                    await target.wait_stopped()
                    told.append("waiter")

                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                await app.terminate(target)
                await trio.sleep(5)
    assert told == ["waiter"]


async def test_an_inbox_that_never_runs_dry_lets_others_run() -> None:
    """A schedule point comes after 128 messages, in a loop of your own too."""

    class Endless(Actor[int]):
        async def run(self) -> None:
            async for message in self.inbox:
                self.context.ref.tell(message + 1)

    async with Supervisor("app") as app:
        ref = await app.start(Endless)
        ref.tell(0)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        await app.terminate(ref)


async def test_two_tasks_cannot_take_from_one_inbox(autojump_clock: object) -> None:
    """The second raises at once; otherwise the first would never be woken again."""
    caught: list[str] = []

    class Two(Actor[Any]):
        async def run(self) -> None:
            self.context.spawn(self.take)
            self.context.spawn(self.take)
            await self.context.wait_stop_requested()

        async def take(self) -> None:
            try:
                async for _ in self.inbox:
                    pass
            except RuntimeError as error:
                caught.append(str(error))

    async with Supervisor("app") as app:
        await app.start(Two)
        await trio.testing.wait_all_tasks_blocked()
    assert caught == ["/app/Two: one task takes from an inbox; another one does already"]


async def test_a_send_that_is_cancelled_is_not_admitted_meanwhile(autojump_clock: object) -> None:
    """Its caller may send it again without sending it twice."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(Stuck, mailbox=lambda: Reject[Any](1), grace=0)
        ref.tell("in hand")
        scope = trio.CancelScope()

        async def send() -> None:
            with scope:
                await ref.send("late")

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        ref._cell.admit()
        assert not ref._cell.senders


class Later(Request[int]):
    pass


async def test_many_deferred_requests_are_kept_until_they_are_answered(autojump_clock: object) -> None:
    """And those that have timed out are forgotten."""

    @define(eq=False)
    class Defers(Actor[Later]):
        replies: list[DeferredReply[int]] = field(factory=list[DeferredReply[int]])

        async def receive(self, message: Later, /) -> Answer | None:
            self.replies.append(self.context.defer(message))
            return None

    replies: list[DeferredReply[int]] = []
    answers: list[int] = []
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(Defers, replies)

        async def ask(timeout: float) -> None:
            with trio.move_on_after(timeout):
                answers.append(await ref.ask(Later(), timeout=100))

        for number in range(20):
            nursery.start_soon(ask, 1 if number < 10 else 50)
        await trio.sleep(10)
        for reply in replies:
            reply.answer(7)
    assert answers == [7] * 10


def test_the_virtual_clock_is_not_needed_for_an_ask_that_is_dropped() -> None:
    """A group that starts again drops its asks with the reason."""

    async def main() -> None:
        children = [ChildSpec(Stuck, name="stuck", grace=1), ChildSpec(Quiet, name="crashes", expected=(ValueError,))]
        async with Supervisor("app", "one_for_all", children) as app, trio.open_nursery() as nursery:
            stuck = app.find_actor("stuck")
            stuck.tell("x")
            dropped: list[str] = []

            async def ask() -> None:
                try:
                    await stuck.ask(Later(), timeout=50)
                except AskDropped as error:
                    dropped.append(error.reason)

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            app.find_actor("crashes").tell("crash")
            await trio.sleep(5)
            assert dropped == ["its group starts again"]

    run_virtual(main)


async def test_a_mailbox_that_cannot_say_whether_it_has_room_lets_the_put_decide(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged, and the sender does not wait forever."""

    class Shy(Reject[Any]):
        def has_room(self, message: Any, /) -> bool:
            raise LookupError("mine")

    async with Supervisor("app") as app:
        ref = await app.start(Quiet, mailbox=Shy)
        with trio.fail_after(1):
            await ref.send("x")
    assert "failed to say whether it has room" in caplog.text


def test_outside_trio_a_reference_says_that_it_belongs_to_a_run() -> None:
    """In trio's own thread, but after the run."""
    refs: list[ActorRef[Any]] = []

    async def main() -> None:
        async with Supervisor("app") as app:
            refs.append(await app.start(Quiet))

    trio.run(main)
    with pytest.raises(RuntimeError, match="belongs to another trio run"):
        refs[0]._cell.check_run()


async def test_a_nested_supervisor_that_is_stopped_in_a_round_calls_off_what_its_actors_wait_for(
    autojump_clock: object,
) -> None:
    """Its actor waits for a start in the supervisor above."""
    log: list[str] = []

    class Starts(Actor[Any]):
        def __init__(self, above: list[SupervisorRef]) -> None:
            self.above = above

        async def receive(self, message: Any, /) -> None:
            try:
                await self.above[0].start(SlowStart, name="new", start_timeout=1_000, grace=1)
            except ActorStopped as error:
                log.append(str(error))

    above: list[SupervisorRef] = []
    inner = SupervisorSpec("inner", children=[ChildSpec(Starts, above, name="starts", grace=math.inf)])
    children = [ChildSpec(Quiet, name="crashes", expected=(ValueError,)), inner]
    with trio.fail_after(60):
        async with Supervisor("app", "one_for_all", children) as app:
            above.append(app)
            app.find_actor("inner/starts").tell("x")
            await trio.testing.wait_all_tasks_blocked()
            app.find_actor("crashes").tell("crash")
            await trio.sleep(10)
            assert [node.status for node in app.which()][:2] == ["running", "running"]
    assert len(log) == 1


class Clinging(Actor[str]):
    """Crashes in a task of its own; its own task, or another one that it spawned, holds on for 30 seconds."""

    async def hold(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(30)

    async def fail(self) -> None:
        await trio.sleep(1)
        raise ValueError("as asked")

    async def receive(self, message: str, /) -> None:
        if message == "own task":
            self.context.spawn(self.fail)
            await self.hold()
        if message == "spawned task":
            self.context.spawn(self.hold)
            await trio.sleep(1)
            raise ValueError("as asked")


@pytest.mark.parametrize("message", ["own task", "spawned task"])
async def test_an_actor_that_crashed_and_ignores_its_cancellation_is_named(
    message: str, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, when its grace and a second are over; its supervisor restarts it when it is gone."""
    async with Supervisor("app") as app:
        ref = await app.start(Clinging, name="a", grace=2, expected=(ValueError,))
        ref.tell(message)
        await trio.sleep(3.9)
        assert caplog.text == ""
        await trio.sleep(20)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "/app/a crashed, and a task of it ignores its cancellation" in record.getMessage()
        assert app.which()[0].incarnation == 1
        await trio.sleep(10)
        assert app.which()[0].incarnation == 2
    assert len(caplog.records) == 1


async def test_an_actor_that_may_clean_up_forever_is_not_named_for_it(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """With an endless grace, a crashed actor may take any time."""
    async with Supervisor("app", close_within=1) as app:
        ref = await app.start(Clinging, name="a", grace=math.inf, expected=(ValueError,))
        ref.tell("own task")
        await trio.sleep(29)
        assert caplog.text == ""
