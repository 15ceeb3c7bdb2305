"""A watch's notice waits through the restarts of its watcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from ds_actors import Actor, ActorRef, ChildSpec, Supervisor, SupervisorSpec
from ds_actors._rules import Strategy


class Target(Actor[str]):
    async def receive(self, message: str, /) -> None:
        self.context.stop()


class Watcher(Actor[Any]):
    """Is busy, crashes or watches on command, and notes everything else with its incarnation."""

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    async def receive(self, message: Any, /) -> None:
        if message == "busy":
            await trio.sleep(1)
        elif callable(message):
            message(self)
        else:
            self.seen.append((self.context.incarnation, message))
            if message == "fatal":
                raise ValueError(message)


def watching(target: ActorRef[str], notify: str) -> Callable[[Watcher], None]:
    """Return a command to watch the target."""
    return lambda watcher: watcher.context.watch(target, notify)


@pytest.mark.parametrize(
    ("strategy", "kept"), [("one_for_one", [(1, "fatal"), (2, "queued"), (2, "gone")]), ("one_for_all", [(2, "gone")])]
)
async def test_a_notice_survives_the_restart_of_its_watcher(
    strategy: Strategy, kept: list[Any], autojump_clock: object
) -> None:
    """Also of its group, which starts with empty mailboxes; there the notice comes alone."""
    seen: list[Any] = []
    children = [
        ChildSpec(Watcher, list[Any](), name="sibling", expected=(ValueError,)),
        ChildSpec(Watcher, seen, name="watcher", expected=(ValueError,)),
    ]
    async with Supervisor("app", children=[SupervisorSpec("group", strategy, children)]) as app:
        target = await app.start(Target, restart="temporary")
        watcher = app.find_actor("group/watcher")
        watcher.tell(watching(target, "gone"))
        watcher.tell("busy")
        await trio.testing.wait_all_tasks_blocked()
        watcher.tell("fatal")
        watcher.tell("queued")
        await app.terminate(target)
        if strategy == "one_for_all":
            app.find_actor("group/sibling").tell("fatal")
        await trio.sleep(5)
    assert seen == kept


async def test_a_crash_on_a_notice_loses_it(autojump_clock: object) -> None:
    """It was delivered: as with a message in hand, the next incarnation does not get it again."""
    seen: list[Any] = []
    async with Supervisor("app") as app:
        target = await app.start(Target, restart="temporary")
        watcher = await app.start(Watcher, seen, expected=(ValueError,))
        watcher.tell(watching(target, "fatal"))
        await trio.testing.wait_all_tasks_blocked()
        await app.terminate(target)
        await trio.sleep(1)
        watcher.tell("next")
        await trio.sleep(1)
    assert seen == [(1, "fatal"), (2, "next")]
