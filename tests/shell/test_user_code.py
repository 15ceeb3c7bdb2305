"""The user's own code fails: in mailboxes, backoffs, listeners, factories, watches and errors. The tree stays whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import pytest
import trio
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import (
    Actor,
    ActorError,
    ActorRef,
    Answer,
    AskDropped,
    ChildReady,
    ChildSpec,
    Conflate,
    Down,
    Dropped,
    Exit,
    ExponentialBackoff,
    Failure,
    Reject,
    Request,
    RestartLimitReached,
    SendDropped,
    StartFailed,
    Supervisor,
    SupervisorSpec,
    TelemetryEvent,
)
from ds_actors._telemetry import Telemetry
from ds_actors.testing import run_virtual

MOST_CALLS = 110


@frozen
class Echo(Request[int]):
    pass


class Plain(Actor[object]):
    """Answers, crashes and stops as it is asked."""

    async def receive(self, message: object, /) -> Answer | None:
        match message:
            case "crash":
                raise ValueError("as asked")
            case "stop":
                self.context.stop()
            case Echo():
                return message.answer(1)
            case _:
                return None
        return None


@define(eq=False)
class Faults:
    """Raises at the n-th call of any hook."""

    at: int
    error: Callable[[], BaseException]
    calls: int = 0
    raised: list[str] = field(factory=list[str])
    called: set[str] = field(factory=set[str])

    def call(self, hook: str) -> None:
        self.calls += 1
        self.called.add(hook)
        if self.calls == self.at:
            self.raised.append(hook)
            raise self.error()


class FaultyMailbox(Reject[Any]):
    def __init__(self, faults: Faults) -> None:
        super().__init__(3)
        self._faults = faults

    def put(self, message: Any, now: float = 0.0, /) -> Dropped[Any] | None:
        self._faults.call("put")
        return super().put(message, now)

    def has_room(self, message: Any, /) -> bool:
        self._faults.call("has_room")
        return super().has_room(message)

    def take(self, now: float = 0.0, /) -> Any:
        self._faults.call("take")
        return super().take(now)

    def settle(self, message: Any, now: float = 0.0, /) -> None:
        self._faults.call("settle")
        super().settle(message, now)

    def interrupted(self, now: float = 0.0, /) -> Iterable[Dropped[Any]]:
        self._faults.call("interrupted")
        return super().interrupted(now)

    def close(self, now: float = 0.0, /) -> Iterable[Any]:
        self._faults.call("close")
        return super().close(now)

    def statistics(self) -> Any:
        self._faults.call("statistics")
        return super().statistics()


@define(eq=False)
class FaultyBackoff:
    faults: Faults

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        self.faults.call("delay")
        return 0.1


@define(eq=False)
class FaultyActor(Plain):
    faults: Faults

    async def started(self) -> None:
        self.faults.call("started")

    async def stopping(self, exit: Exit, /) -> None:
        self.faults.call("stopping")


@frozen
class WatchThis:
    ref: ActorRef[Any]
    on_down: Callable[[Down], Down]


class Watcher(Actor[object]):
    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    async def receive(self, message: object, /) -> None:
        if isinstance(message, WatchThis):
            self.context.watch(message.ref, on_down=message.on_down)


def _children(faults: Faults) -> Callable[[], list[ChildSpec[Any]]]:
    def children() -> list[ChildSpec[Any]]:
        faults.call("children")

        def mailbox() -> FaultyMailbox:
            faults.call("mailbox")
            return FaultyMailbox(faults)

        def make() -> FaultyActor:
            faults.call("factory")
            return FaultyActor(faults)

        backoff = FaultyBackoff(faults)
        return [
            ChildSpec(make, name="a", mailbox=mailbox, backoff=backoff, grace=1, restart="transient"),
            ChildSpec(Watcher, faults, name="w", mailbox=mailbox, grace=1),
        ]

    return children


async def _exercise(faults: Faults) -> None:
    def listener(_: TelemetryEvent) -> None:
        faults.call("listener")

    def draw() -> float:
        faults.call("random")
        return 0.5

    def on_down(down: Down) -> Down:
        faults.call("on_down")
        return down

    inner = SupervisorSpec("inner", "one_for_one", _children(faults), restart="transient")
    async with Supervisor("app", children=[inner], listeners=(listener,), random=draw, close_within=5) as app:
        ref, watcher = app.find_actor("inner/a"), app.find_actor("inner/w")
        watcher.tell(WatchThis(ref, on_down))
        for message in ("x", "crash", "y", "z"):
            ref.tell(message)
            await trio.sleep(0.2)
        with trio.move_on_after(1):
            await ref.send("sent")
        await ref.ask(Echo(), timeout=1)
        supervisor = app.find_supervisor("inner")
        await supervisor.terminate("a")
        await supervisor.restart("a")
        await trio.sleep(0.2)
        str(app.tree())
        ref.tell("late")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", current).exceptions


@given(st.integers(1, MOST_CALLS), st.sampled_from([LookupError, SystemExit, KeyboardInterrupt]))
def test_an_error_in_any_hook_at_any_call_leaves_the_tree_whole(at: int, error: type[BaseException]) -> None:
    """Every task ends within `close_within`; an Exception is contained, anything else comes out of the top."""
    faults = Faults(at, error)

    async def main() -> float:
        began = trio.current_time()
        try:
            await _exercise(faults)
        except BaseException as escaped:  # noqa: BLE001 - the kinds that may come out are checked here
            kinds = [type(cause) for cause in _causes(escaped)]
            assert faults.raised
            if issubclass(error, Exception):
                assert any(issubclass(kind, (ActorError, LookupError)) for kind in kinds)
                assert not {SystemExit, KeyboardInterrupt} & {*kinds}
            else:
                assert error in kinds or any(issubclass(kind, ActorError) for kind in kinds)
        else:
            assert not faults.raised or issubclass(error, Exception), faults.raised
        took = trio.current_time() - began
        assert took < 60
        return took

    run_virtual(main)  # which fails when a task is left behind or the program stands still


def test_every_hook_is_called_by_the_program_that_injects_faults() -> None:
    """Within the calls that the property above counts; otherwise it would hold for want of a fault."""
    faults = Faults(0, LookupError)
    run_virtual(partial(_exercise, faults))
    assert faults.called == {
        "put",
        "take",
        "settle",
        "interrupted",
        "close",
        "statistics",
        "has_room",
        "delay",
        "started",
        "stopping",
        "children",
        "mailbox",
        "factory",
        "listener",
        "random",
        "on_down",
    }
    assert 70 < faults.calls <= MOST_CALLS


class FailsToPut(Reject[Any]):
    def __init__(self, error: BaseException) -> None:
        super().__init__(2)
        self.error = error

    def put(self, message: Any, now: float = 0.0, /) -> Dropped[Any] | None:
        if message == "bad" or isinstance(message, tuple) or type(message).__name__ == "Envelope":
            raise self.error
        return super().put(message, now)


async def test_a_mailbox_whose_put_raises_refuses_the_sender(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """`tell` returns False, an ask and a waiting send end with an error, and each failure is logged."""
    async with Supervisor("app") as app:
        ref = await app.start(Plain, mailbox=lambda: FailsToPut(LookupError("mine")))
        assert not ref.tell("bad")
        assert ref.tell("good")
        with pytest.raises(AskDropped, match="the mailbox failed: LookupError"):
            await ref.ask(Echo(), timeout=1)
        with pytest.raises(SendDropped, match="/app/Plain refused"):
            await ref.send("bad")
        ref.tell_from_thread("bad")
        await trio.sleep(1)
        assert app.which()[0].incarnation == 1
    assert caplog.text.count("the mailbox of /app/Plain failed, so a message of type") == 4
    assert "LookupError: mine" in caplog.text


async def test_system_exit_in_a_put_from_a_thread_stops_the_tree_and_comes_out(autojump_clock: object) -> None:
    """It is no TrioInternalError, and no thread is left."""
    with pytest.raises(SystemExit):
        async with Supervisor("app") as app:
            ref = await app.start(Plain, mailbox=lambda: FailsToPut(SystemExit(3)))
            ref.tell_from_thread("bad")
            await trio.sleep(5)
            raise AssertionError


async def test_a_put_that_returns_something_else_refuses_the_message(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names what `put` must return."""

    class Wrong(Reject[Any]):
        def put(self, message: Any, now: float = 0.0, /) -> Any:
            return True

    async with Supervisor("app") as app:
        ref = await app.start(Plain, mailbox=Wrong)
        assert not ref.tell("x")
    assert "put returned bool; return a Dropped, or None" in caplog.text


