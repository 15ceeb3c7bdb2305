"""What OTP's supervisor_SUITE and Elixir's supervisor tests assert, on a live tree.

`docs/actors/otp-suites.md` names the test for each of their cases.
"""

from __future__ import annotations

import gc
import math
import re
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import trio
from attrs import define, field

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    ChildSpec,
    Counts,
    Exit,
    ExponentialBackoff,
    Ignore,
    RestartLimitReached,
    StartFailed,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)
from ds_actors._rules import AutoShutdown, Restart, Strategy

Log = list[str]
GROUPED = ["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
RESTARTS: tuple[Restart, ...] = get_args(Restart)
AUTO_SHUTDOWNS: tuple[AutoShutdown, ...] = get_args(AutoShutdown)


@define(eq=False)
class Worker(Actor[str]):
    """Logs its starts and stops; `starts` decides how the next start of each name goes, and can change at any time."""

    name: str
    log: Log = field(factory=list[str])
    starts: dict[str, str] = field(factory=dict[str, str])
    stops_in: float = 0.0
    stop_fails: bool = False

    async def started(self) -> None:
        match self.starts.get(self.name, ""):
            case "ignored":
                raise Ignore
            case "fails":
                raise OSError(self.name)
            case "fails late":
                await trio.sleep(2)
                raise OSError(self.name)
            case _:
                self.log.append(f"+{self.name}")

    async def receive(self, message: str, /) -> None:
        match message:
            case "crash":
                raise ValueError(self.name)
            case "linger":
                await trio.sleep_forever()
            case _:
                self.context.stop()

    async def stopping(self, exit: Exit, /) -> None:
        if self.stops_in:
            await trio.sleep(self.stops_in)
        self.log.append(f"-{self.name}")
        if self.stop_fails:
            raise LookupError(self.name)


def spec(name: str, *args: Any, **options: Any) -> ChildSpec[str]:
    return ChildSpec(Worker, name, *args, name=name, expected=(Exception,), **options)


@asynccontextmanager
async def tree(name: str, strategy: Strategy = "one_for_one", **options: Any) -> AsyncGenerator[Supervisor]:
    """Run a tree that must not end before its body does, which would leave the rest of a test out."""
    finished = False
    async with Supervisor(name, strategy, **options) as app:
        yield app
        finished = True
    assert finished


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def end(app: SupervisorRef, path: str, message: str) -> None:
    """Have an actor end by itself, and wait until everything that follows at once has happened."""
    app.find_actor(path).tell(message)
    await settle()


def workers(specs: int, active: int) -> Counts:
    return Counts(specs=specs, active=active, workers=specs, supervisors=0)


# ---- starts


async def test_a_supervisor_without_children_starts_and_stops(autojump_clock: object) -> None:
    """Of any strategy, nested; its end has the reason of the request."""
    async with tree("app") as app:
        for strategy in STRATEGIES:
            inner = await app.start(SupervisorSpec(strategy, strategy))
            assert (inner.which(), inner.count()) == ((), workers(0, 0))
            await app.terminate(inner)
            assert inner.stopped
        assert [node.why for node in app.which()] == ["terminated"] * 4


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize(("restart", "kept"), [("permanent", 1), ("transient", 1), ("temporary", 0)])
async def test_an_ignored_start_leaves_a_spec_unless_the_child_is_temporary(
    restart: Restart, kept: int, added: bool, autojump_clock: object
) -> None:
    """In the first batch and in `start` alike, and the next child starts."""
    starts = {"a": "ignored"}
    children = [spec(name, [], starts, restart=restart) for name in "ab"]
    async with tree("app", children=[] if added else children) as app:
        if added:
            refs = [await app.start(child) for child in children]
            assert [ref.stopped for ref in refs] == [True, False]
        assert app.count() == workers(kept + 1, 1)
        assert [node.name for node in app.which()] == ["a", "b"][1 - kept :]


@pytest.mark.parametrize("restart", RESTARTS)
async def test_a_dynamic_supervisor_keeps_nothing_of_an_ignored_start(restart: Restart, autojump_clock: object) -> None:
    """Of any restart kind, and it stops without an error."""
    async with tree("app", "dynamic") as app:
        ref = await app.start(spec("a", [], {"a": "ignored"}, restart=restart))
        await app.start(spec("b", restart=restart))
        assert ref.stopped
        assert app.count() == workers(1, 1)


def _raises() -> Any:
    raise LookupError("init")


@pytest.mark.parametrize(("children", "cause"), [(lambda: "invalid", TypeError), (_raises, LookupError)])
async def test_children_that_cannot_be_had_fail_the_start_of_their_supervisor(
    children: Callable[[], Any], cause: type[Exception], autojump_clock: object
) -> None:
    """The caller gets the cause, and nothing is left."""
    async with tree("app") as app:
        with pytest.raises(StartFailed) as caught:
            await app.start(SupervisorSpec("inner", children=children))
        assert isinstance(caught.value.__cause__, cause)
        assert app.count().specs == 0
    with pytest.raises(cause):
        async with tree("app", children=children):
            raise AssertionError("the body must not run")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_start_that_raises_or_makes_no_actor_leaves_no_child(
    strategy: Strategy, autojump_clock: object
) -> None:
    """StartFailed has the cause, and nothing is spent or retried."""
    async with tree("app", strategy, max_restarts=0) as app:
        factories: list[tuple[Any, type[Exception]]] = [(_raises, LookupError), (lambda: "no actor", TypeError)]
        for factory, cause in factories:
            with pytest.raises(StartFailed) as caught:
                await app.start(factory, name="a")
            assert isinstance(caught.value.__cause__, cause)
        with pytest.raises(StartFailed):
            await app.start(spec("b", [], {"b": "fails"}))
        assert app.which() == ()


async def test_get_childspec_returns_the_spec_with_its_defaults(autojump_clock: object) -> None:
    """By name or reference, in any strategy: permanent, 5 s for an actor, no limit for a supervisor."""
    children = [spec("a"), spec("b", grace=0), SupervisorSpec("c", "dynamic")]
    async with tree("app", children=children) as app:
        inner = app.find_supervisor("c")
        first = await inner.start(spec("d", restart="temporary"))
        assert [app.get_childspec(name) for name in "abc"] == children
        assert app.get_childspec(app.find("a")) is children[0]
        assert [app.get_childspec(name).grace for name in "abc"] == [5.0, 0, math.inf]
        assert [app.get_childspec(name).restart for name in "abc"] == ["permanent"] * 3
        assert inner.get_childspec(first).restart == "temporary"
        for stranger in ("e", first):
            with pytest.raises(LookupError):
                app.get_childspec(stranger)


def test_a_supervisor_grants_three_restarts_in_five_seconds_by_default() -> None:
    """With one_for_one, any number of children, and no automatic shutdown, also when it is dynamic."""
    for given in (SupervisorSpec("s"), SupervisorSpec("s", "dynamic")):
        figures = (given.max_restarts, given.within, given.max_children, given.auto_shutdown, given.children)
        assert figures == (3, 5.0, None, "never", ())
    assert SupervisorSpec("s").strategy == "one_for_one"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"strategy": "none_for_one"}, ValueError),
        ({"max_restarts": math.inf}, ValueError),
        ({"max_restarts": -1}, ValueError),
        ({"within": 0}, ValueError),
        ({"within": math.inf}, ValueError),
        ({"max_children": -1}, ValueError),
        ({"auto_shutdown": "sometimes"}, ValueError),
        ({"strategy": "dynamic", "auto_shutdown": "any_significant"}, ValueError),
        ({"strategy": "dynamic", "auto_shutdown": "all_significant"}, ValueError),
        ({"silly_flag": True}, TypeError),
        ({"children": ["child4"]}, TypeError),
        ({"children": [Worker]}, TypeError),
    ],
)
def test_wrong_options_of_a_supervisor_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """At once, in a spec and in a block."""
    for make in (Supervisor, SupervisorSpec):
        with pytest.raises(error):
            make("s", **options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"restart": "prmanent"}, ValueError),
        ({"grace": -10}, ValueError),
        ({"name": ""}, ValueError),
        ({"significant": True}, ValueError),
        ({"silly_flag": True}, TypeError),
    ],
)
async def test_wrong_options_of_a_child_are_refused(
    options: dict[str, Any], error: type[Exception], autojump_clock: object
) -> None:
    """At once, in a spec and in `start`; one without a factory, or with an instance for it, as well."""
    async with tree("app", "dynamic") as app:
        with pytest.raises(error):
            ChildSpec(Worker, "a", **options)
        with pytest.raises(error):
            await app.start(Worker, "a", **options)
        for factory in ("other", Worker("a")):
            with pytest.raises(TypeError):
                await app.start(factory)  # type: ignore[call-overload]
        assert app.count().specs == 0


