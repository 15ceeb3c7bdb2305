"""The threads that encode: few in a process, whatever its monitors want."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio

from ds_actors.detection.tracks.encoding import EncodingError
from ds_actors.detection.tracks.encoding_threads import ENCODINGS, run_encoding


class Encodings:
    """Encodings that wait until they are released, and how many of them ran at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.begun = threading.Semaphore(0)
        self.running = self.most = self.ended = 0

    def run(self) -> None:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        assert self.release.wait(20)
        with self.lock:
            self.running -= 1
            self.ended += 1

    async def encode(self, number: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(number):
                nursery.start_soon(run_encoding, self.run)


def test_at_most_three_encodings_run_at_once_in_a_process() -> None:
    """Of three monitors, each with trio in a thread of its own; all of them end."""
    encodings = Encodings()
    threads = [threading.Thread(target=partial(trio.run, encodings.encode, 8)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(ENCODINGS):
        assert encodings.begun.acquire(timeout=20)
    encodings.release.set()
    for thread in threads:
        thread.join(20)
    assert (encodings.most, encodings.ended) == (ENCODINGS, 24)


async def test_cancelling_does_not_wait_for_an_encoding() -> None:
    """One that waits for a thread never runs; the result of one that runs is dropped."""
    encodings = Encodings()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(encodings.encode, ENCODINGS + 5)
        for _ in range(ENCODINGS):
            assert await trio.to_thread.run_sync(lambda: encodings.begun.acquire(timeout=20))
        nursery.cancel_scope.cancel()
    assert encodings.ended == 0
    encodings.release.set()
    assert await run_encoding(lambda: 7) == 7
    assert encodings.most == ENCODINGS
    assert encodings.ended <= ENCODINGS


async def test_an_error_comes_out() -> None:
    """As the encoder raised it."""

    def broken() -> bytes:
        raise EncodingError("no picture")

    with pytest.raises(EncodingError, match="no picture"):
        await run_encoding(broken)
