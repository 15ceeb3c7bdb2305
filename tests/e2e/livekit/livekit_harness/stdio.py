"""Commands in and events out as JSON lines, for the asyncio processes of a room; standard library only.

A command is `{"id": n, "do": name, ...arguments}`, its answer `{"id": n, "ok": value}` or `{"id": n, "error": text}`.
An event has no id. Every line out carries `at`, the system's monotonic clock in seconds, which all processes share.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

_LIMIT = 16 * 1024 * 1024
_out: BinaryIO | None = None


def claim_stdout() -> None:
    """Keep stdout for this protocol: whatever else prints goes to stderr."""
    global _out  # noqa: PLW0603 - the process has one stdout
    _out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)


def say(**line: Any) -> None:
    """Write one event; from any thread, a short line being one write."""
    assert _out is not None
    _out.write(json.dumps({"at": time.monotonic(), **line}).encode() + b"\n")


async def serve(commands: Callable[[str], Callable[..., Any]]) -> None:
    """Do what stdin says, each command in a task, until stdin ends; `commands(name)` returns its function."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        command = json.loads(line)
        task = loop.create_task(_do(command.pop("id"), commands(command.pop("do")), command))
        running.add(task)
        task.add_done_callback(running.discard)
    for task in running:
        task.cancel()


async def _do(number: int, function: Callable[..., Any | Awaitable[Any]], arguments: dict[str, Any]) -> None:
    try:
        result = function(**arguments)
        if inspect.isawaitable(result):
            result = await result
        say(id=number, ok=result)
    except Exception as error:  # noqa: BLE001 - the one who asked is told
        traceback.print_exc()
        say(id=number, error=f"{type(error).__name__}: {error}")
