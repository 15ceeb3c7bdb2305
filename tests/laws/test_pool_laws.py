"""Laws of pools: which worker gets a message, under crashes and restarts, and what the counts say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import cast

import trio
import trio.testing
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import Actor, ChildSpec, PoolSpec, Supervisor
from ds_actors.testing import run_virtual

steps = st.lists(st.sampled_from(["tell", "tell", "tell", "crash", "settle"]), max_size=40)
sizes = st.integers(1, 5)
keys = st.one_of(st.integers(), st.text(max_size=3), st.tuples(st.integers(0, 3), st.booleans()))


@define(eq=False)
class Noting(Actor[object]):
    got: defaultdict[str, list[object]]

    async def receive(self, message: object, /) -> None:
        self.got[self.context.name].append(message)
        if isinstance(message, ValueError):
            raise message


@given(steps, sizes)
def test_round_robin_goes_round_whatever_crashes(story: list[str], size: int) -> None:
    """The nth message goes to worker n modulo the size; every one is handled or failed, and the counts add up."""

    async def tell_it() -> None:
        got: defaultdict[str, list[object]] = defaultdict(list)
        sent: list[object] = []
        async with Supervisor("app") as app:
            pool = await app.start(PoolSpec("pool", ChildSpec(Noting, got), size, max_restarts=10**6))
            for number, what in enumerate(story):
                if what == "settle":
                    await trio.testing.wait_all_tasks_blocked()
                    continue
                sent.append(ValueError(number) if what == "crash" else number)
                assert pool.tell(sent[-1])
                counts = pool.statistics()
                assert counts.offered == counts.accepted == len(sent)
                assert counts.offered == counts.handled + counts.failed + counts.queued + counts.in_hand
            await trio.testing.wait_all_tasks_blocked()
            counts = pool.statistics()
            crashes = sum(isinstance(message, ValueError) for message in sent)
            assert (counts.handled, counts.failed) == (len(sent) - crashes, crashes)
            assert sum(ref.statistics().offered for ref in pool.actors()) == len(sent)
        assert got == {str(at + 1): sent[at::size] for at in range(min(size, len(sent)))}

    run_virtual(tell_it)


@given(st.lists(keys, max_size=40), sizes, st.sets(st.integers(0, 39)))
def test_a_key_has_one_worker_whatever_crashes(story: list[object], size: int, crashes: set[int]) -> None:
    """And that worker gets its messages in order."""

    async def tell_it() -> None:
        got: defaultdict[str, list[object]] = defaultdict(list)
        async with Supervisor("app") as app:
            spec: PoolSpec[object] = PoolSpec("pool", ChildSpec(Noting, got), size, route=key_of, max_restarts=10**6)
            pool = await app.start(spec)
            for number, key in enumerate(story):
                assert pool.tell((key, number))
                if number in crashes:
                    crash = ValueError(number)
                    crash.key = key  # type: ignore[attr-defined]
                    assert pool.tell(crash)
                    await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
        homes: defaultdict[object, set[str]] = defaultdict(set)
        for name, messages in got.items():
            numbers = [cast("tuple[object, int]", each)[1] for each in messages if isinstance(each, tuple)]
            assert numbers == sorted(numbers)
            for message in messages:
                homes[key_of(message)].add(name)
        assert all(len(names) == 1 for names in homes.values())
        assert sum(map(len, got.values())) == len(story) + len(crashes & set(range(len(story))))

    run_virtual(tell_it)


def key_of(message: object) -> Hashable:
    if isinstance(message, tuple):
        return cast("tuple[Hashable, int]", message)[0]
    return cast("Hashable", getattr(message, "key", None))


@given(st.lists(st.booleans(), max_size=40), sizes)
def test_least_loaded_never_passes_by_a_worker_with_less(story: list[bool], size: int) -> None:
    """Without handling in between, the loads differ by one at most."""

    async def tell_it() -> None:
        got: defaultdict[str, list[object]] = defaultdict(list)
        async with Supervisor("app") as app:
            pool = await app.start(PoolSpec("pool", ChildSpec(Noting, got), size, route="least_loaded"))
            for number, handle in enumerate(story):
                assert pool.tell(number)
                loads = [ref.statistics().queued for ref in pool.actors()]
                assert max(loads) - min(loads) <= 1
                if handle:
                    await trio.testing.wait_all_tasks_blocked()

    run_virtual(tell_it)
