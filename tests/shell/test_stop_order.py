"""An orderly end is no crash: tasks end before `stopping` runs, and nothing is logged."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from attrs import define

from ds_actors import Actor, ChildEnded, Exit, Supervisor, TelemetryEvent


@define(eq=False)
class Reader(Actor[str]):
    """Reads a stream in a task, and closes it in `stopping`."""

    stream: trio.abc.ReceiveStream
    log: list[str]

    async def started(self) -> None:
        self.context.spawn(self.read)

    async def read(self) -> None:
        try:
            async for _ in self.stream:
                pass
        finally:
            self.log.append("reader over")

    async def receive(self, message: str, /) -> None:
        if message == "finish":
            self.context.stop()

    async def stopping(self, exit: Exit, /) -> None:
        self.log.append("closing")
        await self.stream.aclose()


@pytest.mark.parametrize("how", ["finish", "terminate", "leave"])
async def test_a_task_may_read_what_stopping_closes(
    how: str, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The task is cancelled first, so the closed stream crashes nothing, and a finished transient stays finished."""
    log: list[str] = []
    events: list[TelemetryEvent] = []
    _, stream = trio.testing.memory_stream_one_way_pair()
    with caplog.at_level(logging.DEBUG):
        async with Supervisor("app", listeners=(events.append,)) as app:
            ref = await app.start(Reader, stream, log, name="reader", restart="transient")
            await trio.testing.wait_all_tasks_blocked()
            if how == "finish":
                ref.tell("finish")
            elif how == "terminate":
                await app.terminate(ref)
            await trio.sleep(1)
    assert log == ["reader over", "closing"]
    assert [event.kind for event in events if isinstance(event, ChildEnded)] == [
        "finished" if how == "finish" else "stopped"
    ]
    assert caplog.records == []


async def test_a_task_spawned_while_tasks_are_being_ended_ends_too(autojump_clock: object) -> None:
    """At its first checkpoint, so that the end does not wait for it."""
    log: list[str] = []

    class Spawner(Actor[str]):
        async def started(self) -> None:
            self.context.spawn(self.first)

        async def first(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                self.context.spawn(self.second)

        async def second(self) -> None:
            log.append("second began")
            await trio.sleep_forever()

    with trio.fail_after(5):
        async with Supervisor("app") as app:
            await app.start(Spawner)
            await trio.testing.wait_all_tasks_blocked()
    assert log == ["second began"]


async def test_stopping_may_spawn_and_its_tasks_end_with_it(autojump_clock: object) -> None:
    """A farewell may have helpers; they are cancelled when it returns."""
    log: list[str] = []

    class Farewell(Actor[str]):
        async def stopping(self, exit: Exit, /) -> None:
            self.context.spawn(self.helper)
            await trio.sleep(1)

        async def helper(self) -> None:
            log.append("helper began")
            try:
                await trio.sleep_forever()
            finally:
                log.append("helper over")

    async with Supervisor("app") as app:
        await app.start(Farewell)
    assert log == ["helper began", "helper over"]
