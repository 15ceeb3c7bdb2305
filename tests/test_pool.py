"""Pools: routing, restarts, counts, and what is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing
from attrs import define, frozen

from ds_actors import (
    Actor,
    ActorStopped,
    Answer,
    ChildSpec,
    Conflate,
    DeadLetter,
    ExponentialBackoff,
    MailboxStatistics,
    PoolRef,
    PoolSpec,
    Reject,
    Request,
    Supervisor,
    SupervisorSpec,
    TelemetryEvent,
)


@frozen
class WhoAmI(Request[str]):
    key: Any = None


Job = int | str | WhoAmI
Got = defaultdict[str, list[int | str]]


@define(eq=False)
class Worker(Actor[Job]):
    """Notes its jobs under its name; "crash" is a crash, "stop" an end, and "wait" waits for ever."""

    got: Got

    async def receive(self, message: Job, /) -> Answer | None:
        if isinstance(message, WhoAmI):
            return message.answer(self.context.name)
        self.got[self.context.name].append(message)
        match message:
            case "crash":
                raise ValueError(message)
            case "stop":
                self.context.stop()
            case "wait":
                await trio.sleep_forever()
            case _:
                pass
        return None


def workers(got: Got, size: int = 3, worker: Mapping[str, Any] | None = None, **options: Any) -> PoolSpec[Job]:
    settings: dict[str, Any] = {"grace": 0.0, **(worker or {})}
    pool: dict[str, Any] = {"max_restarts": 10**6, **options}
    return PoolSpec("pool", ChildSpec(Worker, got, **settings), size, **pool)


def key_of(job: Job) -> Job:
    return job.key if isinstance(job, WhoAmI) else job


def one_key(_job: Job) -> int:
    return 0


def in_a_list(job: Job) -> list[Job]:
    return [job]


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_round_robin_gives_each_worker_its_turn(autojump_clock: object) -> None:
    """Whichever reference is used."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got))
        found = cast("PoolRef[Job]", app.find("pool"))
        assert (repr(pool), found) == ("<PoolRef /app/pool>", pool)
        assert all((pool if number % 2 else found).tell(number) for number in range(7))
        await settle()
        assert got == {"1": [0, 3, 6], "2": [1, 4], "3": [2, 5]}
        assert await pool.ask(WhoAmI(), timeout=1) == "2"
        await pool.send(9)
        await settle()
        assert got["3"][-1] == 9


async def test_least_loaded_gives_a_message_to_the_worker_with_the_fewest(autojump_clock: object) -> None:
    """Queued and in hand; the idle ones take turns."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, route="least_loaded"))
        for _ in range(2):
            pool.tell("wait")
            await settle()
        for number in range(4):
            pool.tell(number)
            await settle()
        assert got == {"1": ["wait"], "2": ["wait"], "3": [0, 1, 2, 3]}
        pool.tell("wait")
        await settle()
        for number in range(6):
            pool.tell(number)
        assert pool.statistics().queued == 6
        assert [ref.statistics().queued for ref in pool.actors()] == [2, 2, 2]


async def test_least_loaded_counts_what_waits_in_a_conflating_mailbox(autojump_clock: object) -> None:
    """One of each key: a busy worker with three gets none of the next three."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, 2, {"mailbox": partial(Conflate[Job], key_of)}, route="least_loaded"))
        for _ in range(2):
            pool.tell("wait")
            await settle()
        assert got == {"1": ["wait"], "2": ["wait"]}
        first, second = pool.actors()
        assert all(first.tell(number) for number in range(3))
        assert all(pool.tell(number) for number in range(3))
        assert (first.statistics().queued, second.statistics().queued) == (3, 3)


class Foreign:
    """A mailbox of another kind."""

    timed = False

    def __init__(self, *, fails: bool = False) -> None:
        self._inner = Reject[Job]()
        self._fails = fails

    def statistics(self) -> MailboxStatistics:
        if self._fails:
            raise LookupError("no")
        return self._inner.statistics()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_least_loaded_knows_mailboxes_of_other_kinds(autojump_clock: object) -> None:
    """By their statistics; one that fails to return them counts as empty."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, 2, {"mailbox": Foreign}, route="least_loaded"))
        pool.tell("wait")
        await settle()
        for number in range(3):
            pool.tell(number)
            await settle()
        assert got == {"1": ["wait"], "2": [0, 1, 2]}
        await app.terminate(pool)
        app.delete(pool)
        broken = await app.start(workers(got, 2, {"mailbox": partial(Foreign, fails=True)}, route="least_loaded"))
        assert broken.tell(4)
        assert broken.statistics().offered == 0


async def test_one_worker_gets_all_messages_of_a_key(autojump_clock: object) -> None:
    """In order, and across a worker's crash and a restart of the pool."""
    got: Got = Got(list)
    async with Supervisor("app", max_restarts=9) as app:
        pool = await app.start(workers(got, 4, route=key_of))
        before = {key: await pool.ask(WhoAmI(key), timeout=1) for key in "abcdefgh"}
        assert len(set(before.values())) > 1
        pool.tell("crash")
        await settle()
        assert {key: await pool.ask(WhoAmI(key), timeout=1) for key in "abcdefgh"} == before
        await app.terminate(pool)
        again = cast("PoolRef[Job]", await app.restart(pool))
        assert {key: await again.ask(WhoAmI(key), timeout=1) for key in "abcdefgh"} == before