async def test_two_children_of_one_name_are_refused(autojump_clock: object) -> None:
    """In the first batch, beside one that runs, and beside one at rest."""
    with pytest.raises(ValueError, match="'a'"):
        async with tree("app", children=[spec("a"), spec("a")]):
            raise AssertionError("the body must not run")
    async with tree("app", children=[spec("a")]) as app:
        with pytest.raises(ValueError, match="already has a child called 'a'"):
            await app.start(spec("a"))
        await app.terminate("a")
        with pytest.raises(ValueError, match="already has a child called 'a'"):
            await app.start(spec("a"))


@pytest.mark.parametrize("significant", [False, True])
@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("auto", AUTO_SHUTDOWNS)
async def test_a_significant_child_needs_an_auto_shutdown_and_may_not_be_permanent(
    auto: AutoShutdown, restart: Restart, significant: bool, autojump_clock: object
) -> None:
    """Every other combination starts."""
    allowed = not significant or (auto != "never" and restart != "permanent")
    async with tree("app", auto_shutdown=auto) as app:
        try:
            await app.start(spec("a", restart=restart, significant=significant))
        except ValueError:
            assert not allowed
        else:
            assert allowed


# ---- stops


@pytest.mark.parametrize(("strategy", "order", "seconds"), [("one_for_one", "ba", 1000), ("dynamic", "ab", 500)])
async def test_an_infinite_grace_waits_as_long_as_the_whole_stop_may_take(
    strategy: Strategy, order: str, seconds: float, autojump_clock: object
) -> None:
    """For an actor and a supervisor; only `close_within` ends it."""
    log: Log = []
    began = trio.current_time()
    async with tree("app", strategy, close_within=2000) as app:
        inner = [spec("a", log, {}, 499, grace=math.inf)]
        await app.start(SupervisorSpec("s", children=inner, grace=math.inf))
        await app.start(spec("b", log, {}, 500, grace=math.inf))
    assert trio.current_time() - began == pytest.approx(seconds, abs=1)
    assert log == ["+a", "+b", *(f"-{name}" for name in order)]


