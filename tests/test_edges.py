"""The edges of the actor library: hostile mailboxes, senders that give up, endless cleaning, wrong arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest
import trio
from attrs import define

from ds_actors import (
    EMPTY,
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskFailed,
    AskTimeout,
    ChildSpec,
    DeadLetter,
    Dropped,
    Exit,
    ExponentialBackoff,
    Reject,
    Request,
    RestartLimitReached,
    StartFailed,
    Supervisor,
    SupervisorSpec,
    TelemetryEvent,
)

unread: list[object] = []


class Ask(Request[int]):
    pass


@define(eq=False)
class Echo(Actor[object]):
    log: list[object]

    async def receive(self, message: object, /) -> Answer | None:
        if message == "crash":
            raise ValueError
        if message == "wait":
            await trio.sleep(5)
        self.log.append(message)
        return message.answer(1) if isinstance(message, Ask) else None


class BadEndMailbox(Reject[Any]):
    """A custom mailbox that fails when it is closed or interrupted."""

    def interrupted(self, now: float = 0.0, /) -> Iterable[Dropped[Any]]:
        super().interrupted(now)
        raise LookupError("interrupted")

    def close(self, now: float = 0.0, /) -> Iterable[Any]:
        raise LookupError("close")


async def test_a_mailbox_that_fails_to_close_or_to_be_interrupted_stops_nobody_else(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It crashes its actor only, the tree ends in order, and the log names the mailbox."""
    log: list[object] = []
    children = [
        ChildSpec(Echo, log, name="bad", mailbox=BadEndMailbox, expected=(Exception,)),
        ChildSpec(Echo, log, name="b"),
    ]
    async with Supervisor("app", children=children) as app:
        bad, b = (app.find(name) for name in ("bad", "b"))
        assert isinstance(bad, ActorRef)
        bad.tell("crash")
        await trio.sleep(1)
        assert app.which()[0].incarnation == 2
        assert isinstance(b, ActorRef)
        b.tell("lives")
        await trio.sleep(1)
    assert log == ["lives"]
    assert bad.stopped
    assert "the mailbox of /app/bad failed to close" in caplog.text


async def test_a_mailbox_that_fails_to_take_crashes_its_actor_alone(autojump_clock: object) -> None:
    """It is restarted up to the limit, like after any crash."""

    class BadTakeMailbox(Reject[Any]):
        def take(self, now: float = 0.0, /) -> Any:
            raise LookupError("take")

    with pytest.raises(RestartLimitReached) as caught:
        async with Supervisor("app", children=[ChildSpec(Echo, unread, mailbox=BadTakeMailbox, expected=(Exception,))]):
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, LookupError)


async def test_senders_who_wait_are_told_of_the_end_and_those_who_gave_up_are_passed_over(
    autojump_clock: object,
) -> None:
    """Remaining sends are accepted in order of arrival."""
    log: list[object] = []
    ended: list[str] = []
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(Echo, log, mailbox=lambda: Reject(1), restart="temporary")
        ref.tell("wait")

        async def send(number: int, patience: float) -> None:
            with trio.move_on_after(patience):
                try:
                    await ref.send(number)
                except Exception as error:  # noqa: BLE001 - whatever it is
                    ended.append(type(error).__name__)

        for number, patience in ((1, 1.0), (2, 100.0), (3, 1.0), (4, 100.0)):
            nursery.start_soon(send, number, patience)
            await trio.sleep(0.01)
        await trio.sleep(6)
        assert log == ["wait", 2, 4]
        ref.tell("wait")
        for number in (5, 6):
            nursery.start_soon(send, number, 100.0)
        await trio.sleep(1)
        await app.terminate("Echo")
    assert ended == ["ActorStopped"]
    assert log == ["wait", 2, 4, "wait"]
    assert ref.statistics().dead == 1


