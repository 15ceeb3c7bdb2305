"""Laws of groups: a group is the ordered set of the living that joined and did not leave."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import Actor, Group, Supervisor
from ds_actors.testing import run_virtual

MEMBERS = 4
operations = st.lists(
    st.tuples(st.sampled_from(["join", "join", "leave", "end", "crash", "publish"]), st.integers(0, MEMBERS - 1)),
    max_size=40,
)


@define(eq=False)
class Noting(Actor[int | str]):
    got: list[int]

    async def receive(self, message: int | str, /) -> None:
        if isinstance(message, str):
            raise ValueError(message)
        self.got.append(message)


@given(operations)
def test_a_group_is_the_living_that_joined_and_did_not_leave(steps: list[tuple[str, int]]) -> None:
    """Each message reaches exactly those that are members when it is published, in the order of publishing."""

    async def story() -> None:
        group: Group[int] = Group()
        model: list[int] = []
        living = set(range(MEMBERS))
        got: list[list[int]] = [[] for _ in range(MEMBERS)]
        expected: list[list[int]] = [[] for _ in range(MEMBERS)]
        async with Supervisor("app", max_restarts=10**6) as app:
            refs = [await app.start(Noting, got[number]) for number in range(MEMBERS)]
            for message, (what, number) in enumerate(steps):
                match what:
                    case "join":
                        group.join(refs[number])
                        if number in living and number not in model:
                            model.append(number)
                    case "leave":
                        group.leave(refs[number])
                        model = [known for known in model if known != number]
                    case "end" if number in living:
                        await app.terminate(refs[number])
                        living.discard(number)
                        model = [known for known in model if known != number]
                    case "crash":
                        refs[number].tell("crash")
                        await trio.testing.wait_all_tasks_blocked()
                    case _:
                        assert group.publish(message) == len(model)
                        for known in model:
                            expected[known].append(message)
                        await trio.testing.wait_all_tasks_blocked()
                assert list(group) == [refs[known] for known in model]
                assert len(group) == len(model)
        assert got == expected
        assert list(group) == []

    run_virtual(story)


def _watchers(ref: Any) -> object:
    return ref._cell.watchers


@given(operations)
def test_who_left_is_not_watched_any_more(steps: list[tuple[str, int]]) -> None:
    """A group costs an actor nothing once it has left."""

    async def story() -> None:
        group: Group[int] = Group()
        async with Supervisor("app") as app:
            refs = [await app.start(Noting, list[int]()) for _ in range(MEMBERS)]
            for what, number in steps:
                if what == "join":
                    group.join(refs[number])
                elif what == "leave":
                    group.leave(refs[number])
            for ref in refs:
                assert (_watchers(ref) is None) == (ref not in group)

    run_virtual(story)
