"""What cannot work is said at once, with what to write instead; nothing waits for itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from attrs import define, field

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    ChildSpec,
    Exit,
    StartFailed,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)
from ds_actors._child_link import MAX_DEPTH


class Plain(Actor[Any]):
    async def receive(self, message: Any, /) -> None:
        if message == "crash":
            raise ValueError("as asked")


def a_generator() -> Any:
    return (ChildSpec(Plain, name=name) for name in "ab")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Supervisor(children=a_generator()),
            TypeError,
            "must not be a generator",
        ),
        (lambda: Supervisor(children=cast("Any", [Plain])), TypeError, r"write ChildSpec\(Plain\), not Plain"),
        (lambda: Supervisor(children=cast("Any", ["a"])), TypeError, "must hold ChildSpec and SupervisorSpec, not 'a'"),
        (lambda: Supervisor(children=cast("Any", "ab")), TypeError, "a list of specs, or a function that returns one"),
        (lambda: Supervisor(children=cast("Any", 3)), TypeError, "a list of specs, or a function that returns one"),
        (lambda: Supervisor(max_children=-1), ValueError, "max_children must be 0 or more, or None"),
        (lambda: Supervisor(max_restarts=cast("Any", math.inf)), ValueError, "max_restarts must be an integer"),
        (lambda: Supervisor(strategy="dynamic", auto_shutdown="any_significant"), ValueError, "no auto_shutdown"),
        (lambda: ChildSpec(Plain, expected=cast("Any", [ValueError])), TypeError, r"expected must be a tuple"),
        (lambda: ChildSpec(Plain, expected=cast("Any", ("x",))), TypeError, r"as \(ValueError,\) is"),
    ],
)
def test_arguments_that_cannot_work_are_refused(make: Callable[[], object], error: type[Exception], words: str) -> None:
    """Where they are written, naming what to write instead."""
    with pytest.raises(error, match=words):
        make()


async def test_a_children_callable_is_checked_at_every_start(autojump_clock: object) -> None:
    """Its result fails the supervisor's start, with the same words."""
    spec = SupervisorSpec("inner", children=cast("Any", lambda: [Plain]))
    with pytest.raises(StartFailed) as failed:
        async with Supervisor("app", children=[spec]):
            raise AssertionError
    assert "write ChildSpec(Plain)" in str(failed.value.__cause__)


async def test_asyncio_cancelled_error_in_an_actor_goes_up_like_every_base_exception(autojump_clock: object) -> None:
    """It is no crash to restart: the tree stops in order, and it comes out of the block."""
    from asyncio import CancelledError

    stopped: list[str] = []

    class Confused(Actor[str]):
        async def receive(self, message: str, /) -> None:
            raise CancelledError

        async def stopping(self, exit: Exit, /) -> None:
            stopped.append(self.context.name)

    with pytest.raises(CancelledError):
        async with Supervisor("app", children=[ChildSpec(Confused, name="a"), ChildSpec(Confused, name="b")]) as app:
            app.find_actor("a").tell("x")
            await trio.sleep(5)
            raise AssertionError
    assert sorted(stopped) == ["a", "b"]


@define(eq=False)
class Starter(Actor[Any]):
    """Starts a sibling while it handles a message."""

    log: list[str]
    slow: bool = False

    async def receive(self, message: Any, /) -> None:
        if message == "crash":
            raise ValueError("as asked")
        if message == "start":
            try:
                await self.context.supervisor.start(SlowStart, name="sibling")
            except ActorStopped as error:
                self.log.append(str(error))


class SlowStart(Actor[Any]):
    async def started(self) -> None:
        await trio.sleep(10)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("grace", [5.0, math.inf])
@pytest.mark.parametrize("pause", [0.0, 1.0])
async def test_an_actor_that_waits_for_a_sibling_does_not_hold_up_the_round_that_stops_it(
    strategy: Any, grace: float, pause: float, autojump_clock: object
) -> None:
    """Its start is called off, so that neither waits for the other; also with an endless grace."""
    log: list[str] = []
    children = [
        ChildSpec(Plain, name="first", expected=(ValueError,)),
        ChildSpec(Starter, log, name="starter", grace=grace, expected=(ValueError,)),
    ]
    with trio.fail_after(60):
        async with Supervisor("app", strategy, children) as app:
            app.find_actor("starter").tell("start")
            await trio.sleep(pause)
            app.find_actor("first").tell("crash")
            await trio.sleep(8)  # the sibling's own grace is 5 s
            assert [(node.name, node.status) for node in app.which()][:2] == [
                ("first", "running"),
                ("starter", "running"),
            ]
            assert all(node.incarnation == 2 for node in app.which()[:2])
    assert len(log) == 1
    assert "sibling" in log[0]


def nested(levels: int) -> SupervisorSpec:
    spec = SupervisorSpec("n", children=[ChildSpec(Plain, name="leaf")])
    for _ in range(levels - 1):
        spec = SupervisorSpec("n", children=[spec])
    return spec


async def test_a_tree_may_be_a_hundred_levels_deep(autojump_clock: object) -> None:
    """It starts, shows itself and stops."""
    async with Supervisor("app", children=[nested(MAX_DEPTH - 1)]) as app:
        lines = str(app.tree()).splitlines()
        assert len(lines) == MAX_DEPTH + 1
        assert lines[-1].endswith("leaf running")


