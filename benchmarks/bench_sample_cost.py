"""CPU per sample: turn + capture + encode + send to the sandbox, compared with the bare path in the same run.

Yardstick. Bare: the same encoder in `to_thread`, protobuf, `wrap_client_stream`'s send and receive, no actors; eight
workers, as many as the outbox grants turns. Both talk to a sandbox in another process that answers every sample.
1280x720 I420, quality 75, 2,000 samples a side, order alternated, median of five ratios; `getrusage` of the whole
client, user and system. Goal: 1.2 or less. Beside it: the encoder alone, and the path it replaces (RGBA, Pillow).
"""

from __future__ import annotations

import argparse
import io
import math
import resource
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import trio
from PIL import Image

from ds_actors.detection import Dataspike, Frame, Monitor, Plan, Promise, Sample, TrackInfo, encode_jpeg
from ds_actors.detection.sampling import SampleDropped, SampleDue, SampleSent, Started
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.wire import decode_result, encode_request

WIDTH, HEIGHT, WORKERS = 1280, 720, 8


def frame() -> Frame:
    """Return a picture with detail, the same in every run."""
    rng = np.random.default_rng(7)
    small = rng.integers(40, 215, (HEIGHT // 8, WIDTH // 8)).astype(np.uint8)
    luma = small.repeat(8, axis=0).repeat(8, axis=1)
    chroma = np.full(WIDTH * HEIGHT // 2, 128, np.uint8)
    return Frame(WIDTH, HEIGHT, "i420", luma.tobytes() + chroma.tobytes())


FRAME = frame()


class Source:
    """Returns the same frame at once."""

    async def capture(self) -> Frame:
        """Return the frame."""
        await trio.lowlevel.checkpoint()
        return FRAME

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
        await trio.lowlevel.checkpoint()


class Countdown:
    """Counts the samples that are left to begin, and to be sent."""

    def __init__(self, samples: int) -> None:
        self.to_begin = self.to_send = samples
        self.over = trio.Event()

    def sent(self) -> None:
        """Count a sample that was sent."""
        self.to_send -= 1
        if not self.to_send:
            self.over.set()


class Continuous:
    """A policy whose next sample is due as soon as the last was sent, while samples are left."""

    promise = Promise(math.inf, 0.0, 0.0, 0.0)

    def __init__(self, countdown: Countdown) -> None:
        self.countdown = countdown
        self.due: float | None = None

    def on(self, event: Any, now: float, /) -> Plan:
        """Be due at the start and after each send."""
        if isinstance(event, SampleSent):
            self.countdown.sent()
        if isinstance(event, (Started, SampleSent, SampleDropped)):
            self.countdown.to_begin += isinstance(event, SampleDropped)
            self.due = now if self.countdown.to_begin > 0 else None
        elif isinstance(event, SampleDue):
            self.countdown.to_begin -= 1
            self.due = None
        return Plan(self.due, "as fast as possible")


async def with_actors(service: Dataspike, samples: int) -> None:
    """Send through the monitor."""
    countdown = Countdown(samples)
    async with Monitor(service=service, sampling=lambda: Continuous(countdown)) as monitor:
        for n in range(WORKERS):
            await monitor.add_track(TrackInfo(f"p{n}", f"T{n}"), Source())
        await countdown.over.wait()


async def bare(service: Dataspike, samples: int) -> None:
    """Send without actors."""
    left = samples

    async def worker(websocket: Any, number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            data = await trio.to_thread.run_sync(lambda: encode_jpeg(FRAME, quality=75))
            await websocket.send_message(encode_request(Sample(f"p{number}", f"T{number}", 0, data)))

    async def receive(websocket: Any) -> None:
        while True:
            decode_result(await websocket.get_message())

    async with open_websocket(service) as websocket, trio.open_nursery() as nursery:
        nursery.start_soon(receive, websocket)
        async with trio.open_nursery() as workers:
            for n in range(WORKERS):
                workers.start_soon(worker, websocket, n)
        nursery.cancel_scope.cancel()


def cpu(run: Callable[[Dataspike, int], Awaitable[None]], service: Dataspike, samples: int) -> float:
    """Return the CPU milliseconds per sample."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    trio.run(run, service, samples)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1_000 * used / samples


def main() -> None:
    """Print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with subprocess.Popen(
        [sys.executable, "-m", "ds_actors", "sandbox", "--port", "0", "--json", "--no-marker"],
        stdout=subprocess.PIPE,
        text=True,
    ) as sandbox:
        try:
            assert sandbox.stdout is not None
            url = sandbox.stdout.readline().split('"url": "')[1].split('"')[0]
            service = Dataspike(api_key="bench", url=url)
            encoder = cpu(lambda _s, n: _encode_only(n), service, 200)
            old_path = cpu(lambda _s, n: _rgba_with_pillow(n), service, 200)
            cpu(with_actors, service, 50), cpu(bare, service, 50)  # warm both
            ratios: list[float] = []
            for number in range(options.rounds):
                order = [with_actors, bare] if number % 2 else [bare, with_actors]
                took = {run: cpu(run, service, options.samples) for run in order}
                ratios.append(took[with_actors] / took[bare])
                print(f"actors {took[with_actors]:.2f} ms, bare {took[bare]:.2f} ms per sample, ratio {ratios[-1]:.3f}")
        finally:
            sandbox.terminate()
    print(f"encoder alone {encoder:.2f} ms, RGBA with Pillow {old_path:.2f} ms")
    print(f"median ratio {statistics.median(ratios):.3f} (goal: 1.2 or less)")


async def _encode_only(samples: int) -> None:
    for _ in range(samples):
        await trio.to_thread.run_sync(lambda: encode_jpeg(FRAME, quality=75))


async def _rgba_with_pillow(samples: int) -> None:
    rgba = np.random.default_rng(7).integers(40, 215, (HEIGHT // 8, WIDTH // 8, 4), dtype=np.uint8)
    data = rgba.repeat(8, axis=0).repeat(8, axis=1).tobytes()

    def encode() -> None:
        picture = Image.frombytes("RGBA", (WIDTH, HEIGHT), data).convert("RGB")
        picture.save(io.BytesIO(), "JPEG", quality=75)

    for _ in range(samples):
        await trio.to_thread.run_sync(encode)


if __name__ == "__main__":
    main()
