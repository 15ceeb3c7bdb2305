"""Supervisors: order, restarts, giving up, stopping, and the errors of the block."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import pytest
import trio
from attrs import define, field

from ds_actors import (
    Actor,
    ActorRef,
    ChildReady,
    ChildSpec,
    DropOldest,
    Exit,
    ExponentialBackoff,
    RestartLimitReached,
    StartFailed,
    Supervisor,
    SupervisorGaveUp,
    SupervisorRef,
    SupervisorSpec,
    TelemetryEvent,
)

Log = list[str]


@define
class Worker(Actor[str]):
    """Records its events, and follows commands."""

    name: str
    log: Log
    start_fails: int = 0
    slow_stop: float = 0.0
    shared: dict[str, int] = field(factory=dict[str, int])

    async def started(self) -> None:
        self.log.append(f"{self.name} starts")
        if self.context.incarnation <= self.start_fails:
            raise OSError("not yet")

    async def receive(self, message: str, /) -> None:
        match message:
            case "crash":
                raise ValueError(self.name)
            case "finish":
                self.context.stop()
            case "interrupt":
                raise KeyboardInterrupt
            case "exit":
                raise SystemExit(3)
            case "hang":
                with trio.CancelScope(shield=True):
                    await trio.sleep(100)
            case "wait":
                await trio.sleep(100)
            case _:
                self.log.append(f"{self.name} {message}")

    async def stopping(self, exit: Exit, /) -> None:
        await trio.sleep(self.slow_stop)
        self.log.append(f"{self.name} {exit.kind}")


def spec(name: str, log: Log, **options: Any) -> ChildSpec[str]:
    return ChildSpec(Worker, name, log, name=name, **options)


def child(app: Supervisor, name: str) -> ActorRef[str]:
    ref = app.find(name)
    assert isinstance(ref, ActorRef)
    return ref


async def test_children_start_in_order_and_stop_in_reverse(autojump_clock: object) -> None:
    """Each starts when the one before is ready, and stops when the one after is gone."""
    log: Log = []
    specs = [ChildSpec(Worker, n, log, 0, delay, name=n) for n, delay in (("a", 0.0), ("b", 2.0), ("c", 1.0))]
    async with Supervisor("app", children=specs):
        assert log == ["a starts", "b starts", "c starts"]
    assert log[3:] == ["c stopped", "b stopped", "a stopped"]


async def test_a_failing_first_start_rolls_the_others_back(autojump_clock: object) -> None:
    """StartFailed with the cause, and nothing is left running; those after were never begun."""
    log: Log = []
    specs = [spec("a", log), ChildSpec(Worker, "b", log, 9, name="b"), spec("c", log)]
    with pytest.raises(StartFailed, match="/app/b") as caught:
        async with Supervisor("app", children=specs):
            raise AssertionError("the body must not run")
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["a starts", "b starts", "a stopped"]


async def test_a_failing_dynamic_start_touches_no_sibling(autojump_clock: object) -> None:
    """It raises in the caller, is not tried again, and its name is free."""
    log: Log = []
    async with Supervisor("app") as app:
        a = await app.start(spec("a", log))
        with pytest.raises(StartFailed):
            await app.start(Worker, "b", log, 9, name="b")
        await app.start(spec("b", log))
        assert a.tell("lives")
        await trio.sleep(1)
    assert log[:4] == ["a starts", "b starts", "b starts", "a lives"]


@pytest.mark.parametrize(
    ("restart", "order", "lives"),
    [
        ("permanent", "crash", 2),
        ("permanent", "finish", 2),
        ("transient", "crash", 2),
        ("transient", "finish", 1),
        ("temporary", "crash", 1),
        ("temporary", "finish", 1),
    ],
)
async def test_what_is_started_again(restart: Any, order: str, lives: int, autojump_clock: object) -> None:
    """Permanent always, transient after a crash, temporary never; and the supervisor goes on."""
    log: Log = []
    async with Supervisor("app") as app:
        ref = await app.start(spec("a", log, restart=restart))
        ref.tell(order)
        await trio.sleep(1)
        assert log.count("a starts") == lives
        assert ref.stopped == (lives == 1)


async def test_the_window_counts_as_otp_does(autojump_clock: object) -> None:
    """Three restarts in five seconds are granted, the fourth ends the supervisor; older ones do not count."""
    log: Log = []
    with pytest.raises(RestartLimitReached, match="more than 3 restarts within 5 s") as caught:
        async with Supervisor("app") as app:
            ref = await app.start(spec("a", log))
            for _ in range(6):
                ref.tell("crash")
                await trio.sleep(2)
            assert log.count("a starts") == 7
            for _ in range(4):
                ref.tell("crash")
                await trio.sleep(0.1)
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_siblings_stop_in_order_when_the_supervisor_gives_up(autojump_clock: object) -> None:
    """With no restart allowed, the first crash ends it."""
    log: Log = []
    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", children=[spec("a", log), spec("b", log)], max_restarts=0) as app:
            child(app, "a").tell("crash")
            await trio.sleep_forever()
    assert log[2:] == ["a crashed", "b stopped"]


async def test_a_backoff_waits_u_times_the_ceiling_and_spends_no_window(autojump_clock: object) -> None:
    """The delays are 0.5, 1, 2, 4 s for u = 0.5 and base 1; more crashes than the window allows."""
    log: Log = []
    backoff = ExponentialBackoff(base=1.0, cap=8.0)
    ready: list[float] = []

    def listen(event: TelemetryEvent) -> None:
        if isinstance(event, ChildReady):
            ready.append(trio.current_time())

    async with Supervisor("app", random=lambda: 0.5, max_restarts=0, listeners=(listen,)) as app:
        ref = await app.start(spec("a", log, backoff=backoff, stable_after=60.0))
        for _ in range(5):
            lives = len(ready)
            ref.tell("crash")
            while len(ready) == lives:
                await trio.sleep(0.125)
    waits = [round(b - a, 3) for a, b in itertools.pairwise(ready)]
    assert [wait // 0.5 * 0.5 for wait in waits] == [0.5, 1.0, 2.0, 4.0, 4.0]


async def test_failures_are_forgotten_after_a_stable_life(autojump_clock: object) -> None:
    """max_failures counts consecutive ones only."""
    log: Log = []
    backoff = ExponentialBackoff(base=1.0, cap=1.0)
    with pytest.raises(RestartLimitReached, match="more than 2 failures"):
        async with Supervisor("app") as app:
            ref = await app.start(spec("a", log, backoff=backoff, max_failures=2, stable_after=10.0))
            for _ in range(5):
                ref.tell("crash")
                await trio.sleep(12)
            assert log.count("a starts") == 6
            for _ in range(3):
                ref.tell("crash")
                await trio.sleep(2)
            await trio.sleep_forever()


async def test_tree_says_why_a_child_is_down_and_until_when(autojump_clock: object) -> None:
    """A snapshot names the error, the wait and the mailbox."""
    log: Log = []
    async with Supervisor("app", random=lambda: 0.5) as app:
        ref = await app.start(spec("a", log, backoff=ExponentialBackoff(base=20.0)))
        now = trio.current_time()
        ref.tell("crash")
        await trio.testing.wait_all_tasks_blocked()
        (node,) = app.tree().children
        assert (node.status, node.why, node.error) == ("waiting", "crashed", "ValueError: a")
        assert node.until == pytest.approx(now + 10)
        assert node.mailbox is not None
        assert node.mailbox.failed == 1
        assert "a waiting: crashed" in str(app.tree())
        ref.tell("kept")
        await trio.sleep(11)
        assert log[-1] == "a kept"


async def test_stopping_a_child_that_waits_for_its_restart_cancels_it(autojump_clock: object) -> None:
    """It does not come back later."""
    log: Log = []
    async with Supervisor("app", random=lambda: 0.5) as app:
        ref = await app.start(spec("a", log, backoff=ExponentialBackoff(base=20.0)))
        ref.tell("crash")
        await trio.testing.wait_all_tasks_blocked()
        await app.terminate("a")
        await trio.sleep(100)
        assert ref.stopped
    assert log.count("a starts") == 1


async def test_a_child_that_will_not_stop_is_cancelled_after_its_grace(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Each grace and the block's total are kept; late actors are named."""
    log: Log = []
    began = trio.current_time()
    async with Supervisor("app", close_within=4.0) as app:
        for name in "abc":
            (await app.start(spec(name, log, grace=3.0))).tell("wait")
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() - began == pytest.approx(4.0, abs=0.1)
    assert "/app/c did not stop in time" in caplog.text