async def test_a_deeper_tree_is_refused_at_its_start(autojump_clock: object) -> None:
    """With the limit, instead of a program that stands still when it stops."""
    with pytest.raises(StartFailed) as failed:
        async with Supervisor("app", children=[nested(MAX_DEPTH)]):
            raise AssertionError
    causes: list[BaseException] = [failed.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert f"more than {MAX_DEPTH} levels deep" in str(causes[-1])


@define(eq=False)
class Asker(Actor[Any]):
    got: list[object] = field(factory=list[object])

    async def receive(self, message: Any, /) -> None:
        self.got.append(self.context.supervisor)
        try:
            await self.context.supervisor.wait_stopped()
        except RuntimeError as error:
            self.got.append(str(error))


async def test_an_actor_cannot_wait_for_the_end_of_its_own_supervisor(autojump_clock: object) -> None:
    """It would wait for itself."""
    got: list[object] = []
    async with Supervisor("app") as app:
        (await app.start(Asker, got)).tell("x")
        await trio.sleep(1)
        assert got[0] == app
    assert got[1] == "/app cannot stop while an actor below waits for that; spawn a task to wait"


async def test_references_compare_and_hash(autojump_clock: object) -> None:
    """What `start`, `find` and the context return is one reference; another child's is another."""
    seen: list[object] = []

    class Me(Actor[Any]):
        async def started(self) -> None:
            seen.append(self.context.ref)

    async with Supervisor("app", children=[SupervisorSpec("inner")]) as app:
        ref = await app.start(Me)
        other = await app.start(Plain)
        assert ref == app.find("Me") == app.find_actor("/app/Me") == seen[0]
        assert {ref, app.find_actor("Me")} == {ref}
        assert ref != other
        inner = app.find_supervisor("inner")
        assert inner == app.find("/app/inner") == app.find_supervisor("inner")
        assert {inner, app.find("inner")} == {inner}
        assert app == app.find("/app")
        assert inner != app
        leaf = await inner.start(Plain, name="leaf")
        assert app.find_actor("inner/leaf") == inner.find_actor("leaf") == inner.find_actor("/app/inner/leaf") == leaf
        with pytest.raises(LookupError, match="/app/inner is a supervisor; use find_supervisor"):
            app.find_actor("inner")
        with pytest.raises(LookupError, match="/app/Me is an actor; use find_actor"):
            app.find_supervisor("Me")


async def test_a_child_may_be_named_by_its_reference(autojump_clock: object) -> None:
    """For terminate, restart, delete and get_childspec; a stranger's reference is refused."""
    async with Supervisor("app", children=[SupervisorSpec("inner")]) as app:
        spec = ChildSpec(Plain, name="a", grace=2)
        ref = await app.start(spec)
        assert app.get_childspec(ref) is app.get_childspec("a") is spec
        await app.terminate(ref)
        again = await app.restart(ref)
        assert isinstance(again, ActorRef)
        assert again != ref
        await app.terminate(again)
        app.delete(again)
        with pytest.raises(LookupError, match="/app/a is not a child of /app"):
            await app.terminate(again)
        inner = app.find_supervisor("inner")
        leaf = await inner.start(Plain, name="leaf")
        with pytest.raises(LookupError, match="/app/inner/leaf is not a child of /app"):
            await app.terminate(leaf)
        await app.terminate(inner)
        assert isinstance(await app.restart("inner"), SupervisorRef)


async def test_after_a_cancelled_start_the_name_is_free_at_once(autojump_clock: object) -> None:
    """The caller waits, within the child's grace, until it is gone."""
    async with Supervisor("app") as app:
        with trio.move_on_after(1):
            await app.start(SlowStart, name="a")
        await app.start(Plain, name="a")
        assert app.which()[0].status == "running"


async def test_a_start_that_is_cancelled_before_its_turn_leaves_nothing(autojump_clock: object) -> None:
    """It waits behind a group that is being started again, and its caller gives up."""
    children = [ChildSpec(Plain, name="first", expected=(ValueError,)), ChildSpec(SlowStart, name="slow")]
    async with Supervisor("app", "one_for_all", children) as app:
        app.find_actor("first").tell("crash")
        await trio.sleep(1)
        with trio.move_on_after(1):
            await app.start(Plain, name="late")
        with trio.move_on_after(12):
            await app.start(SlowStart, name="slow too")  # its turn comes after 10 s, and it is not ready yet
        await trio.sleep(6)
        assert [node.name for node in app.which()] == ["first", "slow"]


async def test_tree_never_raises(autojump_clock: object) -> None:
    """Before the start, while it runs, and after the end."""
    app = Supervisor("app", children=[ChildSpec(Plain, name="a")])
    before = app.tree()
    async with app:
        during = app.tree()
    after = app.tree()
    assert (before.status, during.status, after.status) == ("down", "running", "halted")


async def test_a_grace_of_zero_runs_no_clean_up(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    """OTP's brutal_kill: the child is cancelled in a message, `stopping` is not called, and nothing is logged."""
    log: list[str] = []

    class Tidy(Actor[str]):
        async def receive(self, message: str, /) -> None:
            await trio.sleep_forever()

        async def stopping(self, exit: Exit, /) -> None:
            log.append(self.context.name)

    children = [ChildSpec(Tidy, name="killed", grace=0), ChildSpec(Tidy, name="tidy")]
    async with Supervisor("app", children=children) as app:
        app.find_actor("killed").tell("x")
        await trio.sleep(1)
    assert log == ["tidy"]
    assert caplog.records == []
