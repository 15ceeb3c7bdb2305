"""The bugs that other libraries had in supervision and mailboxes, each by its name: none of them is here."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    AskFailed,
    AskTimeout,
    ChildSpec,
    DropOldest,
    Exit,
    ExponentialBackoff,
    Reject,
    Request,
    RestartLimitReached,
    StartFailed,
    Supervisor,
)

Log = list[str]


@frozen
class Ask(Request[int]):
    what: str = "answer"


Message = str | Ask


@define(eq=False)
class Worker(Actor[Message]):
    log: Log
    name: str = "a"

    async def started(self) -> None:
        self.log.append(f"+{self.name}")

    async def receive(self, message: Message, /) -> Answer | None:
        match message:
            case "crash" | Ask("crash"):
                raise ValueError(self.name)
            case "finish":
                self.context.stop()
            case "interrupt":
                raise KeyboardInterrupt
            case "exit":
                raise SystemExit(3)
            case "to myself":
                self.context.ref.tell("told")
            case Ask("late"):
                await trio.sleep(2)
                return message.answer(1)
            case Ask():
                return message.answer(1)
            case _:
                self.log.append(f"{self.name} {message}")
        return None

    async def stopping(self, exit: Exit, /) -> None:
        await trio.sleep(0.1)
        self.log.append(f"-{self.name}")


def workers(log: Log, names: str, **options: Any) -> list[ChildSpec[Message]]:
    return [ChildSpec(Worker, log, name, name=name, expected=(ValueError,), **options) for name in names]


def actor(app: Supervisor, name: str) -> ActorRef[Message]:
    ref = app.find(name)
    assert isinstance(ref, ActorRef)
    return ref


# ---- triotp 0.3.1


@pytest.mark.parametrize(("word", "kind"), [("interrupt", KeyboardInterrupt), ("exit", SystemExit)])
async def test_triotp_1_and_2_a_keyboard_interrupt_or_a_system_exit_is_swallowed_and_the_child_restarted(
    word: str, kind: type[BaseException], autojump_clock: object
) -> None:
    """Here it is passed up, and nothing is restarted."""
    log: Log = []
    with pytest.raises(kind):
        async with Supervisor("app", children=workers(log, "a")) as app:
            actor(app, "a").tell(word)
            await trio.sleep_forever()
    assert log == ["+a", "-a"]


async def test_triotp_3_a_permanent_child_that_finishes_too_often_ends_its_supervisor_without_an_error(
    autojump_clock: object,
) -> None:
    """Here the limit is reached by finishing as by crashing, and that is an error."""
    log: Log = []
    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", children=workers(log, "a"), max_restarts=2) as app:
            while True:
                actor(app, "a").tell("finish")
                await trio.sleep(1)
    assert log.count("+a") == 3


async def test_triotp_4_the_limit_counts_each_child_for_itself(autojump_clock: object) -> None:
    """Here three children have three restarts between them, not three each."""
    log: Log = []
    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", children=workers(log, "abc"), max_restarts=3) as app:
            for name in itertools.cycle("abc"):
                actor(app, name).tell("crash")
                await trio.sleep(0.5)
    assert sum(line.startswith("+") for line in log) == 3 + 3


async def test_triotp_5_a_temporary_childs_crash_kills_supervisor_and_siblings(autojump_clock: object) -> None:
    """Here it is only reported."""
    log: Log = []
    async with Supervisor("app", children=[*workers(log, "a", restart="temporary"), *workers(log, "b")]) as app:
        actor(app, "a").tell("crash")
        await trio.sleep(1)
        assert [node.name for node in app.which()] == ["b"]
        assert actor(app, "b").tell("lives")
        await trio.sleep(1)
    assert log == ["+a", "+b", "-a", "b lives", "-b"]


async def test_triotp_6_a_call_to_a_handler_that_raises_hangs_for_ever(autojump_clock: object) -> None:
    """Here the caller gets AskFailed at once, with the cause."""
    async with Supervisor("app", children=workers([], "a")) as app:
        began = trio.current_time()
        with pytest.raises(AskFailed) as caught:
            await actor(app, "a").ask(Ask("crash"), timeout=60)
        assert isinstance(caught.value.__cause__, ValueError)
        assert trio.current_time() - began < 1


async def test_triotp_7_and_otp_5922_a_reply_after_the_callers_timeout_kills_the_server_or_reaches_the_next_call(
    autojump_clock: object,
) -> None:
    """Here it is dropped without effect: no actor crashes, and the next ask gets its own reply."""
    log: Log = []
    async with Supervisor("app", children=workers(log, "a")) as app:
        ref = actor(app, "a")
        with pytest.raises(AskTimeout):
            await ref.ask(Ask("late"), timeout=1)
        assert await ref.ask(Ask(), timeout=5) == 1
    assert log == ["+a", "-a"]


async def test_triotp_8_a_failing_start_hides_its_error_behind_another(autojump_clock: object) -> None:
    """Here StartFailed names the actor, and its cause is the error."""

    class FailingStarter(Actor[None]):
        async def started(self) -> None:
            raise LookupError("what it was")

    with pytest.raises(StartFailed, match="/app/FailingStarter") as caught:
        async with Supervisor("app", children=[ChildSpec(FailingStarter)]):
            pass
    assert str(caught.value.__cause__) == "'what it was'" or "what it was" in str(caught.value.__cause__)


async def test_triotp_9_terminate_is_not_called_on_cancellation(autojump_clock: object) -> None:
    """Here `stopping` runs, shielded, also when the whole tree is cancelled from outside."""
    log: Log = []
    with trio.move_on_after(1):
        async with Supervisor("app", children=workers(log, "a")):
            await trio.sleep_forever()
    assert log == ["+a", "-a"]


async def test_triotp_10_a_cast_to_oneself_deadlocks(autojump_clock: object) -> None:
    """Here a tell never waits, not even to the actor itself with a mailbox for two."""
    log: Log = []
    async with Supervisor("app", children=workers(log, "a", mailbox=lambda: Reject[Any](2))) as app:
        actor(app, "a").tell("to myself")
        await trio.sleep(1)
        assert log == ["+a", "a told"]


@pytest.mark.parametrize("_", range(5))
async def test_triotp_11_and_pykka_8_children_stop_in_random_or_start_order(_: int, autojump_clock: object) -> None:
    """Here the last started stops first, each when the one after it is gone."""
    log: Log = []
    async with Supervisor("app", children=workers(log, "abcde")):
        pass
    assert log == ["+a", "+b", "+c", "+d", "+e", "-e", "-d", "-c", "-b", "-a"]


# ---- mailboxes across restarts


async def test_kameo_335_messages_are_lost_at_a_restart_and_buffered_asks_deadlock(autojump_clock: object) -> None:
    """Here tells survive in order, queued asks are answered by the next incarnation, and leftovers end when it is over.

    Also that of a child that waits for its parent's answer while the parent restarts.
    """
    log: Log = []
    answers: list[object] = []
    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", children=workers(log, "a"), max_restarts=1) as app, trio.open_nursery() as nursery:
            ref = actor(app, "a")

            async def ask() -> None:
                try:
                    answers.append(await ref.ask(Ask(), timeout=60))
                except ActorStopped as error:
                    answers.append(type(error))

            for number in range(50):
                ref.tell("crash" if number == 20 else f"{number}")
            nursery.start_soon(ask)
            await trio.sleep(1)
            assert log == ["+a", *(f"a {n}" for n in range(20)), "-a", "+a", *(f"a {n}" for n in range(21, 50))]
            assert answers == [1]
            ref.tell("crash")
            nursery.start_soon(ask)
            await trio.sleep_forever()
    assert answers == [1, ActorStopped]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_kameo_387_the_next_start_runs_while_the_previous_stop_is_still_running(
    strategy: Any, autojump_clock: object
) -> None:
    """Here an incarnation, with its clean-up and its tasks, is over before the next begins."""
    log: Log = []

    class TidyWorker(Worker):
        async def started(self) -> None:
            await super().started()
            self.context.spawn(self.linger)

        async def linger(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)
                self.log.append("task over")

    children = [ChildSpec(TidyWorker, log, name="a", expected=(ValueError,))]
    async with Supervisor("app", strategy, children) as app:
        actor(app, "a").tell("crash")
        await trio.sleep(10)
    assert log == ["+a", "task over", "-a", "+a", "task over", "-a"]


async def test_kameo_84_a_small_mailbox_that_is_full_before_its_actor_is_ready_deadlocks_the_start(
    autojump_clock: object,
) -> None:
    """Here a start does not wait for any actor's messages."""
    log: Log = []

    class Popular(Worker):
        async def started(self) -> None:
            accepted = [self.context.ref.tell(f"{number}") for number in range(5)]
            self.log.append(f"accepted {accepted.count(True)}")
            await trio.sleep(1)

    async with Supervisor("app", children=[ChildSpec(Popular, log, mailbox=lambda: Reject[Any](2))]):
        await trio.sleep(1)
    assert log == ["accepted 2", "a 0", "a 1", "-a"]


