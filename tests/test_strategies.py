"""Strategies on a live tree: stops, starts, reasons, and requests to a supervisor."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define, field

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    ChildEnded,
    ChildSpec,
    Counts,
    DeadLetter,
    Exit,
    ExponentialBackoff,
    Ignore,
    RestartLimitReached,
    StartFailed,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    TelemetryEvent,
)

Log = list[str]


@define(eq=False)
class Worker(Actor[str]):
    """Records its events, and follows commands."""

    name: str
    log: Log
    ignores: set[str] = field(factory=set[str])
    """Those who ignore their start, or fail it, now: "a" or "!a"."""
    takes: float = 0.0

    async def started(self) -> None:
        await trio.sleep(self.takes)
        if self.name in self.ignores:
            raise Ignore
        if "!" + self.name in self.ignores:
            raise OSError(self.name)
        self.log.append(f"+{self.name}")

    async def receive(self, message: str, /) -> None:
        match message:
            case "crash":
                raise ValueError(self.name)
            case "finish":
                self.context.stop()
            case _:
                self.log.append(f"{self.name} {message}")

    async def stopping(self, exit: Exit, /) -> None:
        self.log.append(f"-{self.name}" if exit.crash is None else f"x{self.name}")


def spec(name: str, log: Log, *args: Any, **options: Any) -> ChildSpec[str]:
    return ChildSpec(Worker, name, log, *args, name=name, **options)


def actor(app: SupervisorRef, path: str) -> ActorRef[str]:
    ref = app.find(path)
    assert isinstance(ref, ActorRef)
    return ref


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", "xb +b"),
        ("one_for_all", "xb -d -c -a +a +b +c +d"),
        ("rest_for_one", "xb -d -c +b +c +d"),
    ],
)
async def test_a_crash_takes_along_whom_the_strategy_says(strategy: Any, expected: str, autojump_clock: object) -> None:
    """They stop in reverse, then start in order; and references and queued messages outlive it."""
    log: Log = []
    async with Supervisor("app", strategy, [spec(name, log) for name in "abcd"]) as app:
        refs = [actor(app, name) for name in "abcd"]
        log.clear()
        refs[1].tell("crash")
        await trio.sleep(1)
        assert " ".join(log) == expected
        for ref in refs:
            assert ref.tell("lives")
        await trio.sleep(1)
        assert sorted(log[-4:]) == ["a lives", "b lives", "c lives", "d lives"]


async def test_a_group_starts_again_with_empty_mailboxes(autojump_clock: object) -> None:
    """What waited is a dead letter, even with `drain`: one bad message in each mailbox must not restart them again."""
    log: Log = []

    class Slow(Worker):
        async def receive(self, message: str, /) -> None:
            await trio.sleep(10)
            self.log.append(f"{self.name} {message} in incarnation {self.context.incarnation}")

    slow = ChildSpec(Slow, "slow", log, name="slow", drain=True, grace=60)
    events: list[TelemetryEvent] = []
    async with Supervisor("app", "one_for_all", [slow, spec("b", log)], listeners=(events.append,)) as app:
        for message in ("first", "second"):
            actor(app, "slow").tell(message)
        await trio.sleep(1)
        actor(app, "b").tell("crash")
        await trio.sleep(50)
        actor(app, "slow").tell("third")
        await trio.sleep(1)
    assert [line for line in log if "incarnation" in line] == [
        "slow first in incarnation 1",
        "slow third in incarnation 2",
    ]
    assert DeadLetter("/app/slow", "str", "its group starts again") in events


async def test_the_tree_says_whom_a_child_waits_for_and_until_when(autojump_clock: object) -> None:
    """Under one_for_all, all are down while the crashed child waits, and each shows the reason."""
    log: Log = []
    backoff = ExponentialBackoff(base=20.0)
    children = [spec("a", log), spec("b", log, backoff=backoff), spec("c", log, restart="temporary")]
    async with Supervisor("app", "one_for_all", children, random=lambda: 0.5) as app:
        now = trio.current_time()
        actor(app, "b").tell("crash")
        await trio.sleep(1)
        a, b = app.which()
        assert (a.status, a.why, b.status, b.why) == ("waiting", "waiting for the restart of 'b'", "waiting", "crashed")
        assert a.until == b.until == pytest.approx(now + 10)
        assert "a waiting: waiting for the restart of 'b'" in str(app.tree())
        assert app.count() == Counts(specs=2, active=0, workers=2, supervisors=0)
        await trio.sleep(10)
        assert [node.status for node in app.which()] == ["running", "running"]
    assert log == ["+a", "+b", "+c", "xb", "-c", "-a", "+a", "+b", "-b", "-a"]


async def test_a_start_that_is_ignored_is_no_failure(autojump_clock: object) -> None:
    """The next sibling starts; the reference is a stopped one; a later restart runs the actor after all."""
    log: Log = []
    ignores = {"a", "c"}
    heard: list[TelemetryEvent] = []
    async with Supervisor("app", children=[spec("a", log, ignores), spec("b", log)], listeners=(heard.append,)) as app:
        assert log == ["+b"]
        a, b = app.which()
        assert (a.status, a.why, b.status) == ("down", "ignored its start", "running")
        assert [event.kind for event in heard if isinstance(event, ChildEnded)] == ["ignored"]
        ref = await app.start(spec("c", log, ignores))
        assert ref.stopped
        ignored = await app.start(spec("t", log, {"t"}, restart="temporary"))
        assert ignored.stopped
        assert [node.name for node in app.which()] == ["a", "b", "c"]
        ignores.clear()
        again = await app.restart("c")
        assert isinstance(again, ActorRef)
        assert not again.stopped
        assert ref.stopped
        assert again.tell("lives")
        await trio.sleep(1)
    assert log[1:3] == ["+c", "c lives"]


async def test_a_nested_supervisor_may_ignore_its_start(autojump_clock: object) -> None:
    """By what its `children` raise; Ignore from anywhere else is a crash."""
    log: Log = []
    ignored = [True]

    def children() -> list[ChildSpec[str]]:
        if ignored[0]:
            raise Ignore
        return [spec("b", log)]

    class Late(Actor[str]):
        async def receive(self, message: str, /) -> None:
            raise Ignore

    async with Supervisor("app", children=[SupervisorSpec("inner", children=children), spec("z", log)]) as app:
        assert log == ["+z"]
        assert app.count() == Counts(specs=2, active=1, workers=1, supervisors=1)
        ignored[0] = False
        inner = await app.restart("inner")
        assert isinstance(inner, SupervisorRef)
        assert [node.name for node in inner.which()] == ["b"]
        late = await app.start(Late, restart="temporary")
        late.tell("now")
        await trio.sleep(1)
        assert late.stopped
        assert late.statistics().failed == 1


@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
async def test_a_significant_child_ends_the_tree_without_an_error(auto: Any, autojump_clock: object) -> None:
    """The body is cancelled, `wait` returns, and live children stop in reverse."""
    log: Log = []
    children = [
        spec("a", log),
        spec("b", log, restart="transient", significant=True),
        spec("c", log, restart="temporary", significant=True),
    ]
    ended = False
    async with Supervisor("app", children=children, auto_shutdown=auto) as app:
        actor(app, "c").tell("crash")
        await trio.sleep(1)
        assert auto == "all_significant"
        ended = True
        actor(app, "b").tell("finish")
        await app.wait()
    assert ended == (auto == "all_significant")
    assert log[-1] == "-a"
    await app.wait()


async def test_a_transient_supervisor_that_shuts_down_is_finished_and_a_permanent_one_starts_again(
    autojump_clock: object,
) -> None:
    """To its parent a shutdown is a finish, not a crash."""
    log: Log = []

    def inner(name: str, restart: Any) -> SupervisorSpec:
        child = spec(f"{name}-child", log, restart="temporary", significant=True)
        return SupervisorSpec(name, children=[child], restart=restart, auto_shutdown="any_significant")

    async with Supervisor("app", children=[inner("t", "transient"), inner("p", "permanent")]) as app:
        for name in "tp":
            actor(app, f"{name}/{name}-child").tell("finish")
        await trio.sleep(1)
        t, p = app.which()
        assert (t.status, t.why, t.incarnation) == ("down", "finished", 1)
        assert (p.status, p.incarnation) == ("running", 2)


async def test_a_tree_whose_only_significant_child_is_over_at_once_still_runs_its_body(autojump_clock: object) -> None:
    """Up to its first checkpoint; the tree is over, and nothing failed."""

    class Short(Actor[None]):
        async def run(self) -> None:
            return

    async def slow() -> None:
        await trio.sleep(1)

    class Second(Actor[None]):
        async def started(self) -> None:
            await slow()

    children = [ChildSpec(Short, restart="temporary", significant=True), ChildSpec(Second)]
    reached = False
    async with Supervisor("app", children=children, auto_shutdown="any_significant") as app:
        reached = True
        await app.wait()
    assert reached


async def test_terminate_restart_and_delete(autojump_clock: object) -> None:
    """A terminated child keeps its place and costs nothing to start again; only one at rest can be deleted."""
    log: Log = []
    async with Supervisor("app", children=[spec("a", log), spec("b", log)], max_restarts=0) as app:
        old = actor(app, "a")
        with pytest.raises(RuntimeError, match="/app/a is running; only a child at rest can be started again"):
            await app.restart("a")
        with pytest.raises(RuntimeError, match="/app/a is running; only a child at rest can be deleted"):
            app.delete("a")
        await app.terminate("a")
        assert (old.stopped, old.tell("lost")) == (True, False)
        assert [(node.name, node.why) for node in app.which()] == [("a", "terminated"), ("b", "")]
        new = await app.restart("a")
        assert isinstance(new, ActorRef)
        assert new.tell("lives")
        await app.terminate("a")
        app.delete("a")
        assert [node.name for node in app.which()] == ["b"]
        for call in (app.restart, app.terminate):
            with pytest.raises(LookupError, match="no child called 'a'"):
                await call("a")
        with pytest.raises(LookupError, match="no child called 'a'"):
            app.delete("a")
        await app.start(spec("a", log))
    assert log == ["+a", "+b", "-a", "+a", "-a", "+a", "-a", "-b"]


async def test_a_requested_restart_that_fails_leaves_the_child_at_rest(autojump_clock: object) -> None:
    """No sibling is affected, nothing is spent, and the request can be repeated."""
    log: Log = []
    trouble: set[str] = set()
    async with Supervisor("app", "one_for_all", [spec("a", log, trouble), spec("b", log)], max_restarts=0) as app:
        await app.terminate("a")
        trouble.add("!a")
        for _ in range(3):
            with pytest.raises(StartFailed) as caught:
                await app.restart("a")
            assert isinstance(caught.value.__cause__, OSError)
        assert app.which()[0].why == "its start failed"
        trouble.clear()
        await app.restart("a")
    assert log == ["+a", "+b", "-a", "+a", "-b", "-a"]


async def test_what_has_finished_is_started_again_with_its_set(autojump_clock: object) -> None:
    """As in OTP, also a terminated one; holders of the old reference must look it up."""
    log: Log = []
    kinds = {"a": "permanent", "b": "transient", "c": "permanent"}
    children = [spec(name, log, restart=kind) for name, kind in kinds.items()]
    async with Supervisor("app", "one_for_all", children) as app:
        old = actor(app, "b")
        old.tell("finish")
        await trio.sleep(1)
        await app.terminate("c")
        actor(app, "a").tell("crash")
        await trio.sleep(1)
        assert [node.status for node in app.which()] == ["running"] * 3
        assert old.stopped
        assert actor(app, "b").tell("lives")
        await trio.sleep(1)
    assert log == ["+a", "+b", "+c", "-b", "-c", "xa", "+a", "+b", "+c", "b lives", "-c", "-b", "-a"]


async def test_a_restart_that_fails_at_one_child_begins_again_there(autojump_clock: object) -> None:
    """Until the limit: those before it run on, those after it stay down, and each failure costs one."""
    log: Log = []
    trouble: set[str] = set()
    children = [spec("a", log), spec("b", log, trouble), spec("c", log)]
    with pytest.raises(RestartLimitReached, match="more than 3 restarts within 5 s, the last by b") as caught:
        async with Supervisor("app", "rest_for_one", children) as app:
            trouble.add("!b")
            actor(app, "b").tell("crash")
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["+a", "+b", "+c", "xb", "-c", "-a"]


async def test_a_child_added_while_the_set_is_down_is_ready_when_start_returns(autojump_clock: object) -> None:
    """It starts behind its siblings; and cancelling the wait takes it back."""
    log: Log = []
    async with Supervisor("app", "one_for_all", [spec("a", log), spec("b", log, set[str](), 5.0)]) as app:
        actor(app, "a").tell("crash")
        await trio.sleep(1)
        with trio.move_on_after(1):
            await app.start(spec("d", log))
        assert app.count().specs == 2
        ref = await app.start(spec("c", log))
        assert not ref.stopped
    assert log == ["+a", "+b", "xa", "-b", "+a", "+b", "+c", "-c", "-b", "-a"]


async def test_starting_a_sibling_from_the_start_of_a_restarted_set_raises_at_once(autojump_clock: object) -> None:
    """It would wait for the set, and the set for it."""
    refusals: list[str] = []

    class Nosy(Actor[str]):
        async def started(self) -> None:
            if self.context.incarnation > 1:
                try:
                    await app.start(spec("late", []))
                except RuntimeError as error:
                    refusals.append(str(error))

        async def receive(self, message: str, /) -> None:
            raise ValueError

    async with Supervisor("app", "one_for_all", [ChildSpec(Nosy, name="nosy"), spec("b", [])]) as app:
        actor(app, "nosy").tell("crash")
        await trio.sleep(1)
    [refusal] = refusals
    assert "still starting its children, so started() must not wait for a further one" in refusal


async def test_an_end_that_is_not_news_touches_nobody(autojump_clock: object) -> None:
    """Those that crash while their set is taken down cost nothing, however many they are."""

    class StoppingCrasher(Actor[str]):
        async def receive(self, message: str, /) -> None:
            raise ValueError

        async def stopping(self, exit: Exit, /) -> None:
            raise LookupError

    children = [ChildSpec(StoppingCrasher, name=name, expected=(Exception,)) for name in "abc"]
    async with Supervisor("app", "one_for_all", children, max_restarts=1) as app:
        actor(app, "b").tell("crash")
        await trio.sleep(1)
        assert [(node.status, node.incarnation) for node in app.which()] == [("running", 2)] * 3


async def test_nothing_can_be_asked_of_a_supervisor_that_is_not_running(autojump_clock: object) -> None:
    """ActorStopped, before its block and after its end."""
    app = Supervisor("app")
    with pytest.raises(ActorStopped, match="not running"):
        app.count()
    assert str(app.tree()) == "app down: not started yet"
    async with app:
        inner = await app.start(SupervisorSpec("inner", restart="transient"))
        await app.terminate("inner")
        with pytest.raises(ActorStopped, match="/app/inner is not running"):
            await inner.start(spec("a", []))
        with pytest.raises(RuntimeError, match="once"):
            async with app:
                pass
    for call in (app.count, app.which):
        with pytest.raises(ActorStopped, match="not running"):
            call()
    assert app.tree().status == "halted"


async def test_the_grace_is_each_ones_own_when_a_set_is_taken_down(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """L22: a child is cancelled if and only if it exceeds its own grace; no child starts before it is gone."""

    class Lingerer(Actor[str]):
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        async def receive(self, message: str, /) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.seconds)

    children = [
        ChildSpec(Lingerer, 3.0, name="a", grace=5),
        ChildSpec(Lingerer, 4.0, name="b", grace=2),
        spec("c", []),
    ]
    async with Supervisor("app", "one_for_all", children) as app:
        for name in "ab":
            actor(app, name).tell("linger")
        await trio.lowlevel.checkpoint()
        actor(app, "c").tell("crash")
        await trio.sleep(3.5)
        assert [node.status for node in app.which()] == ["running", "stopping", "waiting"]
        await trio.sleep(1)
        assert [node.incarnation for node in app.which()] == [2, 2, 2]
    late = [record.getMessage() for record in caplog.records if "did not stop" in record.getMessage()]
    assert late == ["/app/b did not stop in time and is cancelled"]


async def test_figures_about_significance_that_make_no_sense_are_refused(autojump_clock: object) -> None:
    """In a spec at once; in a start before anything is started."""
    with pytest.raises(ValueError, match="cannot be significant"):
        spec("a", [], significant=True)
    with pytest.raises(ValueError, match="auto_shutdown"):
        SupervisorSpec("inner", auto_shutdown="never ever")  # type: ignore[arg-type]
    async with Supervisor("app") as app:
        with pytest.raises(ValueError, match="needs an auto_shutdown"):
            await app.start(spec("a", [], restart="temporary", significant=True))
        assert app.count().specs == 0


async def test_two_who_terminate_the_same_child_both_wait_for_its_end(autojump_clock: object) -> None:
    """The second caller neither returns sooner nor starts anything again."""
    ended: list[float] = []

    class Slow(Actor[str]):
        async def stopping(self, exit: Exit, /) -> None:
            await trio.sleep(2)

    async with Supervisor("app", children=[ChildSpec(Slow, name="slow")]) as app:
        began = trio.current_time()

        async def terminate() -> None:
            await app.terminate("slow")
            ended.append(trio.current_time() - began)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(terminate)
            await trio.sleep(1)
            nursery.start_soon(terminate)
    assert ended == pytest.approx([2, 2])


@pytest.mark.parametrize("fails", [False, True])
async def test_who_starts_a_child_during_the_first_batch_waits_for_the_batch(
    fails: bool, autojump_clock: object
) -> None:
    """From a task that a child of the batch spawned: the new one starts last; if the batch fails, never."""
    log: Log = []

    class Inviter(Actor[str]):
        async def started(self) -> None:
            self.context.spawn(self.invite)

        async def invite(self) -> None:
            await app.start(spec("c", log))
            log.append("c is ready")

    class Slow(Actor[str]):
        async def started(self) -> None:
            await trio.sleep(1)
            log.append("+b")
            if fails:
                raise OSError

    app = Supervisor("app", children=[ChildSpec(Inviter, name="a"), ChildSpec(Slow, name="b", expected=(OSError,))])
    with pytest.raises(StartFailed) if fails else nullcontext():
        async with app:
            await trio.sleep(1)
    assert log == (["+b"] if fails else ["+b", "+c", "c is ready", "-c"])
