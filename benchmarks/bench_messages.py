"""Tell and handle, ask and reply: CPU time per message, compared with code by hand and with other libraries.

Yardsticks, all calling the same `async receive(message)` (a count, and a wake-up at the last message):
- by hand: a deque and `wait_task_rescheduled`, no bound, no counts, and no schedule point except where it waits.
- a trio memory channel: `send_nowait`, then `await receive()` for each message.
- triotp: `gen_server.cast` and `gen_server.call` (needs Python 3.13). Its mailbox has no room, so nothing is queued.
- pykka: `tell` from this thread to the actor's.
1,000 messages are told, then handled. For asks: one after the other, each with a timeout of 1 s; by hand, a one-shot
slot under `fail_after(1)` over the same deque.
- `Conflate`, alone: a take, settle and put of the same key with 80,000 keys waiting, over the same with 100 keys.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import threading
import types
from collections import deque
from time import process_time
from typing import Any

import trio
import trio.testing
from _compare import Contestant, Goal, compare, rounds
from attrs import frozen

from ds_actors import EMPTY, Actor, Answer, Conflate, Request, Supervisor

MESSAGES, REPETITIONS = 1_000, 10


class Work:
    """The handler of every contestant."""

    def __init__(self) -> None:
        self.left = 0
        self.done: Any = None

    def expect(self, done: Any) -> None:
        """Set `done` after another MESSAGES messages."""
        self.left, self.done = MESSAGES, done

    async def receive(self, _message: object, /) -> None:
        """Count it."""
        self.left -= 1
        if not self.left:
            self.done.set()


# ---- tell and handle


async def told_to_an_actor() -> float:
    """ds-actors."""
    work = Work()

    class Counting(Actor[int]):
        receive = work.receive  # type: ignore[assignment]

    took = 0.0
    async with Supervisor("bench") as app:
        tell = (await app.start(Counting)).tell
        for _ in range(REPETITIONS):
            work.expect(trio.Event())
            begin = process_time()
            for number in range(MESSAGES):
                tell(number)
            await work.done.wait()
            took += process_time() - begin
    return took / (REPETITIONS * MESSAGES)


class ByHand:
    """A minimal mailbox, written for this one purpose."""

    def __init__(self) -> None:
        self.queue: deque[Any] = deque()
        self.waiting: trio.lowlevel.Task | None = None

    def put(self, message: object) -> None:
        """Append, and wake the waiting task."""
        self.queue.append(message)
        if self.waiting is not None:
            trio.lowlevel.reschedule(self.waiting)
            self.waiting = None

    async def serve(self, receive: Any) -> None:
        """Handle all queued messages, then wait."""
        while True:
            while self.queue:
                await receive(self.queue.popleft())
            self.waiting = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget)

    def _forget(self, _: object) -> trio.lowlevel.Abort:
        self.waiting = None
        return trio.lowlevel.Abort.SUCCEEDED


async def told_by_hand() -> float:
    """A deque and wait_task_rescheduled."""
    work, mailbox, took = Work(), ByHand(), 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.serve, work.receive)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(REPETITIONS):
            work.expect(trio.Event())
            begin = process_time()
            for number in range(MESSAGES):
                mailbox.put(number)
            await work.done.wait()
            took += process_time() - begin
        nursery.cancel_scope.cancel()
    return took / (REPETITIONS * MESSAGES)


async def told_through_a_channel() -> float:
    """A trio memory channel with room for all."""
    work, took = Work(), 0.0
    sending, receiving = trio.open_memory_channel[int](MESSAGES)

    async def serve() -> None:
        while True:
            await work.receive(await receiving.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(REPETITIONS):
            work.expect(trio.Event())
            begin = process_time()
            for number in range(MESSAGES):
                sending.send_nowait(number)
            await work.done.wait()
            took += process_time() - begin
        nursery.cancel_scope.cancel()
    return took / (REPETITIONS * MESSAGES)


def told_to_pykka() -> float:
    """pykka; the actor drives the coroutine, which never waits."""
    import pykka  # noqa: PLC0415 - only where it is installed

    work, took = Work(), 0.0

    class Counting(pykka.ThreadingActor):
        def on_receive(self, message: object) -> None:
            with contextlib.suppress(StopIteration):
                work.receive(message).send(None)

    actor = Counting.start()
    for _ in range(REPETITIONS):
        work.expect(threading.Event())
        begin = process_time()
        for number in range(MESSAGES):
            actor.tell(number)
        work.done.wait()
        took += process_time() - begin
    actor.stop()
    return took / (REPETITIONS * MESSAGES)


def triotp_server(receive: Any) -> types.ModuleType:
    """Return a module of callbacks, as triotp requires."""
    from triotp import gen_server  # noqa: PLC0415 - only where it is installed

    server = types.ModuleType("bench_server")

    async def init(_: object) -> None: ...

    async def handle_cast(message: object, state: object) -> tuple[object, object]:
        await receive(message)
        return gen_server.NoReply(), state

    async def handle_call(message: object, _caller: object, state: object) -> tuple[object, object]:
        await receive(message)
        return gen_server.Reply(1), state

    server.init, server.handle_cast, server.handle_call = init, handle_cast, handle_call  # type: ignore[attr-defined]
    return server


async def told_to_triotp() -> float:
    """Cast, which waits until the server takes the message."""
    from triotp import gen_server, mailbox  # noqa: PLC0415 - only where it is installed

    work, took = Work(), 0.0
    mailbox._init()  # noqa: SLF001 - as its own tests do
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gen_server.start, triotp_server(work.receive), None, "bench")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(REPETITIONS):
            work.expect(trio.Event())
            begin = process_time()
            for number in range(MESSAGES):
                await gen_server.cast("bench", number)
            await work.done.wait()
            took += process_time() - begin
        nursery.cancel_scope.cancel()
    return took / (REPETITIONS * MESSAGES)


# ---- ask and reply


@frozen
class One(Request[int]):
    """Wants 1."""


class Answering(Actor[One]):
    """Says 1."""

    async def receive(self, message: One, /) -> Answer:
        """Answer."""
        return message.answer(1)


async def asked_of_an_actor() -> float:
    """ds-actors."""
    async with Supervisor("bench") as app:
        ask, request = (await app.start(Answering)).ask, One()
        begin = process_time()
        for _ in range(MESSAGES):
            await ask(request, timeout=1)
        return (process_time() - begin) / MESSAGES


class Slot:
    """A raw one-shot."""

    __slots__ = ("task", "value")

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        self.value: object = None

    def answer(self, value: object) -> None:
        """Wake the asking task."""
        self.value = value
        trio.lowlevel.reschedule(self.task)


def _abort(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


async def asked_by_hand() -> float:
    """A raw one-shot under fail_after."""
    mailbox = ByHand()

    async def receive(message: tuple[object, Slot]) -> None:
        message[1].answer(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.serve, receive)
        await trio.testing.wait_all_tasks_blocked()
        request = One()
        begin = process_time()
        for _ in range(MESSAGES):
            slot = Slot()
            mailbox.put((request, slot))
            with trio.fail_after(1):
                await trio.lowlevel.wait_task_rescheduled(_abort)
        took = process_time() - begin
        nursery.cancel_scope.cancel()
    return took / MESSAGES


async def asked_of_triotp() -> float:
    """Call, which opens a channel for the reply."""
    from triotp import gen_server, mailbox  # noqa: PLC0415 - only where it is installed

    async def receive(_: object) -> None: ...

    mailbox._init()  # noqa: SLF001 - as its own tests do
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gen_server.start, triotp_server(receive), None, "bench")
        await trio.testing.wait_all_tasks_blocked()
        request = One()
        begin = process_time()
        for _ in range(MESSAGES):
            await gen_server.call("bench", request, timeout=1)
        took = process_time() - begin
        nursery.cancel_scope.cancel()
    return took / MESSAGES


# ---- Conflate


def conflated(keys: int) -> Contestant:
    """Return the contestant that takes, settles and puts back with this number of keys waiting."""

    def run() -> float:
        mailbox = Conflate[int](lambda message: message, keys + 1)
        for key in range(keys):
            mailbox.put(key)
        begin = process_time()
        for _ in range(100_000):
            message = mailbox.take()
            assert message is not EMPTY
            mailbox.settle(message)
            mailbox.put(message)
        return (process_time() - begin) / 100_000

    return run


def in_trio(function: Any) -> Contestant:
    """Return the contestant that runs an async function."""
    return lambda: trio.run(function)


def main() -> None:
    """Print the rows."""
    logging.disable()
    tells = {"by hand": in_trio(told_by_hand), "a trio memory channel": in_trio(told_through_a_channel)}
    asks = {"by hand": in_trio(asked_by_hand)}
    if importlib.util.find_spec("triotp"):
        tells["triotp cast"], asks["triotp call"] = in_trio(told_to_triotp), in_trio(asked_of_triotp)
    if importlib.util.find_spec("pykka"):
        tells["pykka tell"] = told_to_pykka
    compare(
        "tell and handle, 1,000 queued",
        in_trio(told_to_an_actor),
        tells,
        (
            Goal("by hand", most=2),
            Goal("a trio memory channel", faster=6),
            Goal("triotp cast", faster=15),
            Goal("pykka tell", faster=3),
        ),
        rounds=rounds(9),
    )
    compare(
        "ask and reply with a timeout",
        in_trio(asked_of_an_actor),
        asks,
        (Goal("by hand", most=1.5), Goal("triotp call", faster=1.3)),
        rounds=rounds(9),
    )
    compare(
        "Conflate with 80,000 keys: take, settle and put",
        conflated(80_000),
        {"100 keys": conflated(100)},
        (Goal("100 keys", most=2),),
        rounds=rounds(9),
    )


if __name__ == "__main__":
    main()
