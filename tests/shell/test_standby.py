"""First messages of parked actors share one task, and what an actor leaves in it harms no other actor."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.testing
from task_actors import Simple, TaskOf

from ds_actors import ActorRef, ChildSpec, Supervisor, SupervisorSpec

setting: ContextVar[str] = ContextVar("setting", default="none")


async def fail(_: Simple) -> None:
    raise ValueError


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def start(app: Supervisor, name: str, **options: Any) -> ActorRef[Any]:
    ref: ActorRef[Any] = await app.start(Simple, name=name, expected=(ValueError, RuntimeError), **options)
    return ref


async def first_task(app: Supervisor, name: str) -> trio.lowlevel.Task:
    """Return the task of a new actor's first message."""
    return await (await start(app, name)).ask(TaskOf(), timeout=1)


async def test_first_messages_share_a_task_across_the_tree(autojump_clock: object) -> None:
    """Also those of actors below another supervisor; the task has the name of the actor that it handles."""
    names: list[str] = []

    async def note(_: Simple) -> None:
        names.append(trio.lowlevel.current_task().name)

    below = SupervisorSpec("below", children=[ChildSpec(Simple, name="c")])
    async with Supervisor("app", children=[below]) as app:
        shared = {await first_task(app, "a"), await first_task(app, "b")}
        shared.add(await app.find_actor("below/c").ask(TaskOf(), timeout=1))
        assert len(shared) == 1
        (await start(app, "d")).tell(note)
        await trio.testing.wait_all_tasks_blocked()
    assert names == ["/app/d"]


async def test_each_actor_has_its_own_context_variables_in_the_shared_task(autojump_clock: object) -> None:
    """What one sets, the next one does not see."""
    seen: list[str] = []

    async def look(_: Simple) -> None:
        seen.append(setting.get())
        setting.set("an actor's")

    async with Supervisor("app") as app:
        for name in "ab":
            setting.set(name)
            (await start(app, name)).tell(look)
            await trio.testing.wait_all_tasks_blocked()
    assert seen == ["a", "b"]


async def test_a_busy_standby_holds_up_no_other_actor(autojump_clock: object) -> None:
    """They get tasks of their own, which end with the message."""

    async def sleep(_: Simple) -> None:
        await trio.sleep(5)

    async with Supervisor("app") as app:
        bare = tasks()
        (await start(app, "slow")).tell(sleep)
        await trio.testing.wait_all_tasks_blocked()
        assert await first_task(app, "a") is not await first_task(app, "b")
        await trio.sleep(6)
        assert tasks() == bare


async def test_a_crash_takes_the_standby_along_and_the_next_one_is_made(autojump_clock: object) -> None:
    """The crashed actor is restarted, and first messages share a task again."""
    async with Supervisor("app") as app:
        bare, before = tasks(), await first_task(app, "a")
        crashing = await start(app, "crashing")
        crashing.tell(fail)
        await trio.testing.wait_all_tasks_blocked()
        assert app.which()[1].incarnation == 2
        after = await first_task(app, "b")
        assert before is not after is await first_task(app, "c")
        assert tasks() <= bare + 2  # the new incarnation keeps a task, and one times its end


async def test_a_lock_that_an_actor_keeps_is_broken_and_not_inherited(autojump_clock: object) -> None:
    """Locks belong to tasks, so that the task of the message that keeps one ends with the message."""
    lock, caught = trio.Lock(), list[Exception]()

    async def acquire(_: Simple) -> None:
        try:
            await lock.acquire()
        except trio.BrokenResourceError as error:
            caught.append(error)

    async with Supervisor("app") as app:
        for name in "ab":
            (await start(app, name)).tell(acquire)
            await trio.testing.wait_all_tasks_blocked()
        assert len(caught) == 1
        assert [node.incarnation for node in app.which()] == [1, 1]