@pytest.mark.parametrize(("strategy", "seconds"), [("one_for_one", 3), ("dynamic", 2)])
async def test_a_child_whose_stop_takes_longer_than_its_grace_is_cut_off(
    strategy: Strategy, seconds: float, autojump_clock: object
) -> None:
    """Its siblings stop in full: one after the other, or all together under dynamic."""
    log: Log = []
    began = trio.current_time()
    async with tree("app", strategy) as app:
        for name, stops_in in (("a", 0.5), ("b", 0.5), ("c", 5)):
            await app.start(spec(name, log, {}, stops_in, restart="temporary", grace=2))
    assert trio.current_time() - began == pytest.approx(seconds)
    assert sorted(log[3:]) == ["-a", "-b"]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_child_with_a_grace_of_zero_is_stopped_without_its_stopping(
    strategy: Strategy, busy: bool, autojump_clock: object
) -> None:
    """By request and by a shutdown, idle or in a message, while its siblings' `stopping` runs in full."""
    log: Log = []
    began = trio.current_time()
    async with tree("app", strategy) as app:
        await app.start(spec("a", log, {}, 1.0))
        refs = [await app.start(spec(name, log, grace=0)) for name in "bc"]
        if busy:
            for ref in refs:
                ref.tell("linger")
            await settle()
        await app.terminate("b")
        assert refs[0].stopped
        assert trio.current_time() == began
    assert refs[1].stopped
    assert log == ["+a", "+b", "+c", "-a"]
    assert trio.current_time() - began == pytest.approx(1.0)


