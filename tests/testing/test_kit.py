"""The test kit, used as a test would use it."""

from __future__ import annotations

import pytest
import trio
from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    ChildSpec,
    Exit,
    ExponentialBackoff,
    Request,
    StartFailed,
    Supervisor,
    SupervisorSpec,
)
from ds_actors.testing import Crashed, FailingStarts, Probe, assert_no_leftover_tasks, crash, run_virtual


@frozen
class Price(Request[int]):
    of: str


@define
class Buyer(Actor[str]):
    shop: ActorRef[Price | str]

    async def receive(self, message: str, /) -> None:
        price = await self.shop.ask(Price(message), timeout=5)
        self.shop.tell(f"{message} for {price}")


async def test_a_probe_receives_answers_and_records() -> None:
    """It stands for an actor: asks are answered by the test, messages are recorded in order."""
    async with Supervisor("app") as app:
        shop = Probe[Price | str]("shop")
        buyer = await app.start(Buyer, shop.ref)
        buyer.tell("tea")
        request = await shop.expect(Price)
        shop.answer(request.answer(3))
        assert await shop.expect(str) == "tea for 3"
        assert shop.received == [Price("tea"), "tea for 3"]
        await shop.expect_nothing(seconds=0)


async def test_a_probe_says_what_did_not_come(autojump_clock: trio.testing.MockClock) -> None:
    """The assertion names the earlier messages, the unexpected one, and a message that expects no answer."""
    probe = Probe[str]()
    probe.ref.tell("first")
    with pytest.raises(AssertionError, match="expected int, got 'first'"):
        await probe.expect(int)
    with pytest.raises(AssertionError, match=r"within 1 s; before that came \['first'\]"):
        await probe.receive()
    with pytest.raises(AssertionError, match="sent by tell"):
        probe.answer(Price("").answer(1))
    probe.ref.tell("second")
    with pytest.raises(AssertionError, match="expected no message, got 'second'"):
        await probe.expect_nothing()


async def test_a_stopped_probe_is_gone() -> None:
    """Its asks end, and it takes nothing more."""
    probe = Probe[Price]()

    async def ask() -> None:
        with pytest.raises(ActorStopped):
            await probe.ref.ask(Price("tea"), timeout=5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        probe.stop()
    assert probe.ref.stopped
    assert not probe.ref.tell(Price("tea"))


def test_virtual_time_makes_a_day_short() -> None:
    """A day passes, and what it returns comes out."""

    async def day(hours: int) -> float:
        await trio.sleep(3_600 * hours)
        return trio.current_time()

    assert run_virtual(day, 24) == 86_400


async def test_leftover_tasks_are_named() -> None:
    """A tree leaves none; a task in another nursery is one."""
    async with assert_no_leftover_tasks():
        async with Supervisor("app") as app:
            await app.start(Buyer, Probe[Price | str]().ref)
    async with trio.open_nursery() as nursery:
        with pytest.raises(AssertionError, match=r"1 tasks still run: .*sleep_forever"):
            async with assert_no_leftover_tasks():
                nursery.start_soon(trio.sleep_forever)
        nursery.cancel_scope.cancel()


async def test_the_blocks_own_error_comes_out() -> None:
    """Leftovers do not hide it."""
    with pytest.raises(KeyError):
        async with assert_no_leftover_tasks():
            raise KeyError


@define
class Sleeper(Actor[str]):
    """Records its events in a list that outlives it."""

    notes: list[str]

    async def started(self) -> None:
        self.notes.append(f"started {self.context.incarnation}")

    async def receive(self, message: str, /) -> None:
        self.notes.append(message)
        await trio.sleep_forever()

    async def stopping(self, exit: Exit, /) -> None:
        self.notes.append(f"{exit.kind} with {exit.crash}")


async def test_an_actor_crashes_on_command_in_the_middle_of_a_message(autojump_clock: object) -> None:
    """Its supervisor starts it again as after any crash, the message in hand is lost, the queued one is handled."""
    notes: list[str] = []
    async with Supervisor("app") as app:
        nested = await app.start(SupervisorSpec("nested", children=[ChildSpec(Sleeper, notes, name="a/b")]))
        [sleeper] = nested.actors()
        sleeper.tell("one")
        sleeper.tell("two")
        await trio.testing.wait_all_tasks_blocked()
        await crash(app, sleeper, ValueError("as asked"))
        await trio.testing.wait_all_tasks_blocked()
        assert notes == ["started 1", "one", "crashed with as asked", "started 2", "two"]
        await crash(nested, "a%2fb")
        assert nested.tree().children[0].restarts == 2
        assert sleeper.statistics().failed == 2


async def test_what_does_not_run_cannot_crash(autojump_clock: object) -> None:
    """Nothing there, a supervisor, an actor that waits for its restart, oneself: each error says which."""

    class SelfCrasher(Actor[str]):
        async def receive(self, message: str, /) -> None:
            await crash(app, self.context.ref)

    async with Supervisor("app", random=lambda: 0.5) as app:
        await app.start(SupervisorSpec("nested"))
        await app.start(Sleeper, list[str](), name="sleeper", backoff=ExponentialBackoff())
        with pytest.raises(LookupError):
            await crash(app, "nobody")
        with pytest.raises(RuntimeError, match="is a supervisor"):
            await crash(app, "nested")
        await crash(app, "sleeper")
        with pytest.raises(RuntimeError, match="is not running"):
            await crash(app, "sleeper")
        suicidal = await app.start(SelfCrasher, name="suicidal", expected=(RuntimeError,))
        suicidal.tell("now")
        await trio.testing.wait_all_tasks_blocked()
        assert "cannot wait for its own crash" in app.tree().children[2].error


async def test_starts_fail_on_command(autojump_clock: object) -> None:
    """Those with the given numbers do; the next one is the supervisor's answer."""
    made = FailingStarts(Sleeper, {1, 3})
    async with Supervisor("app") as app:
        with pytest.raises(StartFailed) as caught:
            await app.start(made, list[str]())
        assert isinstance(caught.value.__cause__, Crashed)
        sleeper = await app.start(made, list[str](), name="sleeper")
        await crash(app, sleeper)
        await trio.testing.wait_all_tasks_blocked()
        assert made.starts == 4
        assert app.tree().children[0].restarts == 2
