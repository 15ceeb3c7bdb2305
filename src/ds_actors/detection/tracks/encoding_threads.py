"""The threads that encode: at most 3 at once in a process, however many monitors it runs, because each needs memory.

Each monitor runs trio in a thread of its own, so trio's limiters cannot be shared between them. The threads are trio's
workers, which end by themselves when they have been idle for ten seconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from ds_actors.detection.tracks.encoding import Frame, encode_jpeg

ENCODINGS: Final = 3
"""The most encodings at once."""

T = TypeVar("T")


class _Slots:
    """The process's slots; after a fork they are all free, because threads do not survive it."""

    def __init__(self) -> None:
        self.free = threading.BoundedSemaphore(ENCODINGS)

    def reset(self) -> None:
        self.free = threading.BoundedSemaphore(ENCODINGS)


_SLOTS: Final = _Slots()
os.register_at_fork(after_in_child=_SLOTS.reset)


class _Abandoned(Exception):
    """The caller was cancelled before its turn came."""


async def run_encoding(function: Callable[[], T]) -> T:
    """Run a blocking function in one of the process's encoding threads, and return its result.

    When cancelled, a function that waits for a slot never runs, and the result of a running one is dropped.
    """
    abandoned = False

    def run() -> T:
        with _SLOTS.free:
            if abandoned:
                raise _Abandoned
            return function()

    try:
        return await trio.to_thread.run_sync(run, abandon_on_cancel=True)
    except trio.Cancelled:
        abandoned = True
        raise


async def encode_in_thread(frame: Frame, quality: int, max_side: int | None) -> bytes:
    """Encode a JPEG in one of these threads."""
    return await run_encoding(lambda: encode_jpeg(frame, quality=quality, max_side=max_side))