@pytest.mark.parametrize("strategy", GROUPED)
async def test_children_that_end_by_themselves_during_a_shutdown_do_not_disturb_it(
    strategy: Strategy, autojump_clock: object
) -> None:
    """Of any restart kind, with or without an error: nothing is started again, and no limit is reached."""
    log: Log = []
    ends = [(f"{restart} {message}", restart, message) for restart in RESTARTS for message in ("crash", "finish")]
    async with tree("app", max_restarts=0) as app:
        inner = await app.start(SupervisorSpec("inner", strategy, max_restarts=0))
        await inner.start(spec("first", log))
        refs = [await inner.start(spec(name, log, restart=restart)) for name, restart, _ in ends]
        await inner.start(spec("last", log, {}, 1.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.terminate, inner)
            await trio.sleep(0.5)
            for ref, (_, _, message) in zip(refs, ends, strict=True):
                assert ref.tell(message)
            await settle()
            assert [ref.stopped for ref in refs] == [True] * 6
            assert inner.which()[-1].status == "stopping"
        assert app.which()[0].why == "terminated"
    assert sorted(log[-8:-2]) == sorted(f"-{name}" for name, _, _ in ends)
    assert log[-2:] == ["-last", "-first"]
    assert sum(line.startswith("+") for line in log) == 8


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("restart", RESTARTS)
async def test_how_dynamic_children_end_when_they_are_stopped_does_not_disturb_the_shutdown(
    restart: Restart, fails: bool, autojump_clock: object
) -> None:
    """With or without an error in `stopping`, and of any restart kind."""
    log: Log = []
    async with tree("app", "dynamic", max_restarts=0) as app:
        for name in "abc":
            await app.start(spec(name, log, {}, 0.5, fails, restart=restart))
    assert sorted(log) == ["+a", "+b", "+c", "-a", "-b", "-c"]


# ---- requests


async def test_requests_about_a_child_at_rest_or_unknown(autojump_clock: object) -> None:
    """Terminating one at rest does nothing; an unknown one is a LookupError; a supervisor that is gone raises."""
    async with tree("app", children=[spec("a")]) as app:
        inner = await app.start(SupervisorSpec("inner", restart="temporary", children=[spec("b")]))
        await app.terminate("a")
        await app.terminate("a")
        assert app.count() == Counts(specs=2, active=1, workers=1, supervisors=1)
        await app.restart("a")
        await app.terminate(app.find("a"))
        app.delete("a")
        calls: list[Callable[[], Any]] = [
            lambda: app.delete("a"),
            lambda: app.get_childspec("a"),
            lambda: app.find("a"),
        ]
        for call in calls:
            with pytest.raises(LookupError):
                call()
        for request in (app.terminate, app.restart):
            with pytest.raises(LookupError):
                await request("a")
        await app.terminate(inner)
        calls = [
            inner.which,
            inner.count,
            *(partial(ask, "b") for ask in (inner.delete, inner.get_childspec, inner.find)),
        ]
        for call in calls:
            with pytest.raises(ActorStopped):
                call()
        for later in (partial(inner.start, spec("c")), partial(inner.terminate, "b"), partial(inner.restart, "b")):
            with pytest.raises(ActorStopped):
                await later()


@pytest.mark.parametrize("grace", [0, 1.0])
async def test_a_terminated_child_of_a_dynamic_supervisor_is_forgotten(grace: float, autojump_clock: object) -> None:
    """By name or reference, of any restart kind; a second request, or one for a stranger, is a LookupError."""
    async with tree("app", "dynamic") as app:
        for restart in RESTARTS:
            ref = await app.start(spec("a", restart=restart, grace=grace))
            other = await app.start(spec("b", restart=restart, grace=grace))
            assert app.count() == workers(2, 2)
            await app.terminate(ref)
            await app.terminate("b")
            assert other.stopped
            assert app.count() == workers(0, 0)
            for child in (ref, "b"):
                with pytest.raises(LookupError):
                    await app.terminate(child)
                with pytest.raises(LookupError):
                    await app.restart(child)
                with pytest.raises(LookupError):
                    app.delete(child)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_which_lists_the_children_in_start_order_with_those_at_rest(
    strategy: Strategy, autojump_clock: object
) -> None:
    """A terminated one stays until it is deleted, except in a dynamic supervisor."""
    async with tree("app", strategy) as app:
        for name in "acb":
            await app.start(spec(name))
        assert [(node.name, node.kind, node.status) for node in app.which()] == [
            (name, "actor", "running") for name in "acb"
        ]
        await app.terminate("a")
        if strategy != "dynamic":
            assert [(node.name, node.status) for node in app.which()[:1]] == [("a", "down")]
            app.delete("a")
        assert [node.name for node in app.which()] == ["c", "b"]


# ---- restart kinds


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("message", ["finish", "crash"])
@pytest.mark.parametrize("restart", RESTARTS)
async def test_what_is_held_after_the_end_of_a_child(
    restart: Restart, message: str, strategy: Strategy, autojump_clock: object
) -> None:
    """A permanent child runs again, a transient one after a crash only, and a temporary one is forgotten."""
    async with tree("app", strategy) as app:
        await app.start(spec("a", restart=restart))
        await end(app, "a", message)
        again = restart == "permanent" or (restart == "transient" and message == "crash")
        kept = again or (restart == "transient" and strategy != "dynamic")
        assert app.count() == workers(int(kept), int(again))


@pytest.mark.parametrize("how", ["crash", "finish", "terminate"])
@pytest.mark.parametrize("strategy", GROUPED)
async def test_only_the_name_of_a_temporary_child_is_free_after_its_end(
    strategy: Strategy, how: str, autojump_clock: object
) -> None:
    """The spec of a permanent or transient one is still there."""
    async with tree("app", strategy, max_restarts=9) as app:
        for restart in RESTARTS:
            child = spec(restart, restart=restart)
            await app.start(child)
            if how == "terminate":
                await app.terminate(restart)
            else:
                await end(app, restart, how)
            if restart == "temporary":
                await app.start(child)
                continue
            with pytest.raises(ValueError, match="already has a child"):
                await app.start(child)
            if app.which()[-1].status == "down":
                await app.restart(restart)
        assert app.count() == workers(3, 3)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_temporary_child_that_stops_with_its_group_is_forgotten(
    strategy: Strategy, autojump_clock: object
) -> None:
    """It is not started again, and its supervisor goes on."""
    log: Log = []
    async with tree("app", strategy, children=[spec("a", log), spec("b", log, restart="temporary")]) as app:
        await end(app, "a", "finish")
        assert [node.name for node in app.which()] == ["a"]
    assert log == ["+a", "+b", "-a", "-b", "+a", "-a"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_arguments_of_a_temporary_child_live_as_long_as_it_does(
    strategy: Strategy, autojump_clock: object
) -> None:
    """Its spec has them, and both are freed at its end."""

    class Large:
        pass

    class Holder(Actor[str]):
        def __init__(self, _large: Large) -> None:
            pass

    large = Large()
    freed = weakref.ref(large)
    async with tree("app", strategy) as app:
        ref = await app.start(Holder, large, restart="temporary")
        del large
        gc.collect()
        assert freed() is not None
        await app.terminate(ref)
        gc.collect()
        assert freed() is None


async def test_a_restarted_child_begins_with_the_state_of_its_spec(autojump_clock: object) -> None:
    """The factory is called again with the same arguments."""
    seen: list[list[str]] = []

    class Stack(Actor[str]):
        def __init__(self, *items: str) -> None:
            self.items = list(items)

        async def receive(self, message: str, /) -> None:
            if message == "stop":
                self.context.stop()
                return
            self.items.append(message)
            seen.append(list(self.items))

    async with tree("app", children=[ChildSpec(Stack, "hello", name="stack")]) as app:
        for message in ("a", "stop", "b"):
            await end(app, "stack", message)
    assert seen == [["hello", "a"], ["hello", "b"]]


# ---- strategies


@pytest.mark.parametrize(
    ("strategy", "second"),
    [("one_for_one", "+b"), ("dynamic", "+b"), ("one_for_all", "-c -a +a +b +c"), ("rest_for_one", "-c +b +c")],
)
async def test_the_third_restart_of_two_granted_ends_the_supervisor(
    strategy: Strategy, second: str, autojump_clock: object
) -> None:
    """Whichever child asks for it; before that, the strategy's children restart each time, and all are there."""
    log: Log = []
    with pytest.raises(RestartLimitReached):
        async with tree("app", strategy, max_restarts=2, within=3600) as app:
            for name in "abc":
                await app.start(spec(name, log))
            log.clear()
            await end(app, "b", "crash")
            assert " ".join(log) == f"-b {second}"
            assert app.count() == workers(3, 3)
            await end(app, "c", "crash")
            assert app.count() == workers(3, 3)
            log[:] = ["two are granted"]
            await end(app, "b", "crash")
            await trio.sleep_forever()
    assert log.pop(0) == "two are granted"
    assert sorted(log) == ["-a", "-b", "-c"]


async def test_restarts_that_are_further_apart_than_the_interval_are_all_granted(autojump_clock: object) -> None:
    """One in a second, at every 2.1 s."""
    async with tree("app", max_restarts=1, within=1) as app:
        await app.start(spec("a", grace=0))
        for incarnation in range(2, 6):
            await end(app, "a", "crash")
            assert app.which()[0].incarnation == incarnation
            await trio.sleep(2.1)
        await app.terminate("a")
        app.delete("a")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("crashes", "ab")
async def test_a_child_that_never_starts_again_ends_its_supervisor_and_its_siblings(
    strategy: Strategy, crashes: str, autojump_clock: object
) -> None:
    """Each failed start costs one, whichever child's restart it belongs to."""
    starts: dict[str, str] = {}
    log: Log = []
    refs: list[ActorRef[str]] = []
    fails = crashes if strategy in ("one_for_one", "dynamic") else "b"
    with pytest.raises(RestartLimitReached, match="more than 4 restarts") as caught:
        async with tree("app", strategy, max_restarts=4, within=3600) as app:
            refs.extend([await app.start(spec(name, log, starts)) for name in "ab"])
            starts[fails] = "fails"
            app.find_actor(crashes).tell("crash")
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, OSError)
    assert [ref.stopped for ref in refs] == [True, True]
    assert log.count("+a") == log.count("-a")


@pytest.mark.parametrize(
    ("strategy", "order"),
    [("one_for_all", "-a -b +a -a +a +b"), ("rest_for_one", "-a -b +a +b")],
)
async def test_a_start_that_fails_in_the_restart_of_a_group_repeats_the_strategys_part_of_it(
    strategy: Strategy, order: str, autojump_clock: object
) -> None:
    """one_for_all stops what it had started again; rest_for_one keeps it."""
    log: Log = []
    starts: dict[str, str] = {}
    async with tree("app", strategy, children=[spec(name, log, starts) for name in "ab"]) as app:
        log.clear()
        starts["b"] = "fails late"
        app.find_actor("a").tell("crash")
        await trio.sleep(1)
        del starts["b"]
        await trio.sleep(5)
        assert " ".join(log) == order
        assert app.count() == workers(2, 2)


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_dynamic_child_whose_restart_is_ignored_is_forgotten(restart: Restart, autojump_clock: object) -> None:
    """After restarts that went well."""
    starts: dict[str, str] = {}
    async with tree("app", "dynamic") as app:
        ref = await app.start(spec("a", [], starts, restart=restart))
        await end(app, "a", "crash")
        await end(app, "a", "crash")
        assert app.count() == workers(1, 1)
        starts["a"] = "ignored"
        await end(app, "a", "crash")
        assert app.which() == ()
        assert ref.stopped


async def test_a_child_that_fails_one_restart_and_starts_the_next_time_goes_on(autojump_clock: object) -> None:
    """The two restarts that are granted are enough for both."""
    starts: dict[str, str] = {}
    async with tree("app", "dynamic", max_restarts=2) as app:
        ref = await app.start(spec("a", [], starts))
        starts["a"] = "fails late"
        await end(app, "a", "finish")
        del starts["a"]
        await trio.sleep(5)
        assert app.count() == workers(1, 1)
        assert not ref.stopped
        assert app.which()[0].incarnation == 3


@pytest.mark.parametrize("starting", [False, True])
async def test_a_child_on_its_way_back_counts_towards_max_children(starting: bool, autojump_clock: object) -> None:
    """While it starts again it is active, and while it waits for its backoff it is not."""
    starts: dict[str, str] = {}
    backoff = None if starting else ExponentialBackoff(base=20.0)
    async with tree("app", "dynamic", max_children=1, random=lambda: 0.5) as app:
        await app.start(spec("a", [], starts, backoff=backoff))
        starts["a"] = "fails late"
        await end(app, "a", "crash")
        assert app.count() == workers(1, int(starting))
        with pytest.raises(StartFailed, match="has its 1 children already"):
            await app.start(spec("b"))


async def test_max_children_of_zero_refuses_every_start(autojump_clock: object) -> None:
    """StartFailed says so."""
    async with tree("app", "dynamic", max_children=0) as app:
        with pytest.raises(StartFailed, match="has its 0 children already"):
            await app.start(spec("a"))


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_child_that_fails_its_restarts_can_be_terminated_and_started_again(
    strategy: Strategy, autojump_clock: object
) -> None:
    """While it tries, requests for its start or deletion are refused; a shutdown then does not hang."""
    log: Log = []
    starts: dict[str, str] = {}
    began = trio.current_time()
    async with tree("app", strategy, max_restarts=8, within=10) as app:
        for name in "abc":
            await app.start(spec(name, log, starts, grace=0))
        starts["b"] = "fails late"
        app.find_actor("b").tell("crash")
        await trio.sleep(3)
        assert app.which()[1].status == "starting"
        with pytest.raises(ValueError, match="already has a child"):
            await app.start(spec("b"))
        with pytest.raises(RuntimeError, match="b is starting; only a child at rest can be deleted"):
            app.delete("b")
        with pytest.raises(RuntimeError, match="b is starting; only a child at rest can be started again"):
            await app.restart("b")
        await app.terminate("b")
        assert trio.current_time() == began + 3
        await settle()
        assert [node.status for node in app.which() if node.name != "b"] == ["running", "running"]
        del starts["b"]
        if strategy == "dynamic":
            await app.start(spec("b", log, starts, grace=0))
        else:
            await app.restart("b")
        assert app.count() == workers(3, 3)
        starts["b"] = "fails late"
        app.find_actor("b").tell("crash")
        await trio.sleep(3)
        left = trio.current_time()
    assert trio.current_time() == left


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_children_that_wait_for_a_siblings_restart_are_not_at_rest(
    strategy: Strategy, autojump_clock: object
) -> None:
    """A request to start or delete them is refused: they start behind it by themselves."""
    starts: dict[str, str] = {}
    async with tree("app", strategy, children=[spec(name, [], starts) for name in "abc"]) as app:
        starts["b"] = "fails late"
        app.find_actor("b").tell("crash")
        await trio.sleep(1)
        assert [node.status for node in app.which()][1:] == ["starting", "waiting"]
        with pytest.raises(RuntimeError, match="c is waiting; only a child at rest can be started again"):
            await app.restart("c")
        with pytest.raises(RuntimeError, match="c is waiting; only a child at rest can be deleted"):
            app.delete("c")
        del starts["b"]
        await trio.sleep(5)
        assert app.count() == workers(3, 3)


# ---- trees


async def test_a_supervisor_that_gives_up_is_started_again_without_the_children_that_were_added(
    autojump_clock: object,
) -> None:
    """With its siblings under one_for_all, also one that was terminated; the children of the specs run again."""
    starts: dict[str, str] = {}
    inner = [
        SupervisorSpec("s1", children=[spec("a"), spec("b")], max_restarts=4, within=3600),
        SupervisorSpec("s2", max_restarts=4, within=3600),
        SupervisorSpec("s3", max_restarts=4, within=3600, restart="transient"),
    ]
    async with tree("app", "one_for_all", children=inner, max_restarts=4, within=3600) as app:
        await app.terminate("s3")
        assert app.count() == Counts(specs=3, active=2, workers=0, supervisors=3)
        second = app.find_supervisor("s2")
        for name in "cd":
            await second.start(spec(name, [], starts))
        await end(app, "s2/d", "crash")
        assert [node.incarnation for node in second.which()] == [1, 2]
        starts["c"] = "fails"
        await end(app, "s2/c", "crash")
        assert app.count() == Counts(specs=3, active=3, workers=0, supervisors=3)
        assert [node.incarnation for node in app.which()] == [2, 2, 2]
        assert app.find_supervisor("s1").count() == workers(2, 2)
        assert app.find_supervisor("s2").count() == app.find_supervisor("s3").count() == workers(0, 0)


@pytest.mark.parametrize("nested", [False, True])
async def test_a_thousand_children_are_counted_and_forgotten_again(nested: bool, autojump_clock: object) -> None:
    """Actors and supervisors, each as one spec."""
    async with tree("app", "dynamic") as app:
        for number in range(1000):
            name = str(number)
            child = SupervisorSpec(name, restart="temporary") if nested else spec(name, restart="temporary")
            await app.start(child)
        assert app.count() == Counts(1000, 1000, 0 if nested else 1000, 1000 if nested else 0)
        assert len(app.which()) == 1000
        for node in app.which():
            await app.terminate(node.name)
        assert app.count() == workers(0, 0)


async def test_dynamic_supervisors_live_side_by_side_under_another(autojump_clock: object) -> None:
    """Each by its own name, and a second one of the same name is refused."""
    async with tree("app", children=[SupervisorSpec("a", "dynamic"), SupervisorSpec("b", "dynamic")]) as app:
        await app.find_supervisor("a").start(spec("w"))
        assert (app.find_supervisor("a").count(), app.find_supervisor("b").count()) == (workers(1, 1), workers(0, 0))
        with pytest.raises(ValueError, match="already has a child called 'a'"):
            await app.start(SupervisorSpec("a", "dynamic"))


async def test_system_exit_in_a_start_on_request_ends_the_tree_and_an_exception_does_not(
    autojump_clock: object,
) -> None:
    """Only an Exception is the caller's StartFailed."""

    class Exiting(Actor[str]):
        async def started(self) -> None:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with tree("app", "dynamic") as app:
            with pytest.raises(StartFailed):
                await app.start(spec("a", [], {"a": "fails"}))
            assert app.count() == workers(0, 0)
            await app.start(Exiting)


# ---- significant children


@pytest.mark.parametrize("auto", AUTO_SHUTDOWNS)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_a_child_that_is_not_significant_never_ends_its_supervisor(
    restart: Restart, auto: AutoShutdown, autojump_clock: object
) -> None:
    """By a request, a crash or a finish, whatever the auto_shutdown."""
    async with tree("app", auto_shutdown=auto, max_restarts=5) as app:
        for how in ("terminate", "crash", "finish"):
            await app.start(spec(how, restart=restart))
            if how == "terminate":
                await app.terminate(how)
            else:
                await end(app, how, how)
            await trio.sleep(1)
        assert app.tree().status == "running"


@pytest.mark.parametrize("how", ["terminate", "crash", "finish"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
async def test_a_significant_child_ends_its_supervisor_by_its_own_final_end_alone(
    auto: AutoShutdown, restart: Restart, how: str, autojump_clock: object
) -> None:
    """Not by a request, and not by a crash that restarts it; under all_significant the last of them does."""
    children = [
        spec("a", restart=restart, significant=True),
        spec("b", restart=restart, significant=True),
        spec("c", restart=restart),
    ]
    async with tree("top") as top:
        plan = SupervisorSpec("app", children=children, auto_shutdown=auto, restart="temporary", max_restarts=5)
        app = await top.start(plan)
        final = how == "finish" or (how == "crash" and restart == "temporary")
        if how == "terminate":
            await app.terminate("a")
            await settle()
        else:
            await end(app, "a", how)
        assert app.stopped == (final and auto == "any_significant")
        if app.stopped:
            return
        await end(app, "b", "finish")
        waits = auto == "all_significant" and how == "crash" and restart == "transient"
        assert app.stopped != waits
        if waits:
            await end(app, "a", "finish")
            assert app.stopped


@pytest.mark.parametrize("strategy", GROUPED)
@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
async def test_a_significant_child_that_a_siblings_restart_stops_does_not_end_the_supervisor(
    auto: AutoShutdown, strategy: Strategy, autojump_clock: object
) -> None:
    """It starts again with its group."""
    children = [spec(name, restart="transient", significant=name != "b") for name in "abc"]
    async with tree("app", strategy, children=children, auto_shutdown=auto) as app:
        await end(app, "b", "crash")
        await trio.sleep(1)
        lives = {"one_for_one": [1, 2, 1], "one_for_all": [2, 2, 2], "rest_for_one": [1, 2, 2]}[strategy]
        assert [(node.status, node.incarnation) for node in app.which()] == [("running", life) for life in lives]


@pytest.mark.parametrize("significant", [False, True])
async def test_an_automatic_shutdown_reaches_the_parent_through_a_significant_supervisor(
    significant: bool, autojump_clock: object
) -> None:
    """And ends with that supervisor when it is not significant."""
    leaf = spec("c", restart="transient", significant=True)
    inner = SupervisorSpec(
        "b", children=[leaf], restart="transient", auto_shutdown="any_significant", significant=significant
    )
    async with tree("top") as top:
        outer = SupervisorSpec("a", children=[inner], restart="transient", auto_shutdown="any_significant")
        app: SupervisorRef = await top.start(outer)
        await end(app, "b/c", "finish")
        assert app.stopped == significant
        assert significant or app.which()[0].why == "finished"


# ---- the page


def test_every_test_that_the_page_names_exists() -> None:
    """And every row names one, unless the case does not apply or is not tested."""
    root = Path(__file__).parents[2]
    known = {
        name
        for path in (root / "tests").rglob("*.py")
        for name in re.findall(r"^(?:async )?def (\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    lines = (root / "docs" / "actors" / "otp-suites.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert len(rows) >= 100
    for case, asserts, here, shown_by in rows:
        named = re.findall(r"`(\w+)`", shown_by)
        assert asserts
        assert set(named) <= known, case
        assert bool(named) != (shown_by == "-" and here.startswith(("does not apply: ", "not tested: "))), case
