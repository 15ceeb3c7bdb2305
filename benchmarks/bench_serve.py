"""A detector behind `ds_actors.serving`, compared with the bare loop over the same detector in the same run.

The detector decodes a JPEG of 640x360 and takes 20 ms of CPU; two processes each. Wall clock, since the work is that of
several processes; the client that sends and reads is in the service's own process, so its cost counts as ours.

1. Yardstick: two processes that decode and judge in a loop. 64 tracks, each sending its next sample after the answer.
   Goal: 0.95 or more of the samples a second; order alternated, median of the ratios.
2. 200 tracks at 0.2 fps: the time from the send to the answer. Goal: a 99th percentile under 0.5 s.
3. Three times as many samples as the models can judge: how often each track is judged. Goal: within 20 %.
4. A detector that answers at once, without decoding: the CPU time of this process for each sample; the client that
   sends and reads is a part of it.
5. A model that is killed with its batch, hangs, or leaks: what its batch is answered, and when the model is back. Goal:
   within 5 s and the loading; a hang and a leak are noticed after what ModelLimits says, which counts beside it.

    python benchmarks/bench_serve.py [--seconds 10] [--rounds 3] [--workers 2] [--only 4 5]
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import trio
from numpy.typing import NDArray
from PIL import Image
from trio_websocket import WebSocketConnection, open_websocket_url

from ds_actors.detection.events import ResultType, Sample
from ds_actors.detection.uplink.wire import decode_result, encode_request
from ds_actors.detectors import DetectorSample, as_detector, judge_samples, picture
from ds_actors.serving import ClientLimits, DetectorService, ModelLimits, QueueLimits, open_service

TAKES = 0.02
SPEC = "bench_serve:model"


def model(_image: NDArray[np.uint8]) -> float:
    """Take 20 ms of CPU, as a model would."""
    end = time.thread_time() + TAKES
    while time.thread_time() < end:
        pass
    return 0.1


class Instant:
    """Answer without a look at the pictures."""

    def judge(self, samples: Sequence[DetectorSample]) -> list[float]:
        """Return the same for each."""
        return [0.1] * len(samples)


HANGS, LEAKS = 101, 102
BATCH_TIMEOUT = 2.0
_leaked: list[NDArray[np.uint8]] = []


def fragile(image: NDArray[np.uint8]) -> float:
    """Hang or leak on a picture of that width."""
    if image.shape[1] in (HANGS, LEAKS):
        if image.shape[1] == LEAKS:
            _leaked.append(np.ones(600 << 20, np.uint8))
        time.sleep(600)
    return 0.1


def plain_jpeg(width: int) -> bytes:
    """Return a grey picture of that width."""
    out = io.BytesIO()
    Image.new("RGB", (width, 64), "grey").save(out, "JPEG")
    return out.getvalue()


def jpeg() -> bytes:
    """Return a picture with detail, the same in every run."""
    small = np.random.default_rng(7).integers(40, 215, (45, 80, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(small.repeat(8, axis=0).repeat(8, axis=1)).save(out, "JPEG", quality=75)
    return out.getvalue()


def loop(seconds: float, judged: multiprocessing.Queue[int]) -> None:
    """Judge for that long, and report how many."""
    detector, data, count, end = as_detector(model), jpeg(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        judge_samples(detector, [picture(data)])
        count += 1
    judged.put(count)


def bare(seconds: float, workers: int) -> float:
    """Return the samples a second of the bare loop."""
    context = multiprocessing.get_context("spawn")
    judged = context.Queue()
    processes = [context.Process(target=loop, args=(seconds, judged)) for _ in range(workers)]
    for process in processes:
        process.start()
    total: int = sum(judged.get() for _ in processes)
    for process in processes:
        process.join()
    return total / seconds


async def run(
    workers: int,
    use: Callable[[DetectorService, WebSocketConnection], Awaitable[None]],
    spec: str = SPEC,
    *,
    fragile: bool = False,
) -> None:
    """Open a service, and use it over one connection."""
    models, deadline = ModelLimits(workers=workers), 2.0
    if fragile:
        models, deadline = ModelLimits(workers=workers, batch_timeout=BATCH_TIMEOUT, memory=500 << 20), 60.0
    clients = ClientLimits(rate=100_000.0)
    async with open_service(spec, models=models, clients=clients, queue=QueueLimits(deadline=deadline)) as service:
        while list(service.status().workers.values()).count("idle") < workers:
            await trio.sleep(0.05)
        async with open_websocket_url(service.url) as websocket:
            await use(service, websocket)


def served(seconds: float, workers: int, spec: str = SPEC) -> float:
    """Return the samples a second of the service, with 64 tracks that wait for their answers."""
    return closed_loop(seconds, workers, spec)[0]


def closed_loop(seconds: float, workers: int, spec: str) -> tuple[float, float]:
    """Return the samples a second, and this process's CPU seconds for each."""
    data, count, cpu = jpeg(), 0, 0.0

    async def use(_service: DetectorService, websocket: WebSocketConnection) -> None:
        nonlocal count, cpu
        cpu = time.process_time()
        for track in range(64):
            await websocket.send_message(encode_request(Sample("p", f"t{track}", 0, data)))
        end, outstanding = trio.current_time() + seconds, 64
        while outstanding:
            result = decode_result(bytes(await websocket.get_message()))  # type: ignore[arg-type]
            outstanding -= 1
            if trio.current_time() < end:
                count += ResultType.from_wire(result.number) is ResultType.CLEAR
                outstanding += 1
                await websocket.send_message(encode_request(Sample("p", result.track, 0, data)))
        cpu = time.process_time() - cpu

    trio.run(run, workers, use, spec)
    return count / seconds, cpu / count