async def test_a_cancellation_from_outside_stops_in_order(autojump_clock: object) -> None:
    """It does not reach the children; they stop in reverse within close_within."""
    log: Log = []
    with trio.move_on_after(1):
        async with Supervisor("app", children=[ChildSpec(Worker, n, log, 0, 1.0, name=n) for n in "abc"]):
            await trio.sleep_forever()
    assert log[3:] == ["c stopped", "b stopped", "a stopped"]


@pytest.mark.parametrize(("order", "kind"), [("interrupt", KeyboardInterrupt), ("exit", SystemExit)])
async def test_what_is_no_crash_goes_up_after_an_ordered_stop(
    order: str, kind: type[BaseException], autojump_clock: object
) -> None:
    """Ctrl-C and SystemExit in a child restart nothing and come out of the block, from any depth."""
    log: Log = []
    inner = SupervisorSpec("inner", children=[spec("b", log)])
    with pytest.raises(kind):
        async with Supervisor("app", children=[spec("a", log), inner]) as app:
            ref = app.find("inner/b")
            assert isinstance(ref, ActorRef)
            ref.tell(order)
            await trio.sleep_forever()
    assert log.count("b starts") == 1
    assert log[-1] == "a stopped"


async def test_the_bodys_error_comes_out_as_it_is(autojump_clock: object) -> None:
    """Not in a group."""
    with pytest.raises(LookupError, match="mine"):
        async with Supervisor("app", children=[spec("a", [])]):
            raise LookupError("mine")


