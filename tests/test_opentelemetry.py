"""The sender's context reaches `receive`, and each message has a span where that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Token
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from ds_actors import (
    EMPTY,
    Actor,
    ActorRef,
    Answer,
    ChildSpec,
    Conflate,
    DropOldest,
    Exit,
    ExponentialBackoff,
    Group,
    Latest,
    Mailbox,
    PoolSpec,
    Reject,
    Request,
    Supervisor,
)
from ds_actors.asyncio import SupervisorThread
from ds_actors.opentelemetry import TracedMailbox, traced


@pytest.fixture(name="exporter")
def _exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture(name="tracer")
def _tracer(exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


@frozen
class Tell:
    number: int = 0


@frozen
class Ask(Request[str]):
    number: int = 0


@define
class Noting(Actor[Tell | Ask]):
    """Notes the user in each message's baggage, and passes messages on."""

    noted: list[str]
    next: ActorRef[Tell | Ask] | None = None
    fails: int = 0

    async def receive(self, message: Tell | Ask, /) -> Answer | None:
        self.noted.append(f"{baggage.get_baggage('user')}")
        await trio.lowlevel.checkpoint()
        if self.fails:
            self.fails -= 1
            raise ValueError("a bug")
        if isinstance(message, Ask):
            if self.next is not None:
                return message.answer(await self.next.ask(Ask(), timeout=1))
            return message.answer(f"{baggage.get_baggage('user')}")
        if self.next is not None:
            self.next.tell(message)
        return None


def by(user: str) -> Token[Context]:
    """Make a user known to what follows; return the token that ends it."""
    return context.attach(baggage.set_baggage("user", user))


async def test_each_message_is_handled_in_the_context_of_its_sender(autojump_clock: object) -> None:
    """Also when it is passed on by another actor; without a traced mailbox, it is not."""
    first, second, plain = list[str](), list[str](), list[str]()
    async with Supervisor("app") as app:
        last = await app.start(Noting, second, mailbox=traced())
        ref = await app.start(Noting, first, last, mailbox=traced())
        other = await app.start(Noting, plain)
        for user in ("alice", "bob"):
            by(user)
            ref.tell(Tell())
            other.tell(Tell())
        assert await ref.ask(Ask(), timeout=1) == "bob"
        by("nobody else")
        await trio.testing.wait_all_tasks_blocked()
    assert first == ["alice", "bob", "bob"]
    assert second == ["alice", "bob", "bob"]
    assert plain == ["None", "None"]


async def test_between_messages_an_actor_has_its_own_context(autojump_clock: object) -> None:
    """What one message brought is not there for what the actor does by itself."""
    seen: list[object] = []

    class Own(Actor[Tell]):
        async def run(self) -> None:
            message = await self.inbox.take()
            seen.append(baggage.get_baggage("user"))
            self.inbox.settle(message)
            seen.append(baggage.get_baggage("user"))

    async with Supervisor("app") as app:
        ref = await app.start(Own, mailbox=traced(), restart="temporary")
        by("alice")
        ref.tell(Tell())
        await trio.testing.wait_all_tasks_blocked()
    assert seen == ["alice", None]


@pytest.mark.parametrize("backoff", [None, ExponentialBackoff()])
async def test_after_a_crash_an_actor_has_its_own_context(
    backoff: ExponentialBackoff | None, autojump_clock: object
) -> None:
    """The next incarnation has nothing of the message that crashed the one before it."""
    seen: list[object] = []

    class Crashing(Actor[Tell]):
        async def started(self) -> None:
            seen.append(baggage.get_baggage("user"))

        async def stopping(self, exit: Exit, /) -> None:
            if exit.crash is None:
                seen.append(baggage.get_baggage("user"))

        async def receive(self, message: Tell, /) -> None:
            raise ValueError("a bug")

    async with Supervisor("app") as app:
        ref = await app.start(Crashing, mailbox=traced(), backoff=backoff)
        token = by("alice")
        ref.tell(Tell())
        context.detach(token)
        await trio.sleep(60)
    assert seen == [None, None, None]


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_span_per_message_is_the_child_of_its_senders(
    exporter: InMemorySpanExporter, tracer: Tracer, autojump_clock: object
) -> None:
    """With the attributes of the semantic conventions, and without the message's contents."""
    async with Supervisor("app") as app:
        last = await app.start(Noting, list[str](), name="last", mailbox=traced(spans=True, tracer=tracer))
        ref = await app.start(Noting, list[str](), last, name="first", mailbox=traced(spans=True, tracer=tracer))
        with tracer.start_as_current_span("request"):
            assert await ref.ask(Ask(4711), timeout=1) == "None"
    found = spans(exporter)
    request, first, second = found["request"], found["process /app/first"], found["process /app/last"]
    assert first.parent == request.get_span_context()
    assert second.parent == first.get_span_context()
    assert first.kind is SpanKind.CONSUMER
    assert dict(first.attributes or {}) == {
        "messaging.system": "ds_actors",
        "messaging.operation.name": "receive",
        "messaging.operation.type": "process",
        "messaging.destination.name": "/app/first",
        "ds_actors.message.type": "Ask",
    }
    assert "4711" not in first.to_json()
    assert first.status.status_code is StatusCode.UNSET