async def test_actor_ts_407_the_bound_is_exceeded_and_the_count_wrong_while_nobody_takes(
    autojump_clock: object,
) -> None:
    """Here drop_oldest drops, and counts, also between two incarnations."""
    log: Log = []
    backoff = ExponentialBackoff(20.0)
    children = workers(log, "a", mailbox=lambda: DropOldest[Any](3), backoff=backoff)
    async with Supervisor("app", children=children, random=lambda: 0.5) as app:
        ref = actor(app, "a")
        ref.tell("crash")
        await trio.sleep(1)
        assert all(ref.tell(f"{number}") for number in range(10))
        statistics = ref.statistics()
        assert (statistics.queued, statistics.dropped["oldest"]) == (3, 7)
        await trio.sleep(20)
    assert log == ["+a", "-a", "+a", "a 7", "a 8", "a 9", "-a"]


async def test_actor_ts_919_a_full_mailbox_raises_into_healthy_senders(autojump_clock: object) -> None:
    """Here `tell` returns False, and an ask ends with AskDropped in the one who asked."""
    async with Supervisor("app", children=workers([], "a", mailbox=lambda: Reject[Any](1))) as app:
        ref = actor(app, "a")
        assert [ref.tell("1"), ref.tell("2")] == [True, False]
        with pytest.raises(AskDropped, match="full"):
            await ref.ask(Ask(), timeout=1)


