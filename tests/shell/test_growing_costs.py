"""What many actors cost, and that what is no longer needed is not kept."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import trio
import trio.testing

from ds_actors import Actor, ChildSpec, ExponentialBackoff, Reject, Supervisor


class Busy(Actor[Any]):
    async def receive(self, message: Any, /) -> None:
        await trio.sleep_forever()


async def test_senders_that_timed_out_do_not_pile_up_behind_one_that_waits(autojump_clock: object) -> None:
    """Each is forgotten when it gives up, not when its turn comes."""
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        ref = await app.start(Busy, mailbox=lambda: Reject[Any](1), grace=0)
        ref.tell("in hand")
        nursery.start_soon(ref.send, "waits")
        await trio.testing.wait_all_tasks_blocked()
        for number in range(50):
            with trio.move_on_after(0.01):
                await ref.send(number)
        assert len(ref._cell.senders or ()) == 1
        nursery.cancel_scope.cancel()


async def test_cancelled_timers_do_not_pile_up_until_their_time(autojump_clock: object) -> None:
    """Children that are terminated while they wait out a backoff of an hour leave next to nothing."""

    class Crashing(Actor[Any]):
        async def receive(self, message: Any, /) -> None:
            raise ValueError

    backoff = ExponentialBackoff(base=3600, cap=3600)
    async with Supervisor("app", "dynamic", random=lambda: 0.9) as app:
        for number in range(500):
            ref = await app.start(
                ChildSpec(Crashing, name=f"{number}", backoff=backoff, expected=(ValueError,), restart="transient")
            )
            ref.tell("x")
            await trio.testing.wait_all_tasks_blocked()
            await app.terminate(ref)
        timers = app._living()._timers
        assert timers is not None
        assert len(timers._timers) < 150


class Held:
    """Something large in a local variable of a frame."""


async def test_only_the_newest_failure_keeps_the_frames_of_its_error(autojump_clock: object) -> None:
    """Older errors stay, for backoffs that look at them, but without tracebacks, which hold all local variables."""
    held = weakref.WeakSet[Held]()

    class Crashing(Actor[str]):
        async def receive(self, message: str, /) -> None:
            local = Held()
            held.add(local)
            try:
                raise KeyError(message)
            except KeyError as error:
                raise ExceptionGroup("as asked", [ValueError(message)]) from error

    backoff = ExponentialBackoff(base=0.01, cap=0.01)
    async with Supervisor("app") as app:
        ref = await app.start(Crashing, name="a", backoff=backoff, expected=(ExceptionGroup,))
        for number in range(5):
            ref.tell(f"{number}")
            await trio.sleep(1)
        failures = app._living().supervision.children["a"].failures
        assert [type(failure.error) for failure in failures] == [ExceptionGroup] * 5
        assert [failure.error.__traceback__ is None for failure in failures if failure.error] == [True] * 4 + [False]
        gc.collect()
        assert len(held) == 1


async def bytes_of_parked_actors(count: int) -> float:
    """Return how many bytes each of them takes, its spec and a reference included."""

    class Parked(Actor[Any]):
        async def receive(self, message: Any, /) -> None: ...

    tracemalloc.start()
    try:
        specs = [ChildSpec(Parked, name=f"actor-{number}") for number in range(count)]
        async with Supervisor("app", "dynamic", specs) as app:
            await trio.testing.wait_all_tasks_blocked()
            references = [app.find_actor(spec.name or "") for spec in specs]
            return tracemalloc.get_traced_memory()[0] / len(references)
    finally:
        tracemalloc.stop()


async def test_each_of_many_parked_actors_takes_less_than_1500_bytes() -> None:
    """And no more when there are five times as many. A trio task with a cancel scope takes 2,600."""
    await bytes_of_parked_actors(10)  # what is made once
    few, many = await bytes_of_parked_actors(200), await bytes_of_parked_actors(1_000)
    assert many < few
    assert many < 1_500