async def test_an_ask_whose_caller_gave_up_is_not_handled(autojump_clock: object) -> None:
    """By serve, and by an own loop alike."""

    class Loop(Echo):
        async def run(self) -> None:
            await trio.sleep(3)
            async for message in self.inbox:
                self.log.append(message)

    class SelfTeller(Echo):
        async def started(self) -> None:
            self.context.ref.tell("wait")

    for factory in (Loop, SelfTeller):
        log: list[object] = []
        async with Supervisor("app") as app:
            ref: Any = await app.start(factory, log)
            with pytest.raises(AskTimeout):
                await ref.ask(Ask(), timeout=1)
            ref.tell("later")
            await trio.sleep(10)
            assert ref.statistics().handled == len(log) + 1
        assert [message for message in log if isinstance(message, Ask)] == []


async def test_a_message_after_a_delay(autojump_clock: object) -> None:
    """Unless it is cancelled, or the incarnation ends first."""
    log: list[object] = []

    class DelayedSender(Echo):
        async def started(self) -> None:
            self.context.send_after(2, f"sent in life {self.context.incarnation}")
            self.context.send_after(1, "cancelled").cancel()

    async with Supervisor("app") as app:
        ref = await app.start(DelayedSender, log, expected=(Exception,))
        await trio.sleep(1)
        ref.tell("crash")
        await trio.sleep(5)
    assert log == ["sent in life 2"]


async def test_health_that_must_be_proven(autojump_clock: object) -> None:
    """Without it the failures of before still count; with it they are forgotten."""
    proven = [False]

    class UnprovenWorker(Echo):
        async def started(self) -> None:
            self.context.mark_unproven()
            if proven[0]:
                self.context.mark_healthy()

    backoff = ExponentialBackoff(1.0, 1.0)
    options: dict[str, Any] = {"backoff": backoff, "max_failures": 2, "stable_after": 5.0, "expected": (Exception,)}
    for proof, survives in ((True, True), (False, False)):
        proven[0] = proof
        gave_up = False
        try:
            async with Supervisor("app") as app:
                ref = await app.start(UnprovenWorker, unread, **options)
                for _ in range(4):
                    await trio.sleep(10)
                    ref.tell("crash")
                await trio.sleep(10)
        except RestartLimitReached:
            gave_up = True
        assert gave_up != survives