def paced(seconds: float, workers: int, tracks: int, period: float) -> tuple[list[float], Counter[str], Counter[str]]:
    """Send each track's sample every `period` seconds; return the times to answer, verdicts by track, drops."""
    data, times, judged, dropped = jpeg(), list[float](), Counter[str](), Counter[str]()
    sent: dict[str, float] = {}

    async def receive(websocket: WebSocketConnection) -> None:
        while True:
            result = decode_result(bytes(await websocket.get_message()))  # type: ignore[arg-type]
            if ResultType.from_wire(result.number) is ResultType.CLEAR:
                judged[result.track] += 1
                times.append(trio.current_time() - sent[result.track])

    async def use(service: DetectorService, websocket: WebSocketConnection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, websocket)
            began = trio.current_time()
            for number in range(int(seconds * tracks / period)):
                await trio.sleep_until(began + number * period / tracks)
                track = f"t{number % tracks}"
                sent[track] = trio.current_time()
                await websocket.send_message(encode_request(Sample("p", track, 0, data)))
            await trio.sleep(2.5)
            nursery.cancel_scope.cancel()
        dropped.update(service.status().dropped)

    trio.run(run, workers, use)
    return times, judged, dropped


def children() -> list[int]:
    """Return the ids of this process's model processes."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == os.getpid() and "ds_actors.serving._child" in command:
            found.append(int(entry.name))
    return found


def lose(width: int, *, kill: bool) -> str:
    """Lose a model with its batch; return what happened, and when."""
    told: list[str] = []

    async def use(service: DetectorService, websocket: WebSocketConnection) -> None:
        loading = trio.current_time() - began
        await websocket.send_message(encode_request(Sample("p", "lost", 0, plain_jpeg(width))))
        while not service.status().judging:
            await trio.sleep(0.001)
        await websocket.send_message(encode_request(Sample("p", "waits", 0, plain_jpeg(64))))
        lost = trio.current_time()
        if kill:
            os.kill(children()[0], signal.SIGKILL)
        for _ in range(2):
            result = decode_result(bytes(await websocket.get_message()))  # type: ignore[arg-type]
            after = trio.current_time() - lost
            told.append(f"{result.track} {ResultType.from_wire(result.number).level} after {after:.2f} s")
            if result.track == "lost":
                while "idle" not in service.status().workers.values():
                    await trio.sleep(0.001)
                told.append(f"a model idle after {trio.current_time() - lost:.2f} s")
        told.append(f"first loading {loading:.2f} s")

    began = 0.0

    async def timed() -> None:
        nonlocal began
        began = trio.current_time()
        await run(1, use, "bench_serve:fragile", fragile=True)

    trio.run(timed)
    return ", ".join(told)


def throughput(options: argparse.Namespace) -> None:
    """Print how the service compares with the bare loop."""
    ratios: list[float] = []
    for number in range(options.rounds):
        contestants = [bare, served] if number % 2 else [served, bare]
        rates = {contestant: contestant(options.seconds, options.workers) for contestant in contestants}
        ratios.append(rates[served] / rates[bare])
        print(f"samples a second: served {rates[served]:.1f}, bare {rates[bare]:.1f}, ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f} (goal: 0.95 or more)")


def latency(options: argparse.Namespace) -> None:
    """Print the times to answer under an ordinary load."""
    times, _, dropped = paced(3 * options.seconds, options.workers, 200, 5.0)
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    print(f"200 tracks at 0.2 fps: {len(times)} judged, dropped {dict(dropped)}")
    print(f"  seconds to answer: median {p50:.3f}, 99th percentile {p99:.3f} (goal: under 0.5)")


def overload(options: argparse.Namespace) -> None:
    """Print who is judged when there is three times too much."""
    tracks = round(3 * 5.0 * options.workers / TAKES)
    _, judged, dropped = paced(15 * options.seconds, options.workers, tracks, 5.0)
    counts = [judged[f"t{track}"] for track in range(tracks)]
    print(f"{tracks} tracks at 0.2 fps, three times the load: {sum(counts)} judged, dropped {dict(dropped)}")
    mean = statistics.mean(counts)
    print(f"  verdicts of a track: {min(counts)} to {max(counts)}, mean {mean:.2f}: ", end="")
    print(f"{min(counts) / mean - 1:+.0%} to {max(counts) / mean - 1:+.0%} (goal: within 20 %)")


def cost(options: argparse.Namespace) -> None:
    """Print what a sample costs the service and its client."""
    costs = [closed_loop(options.seconds / 2, options.workers, "bench_serve:Instant") for _ in range(options.rounds)]
    cpu = [1_000 * seconds for _, seconds in costs]
    print(f"CPU of the service and its client for each sample of {len(jpeg()):,} bytes: ", end="")
    print(f"median {statistics.median(cpu):.2f} ms, {min(cpu):.2f} to {max(cpu):.2f}")


def losses(_options: argparse.Namespace) -> None:
    """Print what a lost model costs."""
    print(f"kill -9: {lose(HANGS, kill=True)}")
    print(f"hang (noticed after {BATCH_TIMEOUT:g} s): {lose(HANGS, kill=False)}")
    print(f"leak: {lose(LEAKS, kill=False)}")


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    for number in options.only:
        (throughput, latency, overload, cost, losses)[number - 1](options)


if __name__ == "__main__":
    main()