async def test_a_scope_that_an_actor_leaves_open_is_that_actors_crash(autojump_clock: object) -> None:
    """No other actor is handled inside of it."""
    scopes: list[trio.CancelScope] = []

    async def leave_open(_: Simple) -> None:
        scopes.append(trio.CancelScope())
        scopes[0].__enter__()

    async def sleep(_: Simple) -> None:
        await trio.sleep(1)

    async with Supervisor("app") as app:
        (await start(app, "a")).tell(leave_open)
        await trio.testing.wait_all_tasks_blocked()
        assert app.which()[0].incarnation == 2
        (await start(app, "b")).tell(sleep)
        await trio.testing.wait_all_tasks_blocked()
        scopes[0].cancel()
        await trio.sleep(2)
        assert app.which()[1].incarnation == 1


@pytest.mark.parametrize("when", ["before it begins", "while it waits"])
async def test_an_actor_that_ignores_its_stop_is_cancelled_in_the_standby(when: str, autojump_clock: object) -> None:
    """And no other actor with it."""

    async def wait(_: Simple) -> None:
        await trio.sleep_forever()

    async with Supervisor("app", "dynamic") as app:
        other = await start(app, "other")
        ref = await start(app, "a", grace=0, drain=True)
        ref.tell(wait)
        if when == "while it waits":
            await trio.testing.wait_all_tasks_blocked()
        await app.terminate(ref)
        assert ref.stopped
        assert isinstance(await other.ask(TaskOf(), timeout=1), trio.lowlevel.Task)


async def test_a_task_that_fails_before_its_actors_turn_ends_that_actor(autojump_clock: object) -> None:
    """The message that woke it is for the next incarnation."""
    handled: list[int] = []

    async def note(actor: Simple) -> None:
        handled.append(actor.context.incarnation)

    async with Supervisor("app") as app:
        ref = await start(app, "a")

        async def spawn(actor: Simple) -> None:
            async def task() -> None:
                await trio.sleep(1)
                ref.tell(note)
                raise ValueError

            actor.context.spawn(task)

        ref.tell(note)
        ref.tell(spawn)
        await trio.testing.wait_all_tasks_blocked()
        incarnation: Any = app._living().links["a"].incarnation
        incarnation._stays = 0  # as after a sweep
        await trio.sleep(2)
    assert handled == [1, 2]


async def test_an_exit_in_the_standby_ends_the_tree(autojump_clock: object) -> None:
    """As it does in any task."""

    async def leave(_: Simple) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with Supervisor("app") as app:
            (await start(app, "a")).tell(leave)
            await trio.sleep(1)


async def test_a_token_of_a_limiter_stays_with_the_standby(autojump_clock: object) -> None:
    """As the guide warns: another actor that asks for one there fails, and the token is not lost with it."""
    limiter = trio.CapacityLimiter(2)

    async def acquire(_: Simple) -> None:
        await limiter.acquire()

    async with Supervisor("app") as app:
        for name in "ab":
            (await start(app, name)).tell(acquire)
            await trio.testing.wait_all_tasks_blocked()
        assert [node.incarnation for node in app.which()] == [1, 2]
        assert limiter.borrowed_tokens == 1


async def test_context_variables_come_from_where_a_start_is_decided(autojump_clock: object) -> None:
    """The block, the sibling that became ready before, and the incarnation that crashed."""
    seen: list[str] = []

    class Sets(Simple):
        async def started(self) -> None:
            setting.set("a sibling's")

    class Looks(Simple):
        def __init__(self) -> None:
            seen.append(setting.get())

    async def crash(_: Simple) -> None:
        setting.set("the last one's")
        raise ValueError

    setting.set("the block's")
    kinds: list[type[Simple]] = [Looks, Sets, Looks]
    children = [ChildSpec(kind, name=f"{index}", expected=(ValueError,)) for index, kind in enumerate(kinds)]
    async with Supervisor("app", children=children) as app:
        app.find_actor("2").tell(crash)
        await trio.sleep(1)
    assert seen == ["the block's", "a sibling's", "the last one's"]


async def test_a_crash_that_no_handler_would_see_is_restarted_all_the_same(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is composed for a log that is switched off."""
    monkeypatch.setattr(logging.getLogger("ds_actors"), "disabled", True)
    async with Supervisor("app") as app:
        ref: ActorRef[Any] = await app.start(Simple, name="a")
        ref.tell(fail)
        await trio.testing.wait_all_tasks_blocked()
        assert app.which()[0].incarnation == 2
