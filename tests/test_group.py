"""Groups: joining, leaving, publishing."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing
from attrs import define

from ds_actors import Actor, ActorRef, Conflate, DeadLetter, Group, Reject, Supervisor, TelemetryEvent


@define(eq=False)
class Member(Actor[int]):
    got: list[int]

    async def receive(self, message: int, /) -> None:
        if message < 0:
            raise ValueError(message)
        self.got.append(message)


async def test_publish_tells_every_member_once_and_returns_how_many_accepted(autojump_clock: object) -> None:
    """Joining twice changes nothing; the order is that of joining."""
    got: list[int] = []
    group = Group[int]()
    assert group.publish(0) == 0
    async with Supervisor("app") as app:
        first = await app.start(Member, got)
        second = await app.start(Member, got)
        group.join(second)
        group.join(first)
        group.join(second)
        assert (len(group), list(group), repr(group)) == (2, [second, first], "<Group of 2>")
        assert group.publish(7) == 2
        await trio.testing.wait_all_tasks_blocked()
        group.leave(second)
        group.leave(second)
        assert second not in group
        assert group.publish(8) == 1
        await trio.testing.wait_all_tasks_blocked()
    assert got == [7, 7, 8]


async def test_a_full_mailbox_is_not_counted_as_accepted(autojump_clock: object) -> None:
    """The others get the message."""
    got: list[int] = []
    group = Group[int]()
    async with Supervisor("app") as app:
        group.join(await app.start(Member, got, mailbox=partial(Reject[int], 1)))
        group.join(await app.start(Member, got))
        assert [group.publish(number) for number in range(3)] == [2, 1, 1]


async def test_a_member_that_is_gone_for_good_has_left_and_one_that_restarts_has_not(autojump_clock: object) -> None:
    """What is gone already does not join."""
    got: list[int] = []
    group = Group[int]()
    async with Supervisor("app", max_restarts=9) as app:
        stays = await app.start(Member, got)
        goes = await app.start(Member, got, restart="temporary")
        group.join(stays)
        group.join(goes)
        group.publish(-1)
        await goes.wait_stopped()
        await trio.testing.wait_all_tasks_blocked()
        assert list(group) == [stays]
        group.join(goes)
        assert group.publish(5) == 1
        await trio.testing.wait_all_tasks_blocked()
        assert got == [5]
    assert len(group) == 0


async def test_who_leaves_while_a_message_is_published_is_left_out(autojump_clock: object) -> None:
    """A member that was told before is told once; who joins meanwhile gets the next message."""
    got: list[int] = []
    group = Group[int]()
    refs: list[ActorRef[int]] = []

    def leave_and_join(_message: int) -> int:
        group.leave(refs[1])
        group.join(refs[3])
        return 0

    async with Supervisor("app") as app:
        refs.append(await app.start(Member, got, mailbox=partial(Conflate[int], leave_and_join)))
        refs.extend([await app.start(Member, got) for _ in range(3)])
        for ref in refs[:3]:
            group.join(ref)
        assert group.publish(1) == 2
        assert list(group) == [refs[0], refs[2], refs[3]]
        assert group.publish(2) == 3


async def test_a_member_that_ends_while_a_message_is_published_is_left_out(autojump_clock: object) -> None:
    """Its end does not disturb the others."""
    got: list[int] = []
    group = Group[int]()
    left: list[ActorRef[int]] = []

    def leave(event: TelemetryEvent) -> None:
        if isinstance(event, DeadLetter):
            group.leave(left[0])

    async with Supervisor("app", listeners=(leave,)) as app:
        group.join(await app.start(Member, got, mailbox=partial(Reject[int], 1)))
        left.append(await app.start(Member, got))
        group.join(left[0])
        group.join(await app.start(Member, got))
        assert group.publish(1) == 3
        assert group.publish(2) == 1


async def test_a_member_of_another_thread_or_run_is_refused() -> None:
    """Each error names the right way."""
    group = Group[int]()
    async with Supervisor("app") as app:
        ref = await app.start(Member, list[int]())
        with pytest.raises(RuntimeError, match=r"trio\.from_thread"):
            await trio.to_thread.run_sync(group.join, ref)
        group.join(ref)
        for call in (partial(group.publish, 1), partial(group.leave, ref), partial(group.join, ref)):
            with pytest.raises(RuntimeError, match=r"trio\.from_thread\.run_sync"):
                await trio.to_thread.run_sync(call)

        async def elsewhere() -> None:
            with pytest.raises(RuntimeError, match=r"another trio run|belongs to trio"):
                Group[int]().join(ref)

        await trio.to_thread.run_sync(trio.run, elsewhere)
        assert list(group) == [ref]