async def test_cleaning_that_takes_too_long_is_cut_off_and_named(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """After a crash without a stop request, the grace counts from the crash."""

    class SlowStopper(Echo):
        async def stopping(self, exit: Exit, /) -> None:
            await trio.sleep(50)

    began = trio.current_time()
    async with Supervisor("app", max_restarts=1) as app:
        ref = await app.start(SlowStopper, unread, grace=2, expected=(Exception,))
        ref.tell("crash")
        await trio.sleep(3)
        assert app.which()[0].incarnation == 2
    assert trio.current_time() - began < 10
    assert "/app/SlowStopper took longer than its grace to clean up and was cut off" in caplog.text


async def test_a_subtree_that_is_late_is_cancelled_whole(autojump_clock: object) -> None:
    """The grace of a nested supervisor bounds that of its children."""

    class EndlessRunner(Echo):
        async def run(self) -> None:
            await trio.sleep_forever()

    inner = SupervisorSpec("inner", children=[ChildSpec(EndlessRunner, unread, grace=100)], grace=3)
    began = trio.current_time()
    async with Supervisor("app", children=[inner], close_within=60):
        pass
    assert trio.current_time() - began == pytest.approx(3, abs=0.5)


async def test_a_task_that_is_spawned_in_an_incarnation_that_is_being_killed_is_cancelled(
    autojump_clock: object,
) -> None:
    """It would keep the kill waiting."""
    began = trio.current_time()

    class Stubborn(Echo):
        async def run(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                self.context.spawn(trio.sleep_forever)

    async with Supervisor("app", children=[ChildSpec(Stubborn, unread, grace=1)]):
        pass
    assert trio.current_time() - began == pytest.approx(1, abs=0.5)


async def test_wrong_arguments_are_refused_with_what_is_wrong(autojump_clock: object) -> None:
    """Before anything starts, or as the failure of that start."""
    with pytest.raises(TypeError, match="must be callable"):
        ChildSpec(3)  # type: ignore[arg-type]
    async with Supervisor("app") as app:
        with pytest.raises(TypeError, match="a spec already has every option"):
            await app.start(ChildSpec(Echo, unread), name="x")  # type: ignore[call-overload]
        with pytest.raises(StartFailed) as caught:
            await app.start(lambda: 3, name="three")  # type: ignore[arg-type, return-value, call-arg]
        assert str(caught.value.__cause__) == "the factory returned int, not an Actor"
        inner = await app.start(SupervisorSpec("inner", children=[ChildSpec(Echo, unread, name="e")]))
        assert repr(inner) == "<SupervisorRef /app/inner>"
        for nowhere in ("inner/e/deeper", "inner/f", "f"):
            with pytest.raises(LookupError, match="has nothing at"):
                app.find(nowhere)
        assert (inner.name, inner.path) == ("inner", "/app/inner")


async def test_a_wrong_answer_is_a_crash_that_says_so(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    """`receive` returns an answer or None."""

    class Wrong(Actor[str]):
        async def receive(self, message: str, /) -> Any:
            return 7

    async with Supervisor("app") as app:
        (await app.start(Wrong)).tell("go")
        await trio.sleep(1)
    assert "receive returned int; return message.answer(value), or None" in caplog.text


async def test_listeners_come_and_go(autojump_clock: object) -> None:
    """What `listen` returns ends it."""
    heard: list[TelemetryEvent] = []
    async with Supervisor("app") as app:
        ref = await app.start(Echo, unread, mailbox=lambda: Reject(1))
        remove = app.listen(heard.append)
        ref.tell("1")
        ref.tell("2")
        remove()
        ref.tell("3")
    assert heard == [DeadLetter("/app/Echo", "str", "full")]


async def test_an_own_run_may_fall_back_on_the_librarys(autojump_clock: object) -> None:
    """`await super().run()` serves the mailbox as usual."""
    log: list[object] = []

    class PreparedRunner(Echo):
        async def run(self) -> None:
            self.log.append("prepared")
            await super().run()
            self.log.append("served")

    async with Supervisor("app", children=[ChildSpec(PreparedRunner, log, name="p")]) as app:
        ref: Any = app.find("p")
        ref.tell("message")
        await trio.sleep(1)
    assert log == ["prepared", "message", "served"]


@pytest.mark.parametrize("sent", ["told", "asked"])
async def test_a_run_that_was_cancelled_between_two_messages_may_be_run_again_and_in_one_may_not(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, sent: str
) -> None:
    """The message in hand is neither handled twice nor waited for in vain: it is lost in a crash that explains it."""
    taken: list[object] = []

    class PausingReceiver(Actor[object]):
        async def receive(self, message: object, /) -> Answer | None:
            taken.append(message)
            if message != "quick":
                await trio.sleep(5)
            return None

        async def run(self) -> None:
            for _ in range(9):
                with trio.move_on_after(1):
                    await super().run()

    async with Supervisor("app", children=[ChildSpec(PausingReceiver, name="p")]) as app:
        ref: Any = app.find("p")
        for _ in range(3):
            ref.tell("quick")
            await trio.sleep(1.1)
        if sent == "asked":
            with pytest.raises(AskFailed) as failed:
                await ref.ask(Ask(), timeout=60)
            assert isinstance(failed.value.__cause__, RuntimeError)
        else:
            ref.tell("slow")
            await trio.sleep(2)
        assert (len(taken), ref.statistics().handled, ref.statistics().failed) == (4, 3, 1)
    assert caplog.text.count("must not run again while a message is in hand") == 1


async def test_two_runs_at_once_are_refused(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    """An actor handles one message at a time, as the error says."""
    log: list[object] = []

    class DoubleRunner(Echo):
        async def run(self) -> None:
            self.context.spawn(super().run)
            await super().run()

    async with Supervisor("app", children=[ChildSpec(DoubleRunner, log, name="t", restart="temporary")]) as app:
        ref: Any = app.find("t")
        ref.tell("wait")
        await trio.sleep(1)
    assert "must not run again while a message is in hand" in caplog.text


async def test_a_mailbox_that_ends_the_program_ends_the_tree_in_order(autojump_clock: object) -> None:
    """A BaseException that is not a crash is passed up, also from the code that ends an incarnation."""

    class ExitingMailbox(Reject[Any]):
        def interrupted(self, now: float = 0.0, /) -> Iterable[Dropped[Any]]:
            super().interrupted(now)
            raise SystemExit(3)

    log: list[object] = []
    stopped: list[str] = []

    class Notes(Echo):
        async def stopping(self, exit: Exit, /) -> None:
            stopped.append(self.context.name)

    children = [
        ChildSpec(Notes, log, name="a"),
        ChildSpec(Notes, log, name="b", mailbox=ExitingMailbox, expected=(Exception,)),
    ]
    with pytest.raises(SystemExit) as caught:
        async with Supervisor("app", children=children) as app:
            ref: Any = app.find("b")
            ref.tell("crash")
            await trio.sleep_forever()
    assert caught.value.code == 3
    assert stopped == ["b", "a"]


async def test_a_start_that_is_called_off_was_not_too_slow(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """After a stop request its grace counts, and exceeding the start timeout is not a failure."""

    class Slow(Echo):
        async def started(self) -> None:
            await trio.sleep_forever()

    async with Supervisor("app") as app, trio.open_nursery() as nursery:

        async def start() -> None:
            with pytest.raises(ActorStopped):
                await app.start(Slow, unread, name="slow", start_timeout=3, grace=100)

        nursery.start_soon(start)
        await trio.sleep(1)
        began = trio.current_time()
        await app.terminate("slow")
        assert trio.current_time() - began == pytest.approx(2)
    assert caplog.text == ""


class ThrottledMailbox(Reject[Any]):
    """Releases each message two seconds after the previous one."""

    timed: ClassVar[bool] = True
    next = 0.0

    def take(self, now: float = 0.0, /) -> Any:
        if now < self.next or (item := super().take(now)) is EMPTY:
            return EMPTY
        self.next = now + 2
        return item


class TimedMailbox(ThrottledMailbox):
    """Also reports the time of the next message."""

    def ready_at(self, now: float, /) -> float | None:
        return self.next if len(self) else None


@pytest.mark.parametrize(("mailbox", "handled"), [(ThrottledMailbox, "0 a, 5 b"), (TimedMailbox, "0 a, 2 b, 4 c, 6 d")])
async def test_a_mailbox_may_say_when_its_next_message_is_due(
    mailbox: type[ThrottledMailbox], handled: str, autojump_clock: object
) -> None:
    """The actor checks again at that time or at the next put; without a time, only at the next put."""
    log: list[str] = []
    began = trio.current_time()

    class Notes(Actor[str]):
        async def receive(self, message: str, /) -> None:
            log.append(f"{trio.current_time() - began:g} {message}")

    async with Supervisor("app") as app:
        ref = await app.start(Notes, mailbox=mailbox)
        for message in "abc":
            ref.tell(message)
        await trio.sleep(5)
        ref.tell("d")
        await trio.sleep(1.5)
    assert ", ".join(log) == handled


async def test_what_an_actor_spawned_is_cancelled_with_it_when_its_grace_is_over(autojump_clock: object) -> None:
    """And not only when the actor itself is gone, which may take longer."""
    cancelled: list[float] = []
    began = trio.current_time()

    class ClingingWorker(Echo):
        async def helper(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append(trio.current_time() - began)

        async def run(self) -> None:
            self.context.spawn(self.helper)
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    async with Supervisor("app", children=[ChildSpec(ClingingWorker, unread, grace=1)]):
        pass
    assert cancelled == [pytest.approx(1)]
    assert trio.current_time() - began == pytest.approx(5)