async def test_a_mailbox_factory_that_raises_at_a_restart_fails_that_start(autojump_clock: object) -> None:
    """The caller gets the cause, the child is at rest, and the tree ends in order."""
    made: list[int] = []

    def mailbox() -> Reject[Any]:
        made.append(1)
        if len(made) == 2:
            raise LookupError("no mailbox")
        return Reject[Any]()

    async with Supervisor("app") as app:
        await app.start(Plain, name="a", mailbox=mailbox)
        await app.terminate("a")
        with pytest.raises(StartFailed) as failed:
            await app.restart("a")
        assert isinstance(failed.value.__cause__, LookupError)
        await app.restart("a")
        assert app.which()[0].status == "running"


async def test_a_mailbox_without_the_methods_of_one_is_refused_by_name(autojump_clock: object) -> None:
    """At the start, naming what is missing."""
    async with Supervisor("app") as app:
        with pytest.raises(TypeError, match=r"the mailbox of /app/Plain must have put, has_room.*list has not"):
            await app.start(Plain, mailbox=cast("Any", list))
        assert app.count().specs == 0


@pytest.mark.parametrize("result", [LookupError("mine"), float("nan"), "soon"])
async def test_a_backoff_that_fails_makes_its_supervisor_give_up(result: Any, autojump_clock: object) -> None:
    """Without a delay there is no restart; the error says that it was the backoff."""

    @frozen
    class Bad:
        def delay(self, failures: Sequence[Failure], u: float) -> Any:
            if isinstance(result, Exception):
                raise result
            return result

    with pytest.raises(RestartLimitReached, match="its backoff failed") as raised:
        async with Supervisor(
            "app", children=[ChildSpec(Plain, name="a", backoff=Bad(), expected=(ValueError,))]
        ) as app:
            app.find_actor("a").tell("crash")
            await trio.sleep(5)
    assert isinstance(raised.value.__cause__, (LookupError, TypeError))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_system_exit_in_a_listener_stops_the_tree_in_order_and_comes_out(
    error: type[BaseException], autojump_clock: object
) -> None:
    """The children stop as at any other end."""
    stopped: list[str] = []

    class Tidy(Plain):
        async def stopping(self, exit: Exit, /) -> None:
            stopped.append(self.context.name)

    def listener(event: TelemetryEvent) -> None:
        if getattr(event, "path", "") == "/app/c":
            raise error

    children = [ChildSpec(Tidy, name=name) for name in ("a", "b", "c")]
    with pytest.raises(error):
        async with Supervisor("app", children=children, listeners=(listener,)):
            await trio.sleep(5)
            raise AssertionError
    assert stopped == ["c", "b", "a"]


