"""Laws M4 to M6 on live actors: watches, the endings of asks, and senders that no receiver can harm.

M1 to M3, of mailboxes alone, are in `test_mailbox_laws.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytest
import trio
import trio.testing
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    AskFailed,
    AskTimeout,
    ChildSpec,
    Conflate,
    DropOldest,
    ExponentialBackoff,
    Latest,
    Mailbox,
    Reject,
    Request,
    Supervisor,
)
from ds_actors.testing import Crashed, run_virtual

MAILBOXES: dict[str, Callable[[int], Mailbox[Any]]] = {
    "reject": Reject,
    "drop_oldest": DropOldest,
    "latest": lambda _: Latest(),
    "conflate": lambda n: Conflate(lambda message: message, n),
}


class Busy(Actor[int]):
    """Watches, and has a gate before each message."""

    def __init__(self, watched: list[ActorRef[int]], seen: list[int], gate: trio.MemoryReceiveChannel[str]) -> None:
        self.watched, self.seen, self.gate = watched, seen, gate

    async def started(self) -> None:
        # Once: a watch outlives the watcher's restarts; a new watch on a stopped actor is notified again.
        while self.watched:
            self.context.watch(self.watched[-1], -len(self.watched))
            self.watched.pop()

    async def receive(self, message: int, /) -> None:
        word = await self.gate.receive()
        self.seen.append(message)
        if word == "crash":
            raise Crashed("as asked")


class Idle(Actor[int]):
    async def receive(self, message: int, /) -> None:
        raise AssertionError


@pytest.mark.parametrize("name", sorted(MAILBOXES))
@given(
    st.integers(2, 4),
    st.integers(1, 4),
    st.lists(st.sampled_from(["tell", "tell", "tell", "end", "end", "handle", "crash"]), max_size=30),
)
def test_no_mailbox_policy_loses_the_notice_of_a_watch(name: str, capacity: int, count: int, script: list[str]) -> None:
    """It arrives exactly once, however full the mailbox is and whatever crashes; and the bound holds all the same."""
    seen: list[int] = []

    async def main() -> None:
        let, gate = trio.open_memory_channel[str](0)
        async with Supervisor("app", max_restarts=100) as app:
            watched = [await app.start(Idle, name=f"{number}", restart="temporary") for number in range(count)]
            ref = await app.start(Busy, [*watched], seen, gate, mailbox=lambda: MAILBOXES[name](capacity))
            told = 0
            for action in [*script, *["end"] * count]:
                if action == "tell":
                    told += 1
                    ref.tell(told)
                elif action == "end":
                    left = [number for number, watch in enumerate(watched) if not watch.stopped]
                    if left:
                        await app.terminate(f"{left[0]}")
                elif gate.statistics().tasks_waiting_receive:
                    await let.send(action)
                await trio.testing.wait_all_tasks_blocked()
                counts = ref.statistics()
                assert counts.queued + counts.in_hand <= capacity
            while gate.statistics().tasks_waiting_receive:
                await let.send("handle")
                await trio.testing.wait_all_tasks_blocked()

    run_virtual(main)
    assert sorted(number for number in seen if number < 0) == sorted(-1 - number for number in range(count))


@frozen
class Job(Request[int]):
    """How a request ends, and how long that takes (seconds)."""

    how: Literal["answer", "forget", "crash", "later"]
    takes: int
    gap: int
    """Since the one before."""
    patience: int
    number: int = 0


class Server(Actor[Job]):
    async def receive(self, message: Job, /) -> Answer | None:
        if message.how == "later":
            self.context.spawn(self.later, message, self.context.defer(message))
            return None
        await trio.sleep(message.takes)
        if message.how == "crash":
            raise Crashed("as asked")
        return message.answer(message.number) if message.how == "answer" else None

    async def later(self, message: Job, later: Any) -> None:
        await trio.sleep(message.takes + 0.125)
        for _ in range(2):
            later.answer(message.number)


Ending = tuple[float, str]


def expected(jobs: list[Job], stop: float) -> tuple[list[Ending], int]:
    """Return how and when each ask ends, and the number of crashes, for one sequential server."""
    endings: list[Ending] = []
    now, free, crashes = 0.0, 0.0, list[float]()
    deferred: dict[int, tuple[float, float, int]] = {}
    for job in jobs:
        now += job.gap
        latest = now + job.patience + 0.5
        begins = max(now, free)
        if now > stop:
            endings.append((now, "ActorStopped"))
        elif begins > min(latest, stop):  # it was still in the queue
            endings.append((latest, "AskTimeout") if latest < stop else (stop, "ActorStopped"))
        elif job.how == "later":
            deferred[len(endings)] = begins + job.takes + 0.125, latest, len(crashes)
            endings.append((begins, "later"))
        else:
            free = begins + job.takes
            what = "answer" if job.how == "answer" else "AskFailed"
            endings.append(min((free, what), (latest, "AskTimeout"), (stop, "ActorStopped")))
            if job.how == "crash" and free < stop:
                crashes.append(free)
    for place, (answered, latest, before) in deferred.items():
        over = [*crashes, stop][before]  # with the next crash after it, or at the end
        endings[place] = min((answered, "answer"), (latest, "AskTimeout"), (over, "AskDropped"))
    return endings, len(crashes)


@given(
    st.lists(
        st.builds(
            Job,
            st.sampled_from(["answer", "answer", "forget", "crash", "later"]),
            st.integers(0, 4),
            st.integers(1, 3),
            st.integers(0, 9),
        ),
        max_size=12,
    ),
    st.integers(0, 40),
)
def test_an_ask_ends_exactly_once(jobs: list[Job], stop: int) -> None:
    """When and as the first comes: the reply, its failure, its time, the end; a later reply is without effect (M5)."""
    endings: dict[int, Ending] = {}
    replies: dict[int, int] = {}
    restarts: list[int] = []

    async def main() -> None:
        began = trio.current_time()

        async def ask(job: Job, number: int) -> None:
            ending, why = "answer", None
            try:
                replies[number] = await ref.ask(evolve(job, number=number), timeout=job.patience + 0.5)
            except (AskFailed, AskDropped, AskTimeout, ActorStopped) as error:
                ending, why = type(error).__name__, error.__cause__
            assert number not in endings
            assert (number in replies) == (ending == "answer")
            assert isinstance(why, Crashed) == (ending == "AskFailed" and job.how == "crash")
            endings[number] = (trio.current_time() - began, ending)

        async with trio.open_nursery() as nursery, Supervisor("app", max_restarts=100) as app:
            ref = await app.start(Server, name="server", grace=0, expected=(Crashed,))

            async def end() -> None:
                await trio.sleep(stop + 0.25)
                restarts.append(app.tree().children[0].restarts)
                await app.terminate("server")

            nursery.start_soon(end)
            for number, job in enumerate(jobs):
                await trio.sleep(job.gap)
                nursery.start_soon(ask, job, number)
            await trio.sleep(100)

    run_virtual(main)
    wanted, crashes = expected(jobs, stop + 0.25)
    assert [endings[number] for number in range(len(jobs))] == wanted
    assert restarts == [crashes]
    assert all(number == reply for number, reply in replies.items())


@pytest.mark.parametrize("name", MAILBOXES)
@given(
    st.integers(2, 4),
    st.lists(
        st.sampled_from(["tell", "tell", "tell", "tell", "handle", "crash", "later", "terminate", "restart"]),
        max_size=40,
    ),
)
def test_a_tell_never_raises_into_the_sender(name: str, capacity: int, script: list[str]) -> None:
    """It says whether the message was let in: by one that is full, waits for its restart, or is gone for good (M6)."""

    async def main() -> None:
        let, gate = trio.open_memory_channel[str](0)
        said: list[bool] = []

        class Sender(Actor[int]):
            async def receive(self, message: int, /) -> None:
                said.append(ref.tell(message))

        backoff = ExponentialBackoff(8.0, 8.0)
        factory = partial(Busy, list[ActorRef[int]](), list[int](), gate)
        make = partial(MAILBOXES[name], capacity)
        spec = ChildSpec(factory, name="busy", backoff=backoff, mailbox=make, expected=(Crashed,))
        async with Supervisor("app", random=lambda: 0.5) as app:
            ref = await app.start(spec)
            sender = await app.start(Sender, name="sender")
            for number, action in enumerate(script):
                before = ref.statistics()
                if action == "tell":
                    sender.tell(number)
                    await trio.testing.wait_all_tasks_blocked()
                    after = ref.statistics()
                    assert after.offered - before.offered == (not ref.stopped)
                    assert said.pop() == (after.accepted > before.accepted)
                    full = before.queued + before.in_hand >= capacity
                    assert ref.stopped or name in ("drop_oldest", "latest") or (after.refused > before.refused) == full
                elif action in ("handle", "crash") and before.in_hand:
                    await let.send(action)
                elif action == "later":
                    await trio.sleep(2)
                elif action == "terminate":
                    await app.terminate("busy")
                elif action == "restart" and ref.stopped:
                    old = ref
                    found = await app.restart("busy")
                    assert isinstance(found, ActorRef)
                    ref = found
                    assert not old.tell(number)
                await trio.testing.wait_all_tasks_blocked()
                assert ref.statistics().queued + ref.statistics().in_hand <= capacity
            assert app.tree().children[-1].restarts == 0

    run_virtual(main)