async def test_the_bodys_error_and_giving_up_come_out_together(autojump_clock: object) -> None:
    """As a group of both."""
    with pytest.raises(ExceptionGroup) as caught:
        async with Supervisor("app", children=[spec("a", [])], max_restarts=0) as app:
            child(app, "a").tell("crash")
            try:
                await trio.sleep_forever()
            finally:
                raise LookupError("mine")
    assert {type(error) for error in caught.value.exceptions} == {LookupError, RestartLimitReached}


async def test_giving_up_is_a_crash_to_the_parent(autojump_clock: object) -> None:
    """The nested supervisor is started again with the children of its spec; those added later are gone."""
    log: Log = []
    evaluated: list[int] = []

    def children() -> list[ChildSpec[str]]:
        evaluated.append(1)
        return [spec("b", log)]

    inner = SupervisorSpec("inner", children=children, max_restarts=0)
    async with Supervisor("app", children=[inner, spec("z", log)]) as app:
        ref = app.find("inner")
        assert isinstance(ref, SupervisorRef)
        later = await ref.start(spec("later", log))
        later.tell("crash")
        await trio.sleep(1)
        assert later.stopped
        assert [actor.name for actor in ref.actors()] == ["b"]
        assert len(evaluated) == 2
    assert log.count("b starts") == 2
    assert log.count("z starts") == 1


async def test_an_escalation_goes_through_three_levels(autojump_clock: object) -> None:
    """Each level tries as often as it may, then the next: 2 x 2 x 2 starts of a leaf that always crashes."""
    log: Log = []

    class Leaf(Actor[None]):
        async def run(self) -> None:
            log.append("leaf")
            await trio.sleep(0.01)
            raise ValueError

    third = SupervisorSpec("third", children=[ChildSpec(Leaf, name="leaf")], max_restarts=1)
    second = SupervisorSpec("second", children=[third], max_restarts=1)
    with pytest.raises(RestartLimitReached):
        async with Supervisor("first", children=[second], max_restarts=1):
            await trio.sleep_forever()
    assert len(log) == 8


async def test_a_dynamic_supervisor_forgets_the_finished_and_has_a_most(autojump_clock: object) -> None:
    """Names are free again, and max_children counts the living."""
    log: Log = []
    async with Supervisor("app", "dynamic", max_children=1) as app:
        ref = await app.start(spec("a", log, restart="transient"))
        with pytest.raises(StartFailed, match="1 children"):
            await app.start(spec("b", log))
        ref.tell("finish")
        await ref.wait_stopped()
        assert app.tree().children == ()
        await app.start(spec("a", log))