async def test_an_error_that_cannot_be_printed_does_not_break_the_tree(autojump_clock: object) -> None:
    """`tree()` names its type."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise LookupError

    class Crashing(Plain):
        async def started(self) -> None:
            if self.context.incarnation == 1:
                self.context.spawn(self.crash)

        async def crash(self) -> None:
            raise Unprintable

    async with Supervisor("app", children=[ChildSpec(Crashing, name="a", expected=(Unprintable,))]) as app:
        await trio.sleep(1)
        assert app.which()[0].error == "Unprintable"
        assert "a running" in str(app.tree())


async def test_a_watcher_whose_mailbox_raises_still_gets_its_notice(autojump_clock: object) -> None:
    """Notices pass by the mailbox, so its faults are its own."""
    seen: list[object] = []

    class Watching(Actor[Any]):
        def __init__(self, target: Any) -> None:
            self.target = target

        async def started(self) -> None:
            self.context.watch(self.target, ("gone",))

        async def receive(self, message: Any, /) -> None:
            seen.append(message)

    async with Supervisor("app") as app:
        target = await app.start(Plain, name="target")
        await app.start(Watching, target, mailbox=lambda: FailsToPut(LookupError("mine")))
        await app.terminate("target")
        await trio.sleep(1)
    assert seen == [("gone",)]


async def test_a_conflate_key_that_raises_refuses_the_message(autojump_clock: object) -> None:
    """The actor goes on."""

    def key(message: Any) -> int:
        return len(message)

    async with Supervisor("app") as app:
        ref = await app.start(Plain, mailbox=lambda: Conflate[Any](key))
        assert not ref.tell(3)
        assert ref.tell("abc")
        await trio.sleep(1)
        assert ref.statistics().handled == 1


class HidesItsCounts(Reject[Any]):
    def statistics(self) -> Any:
        raise LookupError("mine")


async def test_a_mailbox_without_counts_costs_neither_the_notice_nor_the_tree(autojump_clock: object) -> None:
    """The notice comes at once, and `tree()` shows the actor without a mailbox."""
    seen: list[Any] = []

    class Watching(Actor[Any]):
        def __init__(self, target: ActorRef[Any]) -> None:
            self.target = target

        async def started(self) -> None:
            self.context.watch(self.target, "gone")

        async def receive(self, message: Any, /) -> None:
            seen.append(message)

    async with Supervisor("app") as app:
        target = await app.start(Plain, name="target")
        await app.start(Watching, target, mailbox=HidesItsCounts)
        await app.terminate("target")
        await trio.sleep(1)
        assert app.which()[1].mailbox is None
    assert seen == ["gone"]


async def test_system_exit_in_a_backoff_stops_the_tree_and_comes_out(autojump_clock: object) -> None:
    """In order, like Ctrl-C."""

    @frozen
    class Exits:
        def delay(self, failures: Sequence[Failure], u: float) -> float:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with Supervisor(
            "app", children=[ChildSpec(Plain, name="a", backoff=Exits(), expected=(ValueError,))]
        ) as app:
            app.find_actor("a").tell("crash")
            await trio.sleep(5)
            raise AssertionError


async def test_a_jitter_outside_its_range_is_logged_and_replaced(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The restart happens all the same."""
    backoff = ExponentialBackoff(base=1)
    children = [ChildSpec(Plain, name="a", backoff=backoff, expected=(ValueError,))]
    async with Supervisor("app", children=children, random=lambda: 2.0) as app:
        app.find_actor("a").tell("crash")
        await trio.sleep(5)
        assert app.which()[0].incarnation == 2
    assert "random must return a number in [0, 1), not 2.0" in caplog.text