async def test_actor_ts_794_an_unbounded_queue_of_system_messages_starves_the_others(autojump_clock: object) -> None:
    """Here the messages of watches wait for room like sends, in order, and none is lost or overtakes."""
    log: Log = []
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        watched = [await app.start(spec) for spec in workers([], "bcdefghij", restart="temporary")]

        class Watcher(Worker):
            async def started(self) -> None:
                for ref in watched:
                    self.context.watch(ref, f"{ref.name} is gone")

        watcher = await app.start(Watcher, log, name="a", mailbox=lambda: Reject[Any](3))
        for ref in watched:
            ref.tell("finish")
        for number in range(5):
            nursery.start_soon(watcher.send, f"{number}")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert sorted(line for line in log if "gone" in line) == [f"a {name} is gone" for name in "bcdefghij"]
    assert {f"a {number}" for number in range(5)} <= set(log)


async def test_pykka_76_stopping_oneself_and_waiting_in_the_start_deadlocks(autojump_clock: object) -> None:
    """Here it raises, and the error names the alternative."""
    said: list[str] = []

    class Hasty(Actor[None]):
        async def started(self) -> None:
            try:
                await app.terminate("Hasty")
            except RuntimeError as error:
                said.append(str(error))

    async with Supervisor("app") as app:
        await app.start(Hasty)
    assert said == ["/app/Hasty must not be stopped from within and waited for; use self.context.stop()"]


async def test_pykka_an_ask_after_the_end_hangs_for_ever(autojump_clock: object) -> None:
    """Here it ends with ActorStopped at once, whether it was put before or after the mailbox closed."""
    async with Supervisor("app", children=workers([], "a")) as app:
        ref = actor(app, "a")
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await ref.ask(Ask(), timeout=60)

            ref.tell("finish")
            ref.tell("too late")
            await app.terminate("a")
            for _ in range(3):
                nursery.start_soon(ask)
        assert trio.current_time() < 10_000


async def test_thespian_a_message_that_crashes_is_handled_twice(autojump_clock: object) -> None:
    """Here once, unless its mailbox says how often it may be delivered again."""
    log: Log = []

    class Counting(Worker):
        async def receive(self, message: Message, /) -> Answer | None:
            self.log.append("tried")
            raise ValueError

    for redeliver, tries in ((0, 1), (2, 3)):
        log.clear()
        make = lambda again=redeliver: Reject[Any](redeliver=again)  # noqa: E731
        async with Supervisor("app", children=[ChildSpec(Counting, log, mailbox=make, expected=(ValueError,))]) as app:
            actor(app, "Counting").tell("poison")
            await trio.sleep(1)
        assert log.count("tried") == tries


# ---- supervision elsewhere


async def test_otpylib_every_victim_of_a_shared_restart_costs_one(autojump_clock: object) -> None:
    """Here an event costs one, whatever the number of siblings it takes along."""
    log: Log = []
    async with Supervisor("app", "one_for_all", workers(log, "abcd"), max_restarts=1) as app:
        actor(app, "c").tell("crash")
        await trio.sleep(1)
        assert app.count().active == 4
    assert sum(line.startswith("+") for line in log) == 8


async def test_otpylib_siblings_are_told_to_stop_but_not_awaited(autojump_clock: object) -> None:
    """Here no child starts before the whole set has ended, and neither does the block end before it."""
    log: Log = []
    async with Supervisor("app", "one_for_all", workers(log, "abc")) as app:
        actor(app, "a").tell("crash")
        await trio.sleep(1)
    assert log == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "+b", "+c", "-c", "-b", "-a"]


def test_bastion_an_exponential_backoff_that_is_linear() -> None:
    """Here the ceiling doubles."""
    assert [ExponentialBackoff(1.0, 100.0).ceiling(count) for count in range(1, 6)] == [1, 2, 4, 8, 16]
