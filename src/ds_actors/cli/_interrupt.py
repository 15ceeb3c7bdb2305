"""Ctrl-C as an event that a program waits for."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager

import trio


@contextmanager
def interrupts(*more: signal.Signals) -> Generator[Callable[[], Awaitable[None]]]:
    """Yield a function that waits for the first Ctrl-C or one of `more` signals; they raise nothing in the block.

    Python raises KeyboardInterrupt between any two instructions, also between the creation of a coroutine and its
    await, which then warns. Leave the block before an end that may take long: a second Ctrl-C then ends the program.
    """
    with trio.open_signal_receiver(signal.SIGINT, *more) as signals:

        async def wait(signals: AsyncIterator[int] = signals) -> None:
            await anext(signals)

        yield wait
