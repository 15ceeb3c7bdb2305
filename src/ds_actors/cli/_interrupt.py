"""Ctrl-C as an orderly cancellation."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Any

import trio


async def until_interrupted(main: Callable[..., Awaitable[object]], *args: Any) -> None:
    """Run `main`; at Ctrl-C cancel it, and raise KeyboardInterrupt once it has ended.

    Python raises KeyboardInterrupt between any two instructions, also between the creation of a coroutine and its
    await, which then warns. A second Ctrl-C does that all the same, so that a program that hangs can be ended.
    """
    interrupted = False

    async def watch(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal interrupted
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                interrupted = True
                break
        scope.cancel()

    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(watch, nursery.cancel_scope)
        try:
            await main(*args)
        except Exception as error:  # noqa: BLE001 - raised again outside the nursery, which would wrap it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if interrupted:
        raise KeyboardInterrupt
