"""An actor with hooks that waits for its first message has no open scope, and all that could end it still does."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from task_actors import Simple, TaskOf

from ds_actors import ActorRef, ChildSpec, StartFailed, Supervisor

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


class Hooked(Simple):
    """Notes its hooks, and spawns what it is given."""

    def __init__(self, task: Any = None) -> None:
        self.task = task

    async def started(self) -> None:
        log.append("started")
        if self.task is not None:
            self.context.spawn(self.task, self)

    async def stopping(self, *_: object) -> None:
        await trio.lowlevel.checkpoint()
        log.append("stopping")


async def note(_: Simple) -> None:
    log.append("noted")


async def fail_later(_: Simple) -> None:
    await trio.sleep(1)
    raise ValueError


async def stop_later(actor: Simple) -> None:
    await trio.sleep(1)
    actor.context.stop()


async def stay(_: Simple) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(3)
    log.append("stayed")


async def test_its_first_message_is_handled(autojump_clock: object) -> None:
    """And every later one, all in its one task."""
    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Hooked)
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(note)
        assert await ref.ask(TaskOf(), timeout=1) is await ref.ask(TaskOf(), timeout=1)
    assert log == ["started", "noted", "stopping"]


async def test_a_waiting_send_and_a_notice_wake_it(autojump_clock: object) -> None:
    """Not only what is told."""
    async with Supervisor("app") as app:
        gone = await app.start(Simple, name="gone", restart="temporary")

        async def watch(actor: Simple) -> None:
            actor.context.watch(gone, note)

        first: ActorRef[Any] = await app.start(Hooked, watch, name="first")
        second: ActorRef[Any] = await app.start(Hooked, name="second")
        await trio.testing.wait_all_tasks_blocked()
        await second.send(note)
        await app.terminate(gone)
        await trio.testing.wait_all_tasks_blocked()
        assert log.count("noted") == 2
        assert not first.stopped


@pytest.mark.parametrize("drain", [False, True])
async def test_a_message_in_the_moment_of_its_stop_keeps_the_rule(drain: bool, autojump_clock: object) -> None:
    """With drain it is handled first."""
    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Hooked, drain=drain)
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(note)
        await app.terminate(ref)
    assert log == ["started", *(["noted"] if drain else []), "stopping"]


@pytest.mark.parametrize("task", [fail_later, stop_later])
async def test_a_task_of_it_ends_it(task: Any, autojump_clock: object) -> None:
    """Its crash, and its request to stop."""
    async with Supervisor("app", max_restarts=1) as app:
        await app.start(Hooked, task, expected=(ValueError,))
        await trio.sleep(1.5)
        assert app.which()[0].incarnation == 2
        assert log == ["started", "stopping", "started"]


async def test_a_cancellation_from_outside_does_not_reach_it(autojump_clock: object) -> None:
    """It stops in order."""
    with trio.move_on_after(1):
        async with Supervisor("app", children=[ChildSpec(Hooked, name="a"), ChildSpec(Hooked, name="b")]):
            await trio.sleep_forever()
    assert log == ["started", "started", "stopping", "stopping"]


async def test_its_inbox_is_no_one_elses(autojump_clock: object) -> None:
    """As while it handles messages."""
    caught: list[str] = []

    async def take(actor: Simple) -> None:
        await trio.sleep(1)
        try:
            await actor.inbox.take()
        except RuntimeError as error:
            caught.append(str(error))

    async with Supervisor("app") as app:
        await app.start(Hooked, take)
        await trio.sleep(2)
    assert "takes its messages in receive" in caught[0]


async def test_a_start_that_is_cut_off_while_a_task_of_it_fails_fails_with_that(autojump_clock: object) -> None:
    """The timeout is not blamed."""

    class Slow(Hooked):
        async def started(self) -> None:
            self.context.spawn(fail_later, self)
            await trio.sleep_forever()

    async with Supervisor("app") as app:
        with pytest.raises(StartFailed) as caught:
            await app.start(Slow, expected=(ValueError,))
        assert isinstance(caught.value.__cause__, ValueError)


async def test_a_kill_that_started_ignored_is_in_force_afterwards(autojump_clock: object) -> None:
    """It is cut off once its grace is over, though it became ready late."""

    class Late(Hooked):
        async def started(self) -> None:
            await stay(self)

        async def run(self) -> None:
            log.append("run")
            await trio.sleep_forever()

    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        nursery.start_soon(_start_late, app, Late)
        await trio.sleep(1)
        await app.terminate("a")
    assert log == ["stayed", "run"]


async def _start_late(app: Supervisor, kind: type[Simple]) -> None:
    with pytest.raises(Exception, match="stopped before it was ready"):
        await app.start(kind, name="a", grace=0)
