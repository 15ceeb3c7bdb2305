"""The test kit, used as a test would use it."""

from __future__ import annotations

import pytest
import trio
from attrs import define, frozen

from ds_actors import Actor, ActorRef, ActorStopped, Request, Supervisor
from ds_actors.testing import Probe, assert_no_leftover_tasks, run_virtual


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
    """The assertion names what came before, what came instead, and what nobody asked."""
    probe = Probe[str]()
    probe.ref.tell("first")
    with pytest.raises(AssertionError, match="expected int, got 'first'"):
        await probe.expect(int)
    with pytest.raises(AssertionError, match=r"within 1 s; before that came \['first'\]"):
        await probe.receive()
    with pytest.raises(AssertionError, match="told, not asked"):
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
    """A tree leaves none; a task in somebody else's nursery is one."""
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