async def test_system_exit_in_the_source_of_jitter_comes_out(autojump_clock: object) -> None:
    """It raises at the first decision."""

    def draw() -> float:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with Supervisor("app", random=draw):
            await trio.sleep(5)


def test_without_a_tree_a_listener_s_exit_is_raised_where_it_happens() -> None:
    """A test kit's probe, for instance, has no tree to stop."""

    def listener(_: TelemetryEvent) -> None:
        raise SystemExit(3)

    telemetry = Telemetry()
    telemetry.add(listener)
    with pytest.raises(SystemExit):
        telemetry.emit(ChildReady("/app/a", 1))


class Up(BaseException):
    """Leaves through the top of the tree."""


@define
class Raising(Actor[str]):
    error: BaseException

    async def receive(self, message: str, /) -> None:
        raise self.error


class RaisingAtItsEnd(Raising):
    async def stopping(self, exit: Exit, /) -> None:
        raise self.error


async def of_two(first: BaseException, second: BaseException) -> None:
    """Run a tree in which the second escapes while the first ends it."""
    async with Supervisor("app", "dynamic") as app:
        await app.start(RaisingAtItsEnd, second)
        (await app.start(Raising, first)).tell("raise")
        await trio.sleep(1)


async def test_two_errors_of_one_type_that_escape_at_once_both_come_out(autojump_clock: object) -> None:
    """As a group; one error that escapes twice is one."""
    first, second = Up("first"), Up("second")
    with pytest.raises(BaseExceptionGroup) as caught:
        await of_two(first, second)
    assert set(caught.value.exceptions) == {first, second}
    with pytest.raises(Up):
        await of_two(first, first)


@pytest.mark.parametrize(("kind", "logged"), [(SystemExit, 1), (KeyboardInterrupt, 0)])
async def test_a_second_exit_adds_nothing_and_a_dropped_exit_code_is_logged(
    kind: type[BaseException], logged: int, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The program can end with one exit code only."""
    with pytest.raises(kind) as caught:
        await of_two(kind(3), kind(4))
    assert caught.value.args == (3,)
    assert len([record for record in caplog.records if "is dropped" in record.getMessage()]) == logged


async def test_a_failure_after_a_child_became_ready_ends_the_tree(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order: what the library does then is guarded as its decisions are."""

    def fails(_supervisor: object, _event: object) -> None:
        raise ValueError("as asked")

    monkeypatch.setattr("ds_actors._supervisor_incarnation.SupervisorIncarnation._became_ready", fails)
    with pytest.raises(ValueError, match="as asked"):
        async with Supervisor("app", children=[ChildSpec(Plain, name="a")]):
            await trio.sleep(1)