async def test_a_crashed_workers_queue_survives(autojump_clock: object) -> None:
    """Only the message in hand is lost."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, 2, worker={"backoff": ExponentialBackoff(base=1, cap=1)}))
        for job in ("crash", 1, 2, 3, 4, 5):
            pool.tell(job)
        await trio.sleep(10)
        assert got == {"1": ["crash", 2, 4], "2": [1, 3, 5]}
        counts = pool.statistics()
        assert (counts.offered, counts.handled, counts.failed) == (6, 5, 1)


async def test_the_reference_stays_valid_when_the_pools_supervisor_restarts(autojump_clock: object) -> None:
    """Meanwhile a message is refused, and a dead letter."""
    got: Got = Got(list)
    events: list[TelemetryEvent] = []
    async with Supervisor("app", listeners=(events.append,)) as app:
        pool = await app.start(workers(got, 2, max_restarts=0, backoff=ExponentialBackoff(base=8, cap=8)))
        pool.tell("crash")
        await settle()
        assert not pool.tell(1)
        assert pool.statistics().queued == 0
        with pytest.raises(ActorStopped):
            await pool.send(1)
        with pytest.raises(ActorStopped):
            await pool.ask(WhoAmI(), timeout=1)
        await trio.sleep(20)
        assert pool.tell(2)
        await settle()
        assert [2] in got.values()
    assert not pool.tell(3)
    assert DeadLetter("/app/pool", "int", "no worker") in events


async def test_workers_that_are_gone_for_good_are_passed_by(autojump_clock: object) -> None:
    """With a key function, the messages of their keys are refused instead: no other worker may get them."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        for restart in ("temporary", "transient"):
            got.clear()
            pool = await app.start(workers(got, 2, worker={"restart": restart}))
            pool.tell("stop")
            await settle()
            assert all(pool.tell(number) for number in range(2))
            await settle()
            assert got == {"1": ["stop"], "2": [0, 1]}
            await app.terminate(pool)
            app.delete(pool)
        keyed = await app.start(workers(got, 1, route=one_key, worker={"restart": "temporary"}))
        keyed.tell("stop")
        await settle()
        assert not keyed.tell(1)
        with pytest.raises(ActorStopped, match="no worker"):
            await keyed.send(1)


async def test_a_full_worker_refuses_and_the_sum_says_so(autojump_clock: object) -> None:
    """Each count of the pool is the sum of its workers'."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, 2, worker={"mailbox": partial(Reject[Job], 1)}))
        assert [pool.tell("wait") for _ in range(4)] == [True, True, False, False]
        counts = pool.statistics()
        assert (counts.capacity, counts.offered, counts.accepted, counts.refused) == (2, 4, 2, 2)


async def test_what_mailboxes_drop_is_summed_by_reason(autojump_clock: object) -> None:
    """Here what a newer message of the same key replaced."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, 2, worker={"mailbox": partial(Conflate[Job], lambda _: 0)}))
        for number in range(6):
            pool.tell(number)
        assert sum(pool.statistics().dropped.values()) == 4
        assert len(pool.statistics().dropped) == 1


async def test_a_key_that_cannot_be_hashed_is_an_error_of_the_caller(autojump_clock: object) -> None:
    """The pool is not disturbed."""
    got: Got = Got(list)
    async with Supervisor("app") as app:
        pool = await app.start(workers(got, route=in_a_list))
        with pytest.raises(TypeError, match=r"must be hashable.* this one is of type list"):
            pool.tell(1)
        with pytest.raises(TypeError, match="must be hashable"):
            await pool.ask(WhoAmI(), timeout=1)
        assert pool.count().active == 3


@pytest.mark.parametrize("size", [0, -1, True, 2.5, None])
def test_a_pool_without_workers_is_refused(size: Any) -> None:
    """Where it is described."""
    with pytest.raises(ValueError, match="1 worker or more"):
        PoolSpec("pool", ChildSpec(Worker, Got(list)), size)


def test_a_pool_of_something_else_or_with_another_route_is_refused() -> None:
    """The errors say what to write."""
    worker: Any = Worker
    with pytest.raises(TypeError, match=r"ChildSpec\(\.\.\.\)"):
        PoolSpec("pool", worker, 2)
    route: Any = "random"
    with pytest.raises(ValueError, match="round_robin, least_loaded, or a function"):
        PoolSpec("pool", ChildSpec(Worker, Got(list)), 2, route=route)


async def test_another_thread_is_refused() -> None:
    """The error names the right way."""
    async with Supervisor("app") as app:
        pool = await app.start(workers(Got(list)))
        with pytest.raises(RuntimeError, match=r"trio\.from_thread"):
            await trio.to_thread.run_sync(pool.tell, 1)
        assert await trio.to_thread.run_sync(trio.from_thread.run_sync, pool.tell, 1)


async def test_a_pool_may_be_a_child_like_any_other(autojump_clock: object) -> None:
    """In a list of children, and below another supervisor."""
    got: Got = Got(list)
    team = SupervisorSpec("team", children=[workers(got, 2)])
    async with Supervisor("app", children=[team]) as app:
        pool = cast("PoolRef[Job]", app.find("team/pool"))
        assert pool.tell(1)
        assert [node.path for node in pool.tree().children] == ["/app/team/pool/1", "/app/team/pool/2"]