async def test_names_are_unique_and_escaped_in_paths(autojump_clock: object) -> None:
    """A stranger's name cannot forge a path or a log line."""
    log: Log = []
    async with Supervisor("app") as app:
        ref = await app.start(Worker, "x", log, name="a/b\n%")
        assert ref.path == "/app/a%2fb%0a%25"
        assert child(app, "a%2fb%0a%25").name == "a/b\n%"
        with pytest.raises(ValueError, match="already"):
            await app.start(Worker, "x", log, name="a/b\n%")
        first, second = await app.start(Worker, "y", log), await app.start(Worker, "z", log)
        assert (first.name, second.name) == ("Worker", "Worker-2")
        with pytest.raises(LookupError):
            app.find("nobody")


async def test_what_is_queued_survives_a_crash_and_may_be_delivered_again(autojump_clock: object) -> None:
    """The message in hand is lost, or delivered again where the mailbox says so."""
    seen: list[str] = []

    class Fragile(Actor[str]):
        async def receive(self, message: str, /) -> None:
            seen.append(message)
            if message == "bad" and self.context.incarnation == 1:
                raise ValueError

    async with Supervisor("app") as app:
        plain = await app.start(Fragile, name="plain")
        for message in ("bad", "good"):
            plain.tell(message)
        await trio.sleep(1)
        assert seen == ["bad", "good"]
        seen.clear()
        again = await app.start(Fragile, name="again", mailbox=lambda: DropOldest(9, redeliver=1))
        for message in ("bad", "good"):
            again.tell(message)
        await trio.sleep(1)
        assert seen == ["bad", "bad", "good"]


async def test_draining_handles_the_queue_before_stopping(autojump_clock: object) -> None:
    """Without it, what is queued goes to dead letters."""
    log: Log = []
    for drain in (True, False):
        async with Supervisor("app") as app:
            ref = await app.start(spec("a", log, drain=drain))
            for n in range(3):
                ref.tell(str(n))
        assert log.count("a 2") == 1
        assert ref.statistics().dead == (0 if drain else 3)


async def test_a_raising_listener_does_not_disturb_the_tree(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the other listeners hear the event."""
    heard: list[TelemetryEvent] = []

    def bad(_event: TelemetryEvent) -> None:
        raise RuntimeError("no")

    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", max_restarts=0, listeners=(bad, heard.append)) as app:
            (await app.start(spec("a", []))).tell("crash")
            await trio.sleep_forever()
    assert any(isinstance(event, SupervisorGaveUp) for event in heard)
    assert "a telemetry listener failed on ChildReady" in caplog.text


async def test_a_start_that_takes_too_long_fails(autojump_clock: object) -> None:
    """start_timeout bounds started()."""

    class Slow(Actor[None]):
        async def started(self) -> None:
            await trio.sleep_forever()

    async with Supervisor("app") as app:
        with pytest.raises(StartFailed) as caught:
            await app.start(Slow, start_timeout=2)
        assert "longer than 2 s" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "options", [{"strategy": "all_for_none"}, {"max_restarts": -1}, {"within": 0}, {"close_within": -1}]
)
def test_figures_that_make_no_sense_are_refused_at_once(options: dict[str, Any]) -> None:
    """Before the block begins."""
    with pytest.raises(ValueError, match=next(iter(options))):
        Supervisor("app", **options)


async def test_a_crashed_life_is_freed_without_the_collector(autojump_clock: object) -> None:
    """Only the last crash is kept, for `tree()`; the state of earlier incarnations is released."""
    alive: weakref.WeakSet[Actor[str]] = weakref.WeakSet()

    class Failing(Actor[str]):
        __slots__ = ("__weakref__",)

        async def started(self) -> None:
            alive.add(self)

        async def receive(self, message: str, /) -> None:
            raise ValueError(message)

    async with Supervisor("app", max_restarts=100) as app:
        failing = await app.start(Failing, expected=(ValueError,))
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                failing.tell("crash")
                await trio.testing.wait_all_tasks_blocked()
            assert app.tree().children[0].restarts == 10
            assert len(alive) <= 2
        finally:
            gc.enable()
