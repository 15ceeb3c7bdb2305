"""What each sink does with an event."""

from __future__ import annotations

import io
import json
import os
import threading

import trio
import trio.testing

from ds_actors.detection import JsonLinesSink, ResultEvent
from ds_actors.detection.events import ResultType


def event(number: int) -> ResultEvent:
    return ResultEvent(ResultType.ALERT, "alice", f"TR_{number}", f"number {number}", 1_000)


async def test_json_lines_are_ascii_one_a_line() -> None:
    """Each can be read back as soon as `deliver` has returned."""
    out = io.StringIO()
    sink = JsonLinesSink(out)
    for number in range(3):
        await sink.deliver(event(number))
        assert json.loads(out.getvalue().splitlines()[-1]) == event(number).dict()
    assert len(out.getvalue().splitlines()) == 3
    assert out.getvalue().isascii()


async def test_a_pipe_that_nobody_reads_blocks_nothing_but_its_sink() -> None:
    """trio goes on, what waits can be cancelled, one thread at most waits with it, and the lines come in order."""
    ours, theirs = os.pipe()
    reader, writer = os.fdopen(ours), os.fdopen(theirs, "w")
    os.set_blocking(theirs, False)
    filled = 0
    try:
        while True:
            filled += os.write(theirs, b"x" * 65_536)
    except BlockingIOError:
        os.set_blocking(theirs, True)
    sink = JsonLinesSink(writer)
    threads = threading.active_count()
    for number in range(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.deliver, event(number))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert nursery.cancel_scope.cancelled_caught
    assert threading.active_count() <= threads + 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.deliver, event(5))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(sink.deliver, event(6))
        await trio.testing.wait_all_tasks_blocked()
        assert await trio.to_thread.run_sync(reader.read, filled) == "x" * filled
    await trio.to_thread.run_sync(writer.close)
    with reader:
        # The first one's writing had begun when it was given up; those that still waited for it never began.
        lines = (await trio.to_thread.run_sync(reader.read)).splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["number 0", "number 5", "number 6"]
