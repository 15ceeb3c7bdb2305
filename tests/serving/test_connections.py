"""Connections without models, in virtual time: who is let in, who is alive, and when an answer counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing
from serving_kit import UPGRADE, masked, message, sample

from ds_actors.detectors import Finding, Thresholds
from ds_actors.serving import ClientLimits, QueueLimits
from ds_actors.serving._answers import SampleAnswer
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._listener import serve_stream
from ds_actors.serving._reception import MOST_ASKING, Reception

Dial = Callable[[], trio.abc.Stream]


@asynccontextmanager
async def reception(limits: ClientLimits) -> AsyncGenerator[tuple[Dispatcher, Dial]]:
    """Yield what connects a client to a service that has no model."""
    dispatcher = Dispatcher(QueueLimits(deadline=1_000.0), Thresholds())
    shared = Reception(dispatcher, None, limits)

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await serve_stream(shared, stream, "test")

    async with trio.open_nursery() as nursery:

        def dial() -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(serve, theirs)
            return ours

        yield dispatcher, dial
        nursery.cancel_scope.cancel()


async def ask(client: trio.abc.Stream) -> int:
    """Send the request, and return the status."""
    await client.send_all(UPGRADE)
    response = bytearray()
    while b"\r\n\r\n" not in response:
        received = await client.receive_some()
        assert received, "the connection ended without an answer"
        response += received
    return int(response.split()[1])


async def test_as_many_connections_as_there_are_places_are_accepted(autojump_clock: trio.testing.MockClock) -> None:
    """Also when all ask at the same moment."""
    async with reception(ClientLimits(connections=3)) as (dispatcher, dial):
        clients = [dial() for _ in range(9)]
        statuses: list[int] = []

        async def count(client: trio.abc.Stream) -> None:
            statuses.append(await ask(client))

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(count, client)
        assert sorted(statuses) == [101] * 3 + [503] * 6
        assert dispatcher.connections == 3
        assert dispatcher.refused == {"503": 6}
        for client in clients:
            await client.aclose()
        await trio.sleep(10)
        assert dispatcher.connections == 0


async def test_who_stalls_before_asking_keeps_no_one_out(autojump_clock: trio.testing.MockClock) -> None:
    """The oldest of them is ended for a newcomer, which is answered at once."""
    async with reception(ClientLimits()) as (_, dial):
        oldest = dial()
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(MOST_ASKING - 1):
            dial()
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert await ask(dial()) == 101
        assert await oldest.receive_some() == b""
        assert trio.current_time() == began


async def test_a_client_that_is_still_sending_a_large_sample_is_alive(autojump_clock: trio.testing.MockClock) -> None:
    """It cannot answer a ping in the middle of it; once it says nothing more, it is gone."""
    async with reception(ClientLimits(ping_every=5.0)) as (dispatcher, dial):
        client = dial()
        assert await ask(client) == 101
        frame = masked(message(data=bytes(1_000)))
        for start in range(0, len(frame), 40):
            await client.send_all(frame[start : start + 40])
            await trio.sleep(7.0)
        assert dispatcher.status().received == 1
        assert dispatcher.connections == 1
        await trio.sleep(11.0)
        assert dispatcher.connections == 0


async def test_a_client_that_the_service_itself_holds_back_is_alive(autojump_clock: trio.testing.MockClock) -> None:
    """Its bytes wait in its socket, with its pongs behind them."""
    async with reception(ClientLimits(rate=0.1, ping_every=2.0)) as (dispatcher, dial):
        client = dial()
        assert await ask(client) == 101
        await client.send_all(masked(message()) * 6)
        await until_received(dispatcher, 6)


async def until_received(dispatcher: Dispatcher, count: int) -> None:
    with trio.fail_after(1_000):
        while dispatcher.status().received < count:
            await trio.sleep(1.0)


async def test_a_message_of_endless_fragments_ends_its_connection(autojump_clock: trio.testing.MockClock) -> None:
    """Empty ones need no bytes of the message's limit; a message in a few fragments is one."""
    async with reception(ClientLimits()) as (dispatcher, dial):
        client = dial()
        assert await ask(client) == 101
        whole = message()
        await client.send_all(masked(whole[:50], 0x02) + masked(b"", 0x00) * 50 + masked(whole[50:], 0x80))
        await until_received(dispatcher, 1)
        await client.send_all(masked(b"", 0x02) + masked(b"", 0x00) * 100)
        await trio.testing.wait_all_tasks_blocked()
        assert dispatcher.connections == 0


async def test_an_answer_counts_when_it_is_written(autojump_clock: trio.testing.MockClock) -> None:
    """One that its connection still holds is unwritten, and unsent when the connection ends before."""
    durations: list[tuple[str, float]] = []
    dispatcher = Dispatcher(QueueLimits(), Thresholds(), lambda name, value: durations.append((name, value)))
    held: list[SampleAnswer] = []

    def take(answer: SampleAnswer) -> bool:
        held.append(answer)
        return True

    number = dispatcher.join(take)
    for track in ("TR_a", "TR_b"):
        dispatcher.offer(number, sample(track=track))
        batch = await dispatcher.next_batch()
        dispatcher.judged(batch, [Finding(0.9)], 0.0)
    status = dispatcher.status()
    assert (status.answered, status.unwritten, status.unsent) == ({}, 2, 0)
    await trio.sleep(3.0)
    dispatcher.answers.wrote(number, held[0])
    status = dispatcher.status()
    assert (status.answered, status.unwritten, status.unsent) == ({"alert": 1}, 1, 0)
    assert durations == [("batch_seconds", 0.0), ("batch_seconds", 0.0), ("answer_seconds", 3.0)]
    dispatcher.leave(number)
    status = dispatcher.status()
    assert (status.answered, status.unwritten, status.unsent) == ({"alert": 1}, 0, 1)