async def test_a_crash_makes_the_span_an_error_and_a_redelivery_has_another(
    exporter: InMemorySpanExporter, tracer: Tracer, autojump_clock: object
) -> None:
    """Both belong to the sender's trace."""
    noted: list[str] = []
    crashes = iter([1, 0])
    async with Supervisor("app") as app:
        mailbox = traced(lambda: Reject(redeliver=1), spans=True, tracer=tracer)
        ref = await app.start(
            lambda: Noting(noted, fails=next(crashes)), name="it", mailbox=mailbox, backoff=ExponentialBackoff()
        )
        by("alice")
        with tracer.start_as_current_span("request") as request:
            ref.tell(Tell())
        await trio.sleep(60)
    assert noted == ["alice", "alice"]
    both = [span for span in exporter.get_finished_spans() if span.name == "process /app/it"]
    assert [span.status.status_code for span in both] == [StatusCode.ERROR, StatusCode.UNSET]
    assert {span.parent and span.parent.span_id for span in both} == {request.get_span_context().span_id}


async def test_groups_and_pools_carry_it_too(autojump_clock: object) -> None:
    """They are loops of tells."""
    noted: list[str] = []
    async with Supervisor("app") as app:
        spec = PoolSpec("pool", ChildSpec(Noting, noted, mailbox=traced()), 2)
        pool = await app.start(spec)
        group = Group[Tell | Ask]()
        group.join(await app.start(Noting, noted, mailbox=traced()))
        by("alice")
        group.publish(Tell())
        pool.tell(Tell())
        await trio.testing.wait_all_tasks_blocked()
    assert noted == ["alice", "alice"]


def test_the_context_of_an_asyncio_task_crosses_to_trio() -> None:
    """With every tell, ask and call of a SupervisorThread."""

    async def main() -> None:
        noted: list[str] = []
        async with SupervisorThread(Supervisor("app")) as app:
            ref = await app.run(lambda: app.supervisor.start(Noting, noted, mailbox=traced()))
            token = context.attach(baggage.set_baggage("user", "alice"))
            app.tell(ref, Tell())
            assert await app.ask(ref, Ask(), timeout=5) == "alice"
            assert await app.run_sync(baggage.get_baggage, "user") == "alice"
            context.detach(token)
        assert noted == ["alice", "alice"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Latest, ["carol"]),
        (partial(DropOldest[Any], 2), ["bob", "carol"]),
        (partial(Conflate[Any], type), ["carol"]),
        (partial(Reject[Any], 2), ["alice", "bob"]),
    ],
    ids=["latest", "drops the oldest", "conflates", "rejects"],
)
def test_one_object_that_is_told_again_and_again_comes_with_the_contexts_of_those_that_are_kept(
    make: Callable[[], Mailbox[Any]], expected: list[str]
) -> None:
    """As different objects do: an enum's member is the same one each time."""
    for again in (False, True):
        box, found = TracedMailbox(make()), list[str]()
        message = Tell()
        for user in ("alice", "bob", "carol"):
            token = context.attach(baggage.set_baggage("user", user))
            box.put(message if again else Tell(), 0.0)
            context.detach(token)
        token = context.attach(context.get_current())
        while (taken := box.take(0.0)) is not EMPTY:
            found.append(str(baggage.get_baggage("user")))
            box.settle(taken, 0.0)
        context.detach(token)
        assert found == expected
        assert not box._brought


MAILBOXES: dict[str, Callable[[], Mailbox[Any]]] = {
    "reject": lambda: Reject(3),
    "redelivers": lambda: Reject(3, redeliver=2),
    "drops the oldest": lambda: DropOldest(3),
    "latest": Latest,
    "conflates": lambda: Conflate(lambda message: message.number % 2, 3, redeliver=1),
}


@given(
    st.sampled_from(sorted(MAILBOXES)),
    st.lists(st.one_of(st.integers(0, 4), st.sampled_from(["take", "settle", "interrupt"])), max_size=40),
)
def test_whatever_a_mailbox_does_each_message_has_its_own_context(kind: str, steps: list[int | str]) -> None:
    """And nothing is remembered of messages that are gone; the counts are those of the mailbox inside."""
    box = TracedMailbox(MAILBOXES[kind]())
    messages = [Tell(number) for number in range(5)]
    hand: Any = EMPTY
    for number, step in enumerate(steps):
        if isinstance(step, int):
            token = context.attach(baggage.set_baggage("user", f"{step} {number}"))
            box.put(messages[step], 0.0)
            context.detach(token)
        elif step == "take":
            token = context.attach(context.get_current())
            found = box.take(0.0)
            if found is not EMPTY:
                hand = found
                assert str(baggage.get_baggage("user")).split()[0] == str(hand.number)
            context.detach(token)
        elif hand is not EMPTY:
            token = context.attach(context.get_current())
            if step == "settle":
                box.settle(hand, 0.0)
            else:
                box.interrupted(0.0)
            hand = EMPTY
            context.detach(token)
        assert sum(map(len, box._brought.values())) == box.statistics().queued
    box.close(0.0)
    assert not box._brought
