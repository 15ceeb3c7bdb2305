"""How cost grows with the number of tracks: 10, 100 and 1,000 of them in one process, 5,000 with `--five-thousand`.

Each number of tracks runs in a fresh process of its own; the service is the sandbox in another. The tracks give the
same picture of 640x360 at once when they are asked for it, and are sampled 0.2 times per second. A monitor has 1,000
tracks.

Yardstick. The encoder alone: the CPU of `encode_jpeg` on the same picture, in the same process. Goals:

- CPU per sample over that: 1.6 or less at 1,000 tracks (`getrusage` of the whole client, user and system, over an
  undisturbed span).
- CPU per sample over the bare client's (`_bare_client.py`), for information: what any client on trio needs. It runs in
  the same process afterwards, with as many tracks at the same rate, for as long.
- Age on arrival at the service: 0.5 s or less for 99 in 100 samples, also while 100 tracks go to burst rate at once
  (from the sample's own timestamp, by the wall clock of this machine).
- Memory per track: from the resident size before the tracks to that after the span.
- Drops: the link carries a tenth of the bytes that the span sent, and every tenth track is suspicious. The table has
  the share of due samples that arrive, of suspicious tracks and of the others; the suspicious ones should lose last.

    python benchmarks/bench_scale.py --seconds 20 --out scale.jsonl
    python scripts/draw_scale.py scale.jsonl docs/scale.svg
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio
from _bare_client import bare
from attrs import define, field

from ds_actors.detection import AdaptiveSampling, Dataspike, Frame, Monitor, Sample, TrackInfo, encode_jpeg
from ds_actors.detection.events import ResultType
from ds_actors.detection.uplink.connection import open_stream
from ds_actors.sandbox import open_sandbox

WIDTH: Final = 640
HEIGHT: Final = 360
NORMAL_FPS: Final = 0.2
BURST_FPS: Final = 1.0
PER_MONITOR: Final = 1_000
BURST: Final = 100
"""Tracks that become suspicious at once."""
BURST_SECONDS: Final = 8.0
COUNTS: Final = (10, 100, 1_000)
AGE_LIMIT: Final = 2.0


def picture() -> Frame:
    """Return a picture with detail, the same in every run."""
    rng = np.random.default_rng(7)
    luma = rng.integers(40, 215, (HEIGHT // 8, WIDTH // 8)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return Frame(WIDTH, HEIGHT, "i420", luma.tobytes() + bytes([128]) * (WIDTH * HEIGHT // 2))


class Camera:
    """Gives the picture at once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def capture(self) -> Frame:
        """Return the picture."""
        await trio.lowlevel.checkpoint()
        return self._frame

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
        await trio.lowlevel.checkpoint()


# ---- the service's process


@define(eq=False)
class Arrivals:
    """What reached the service, and who is suspicious there."""

    suspects: int = 0
    """Tracks with a smaller number are suspicious."""
    ages: list[tuple[int, float, int]] = field(factory=list[tuple[int, float, int]])
    """Number of the track, age (seconds), bytes."""

    def judge(self, sample: Sample, _elapsed: float) -> ResultType:
        """Note the sample and return its verdict."""
        number = int(sample.track)
        self.ages.append((number, time.time() - sample.timestamp_ms / 1_000, len(sample.data)))
        return ResultType.SUSPICIOUS if number < self.suspects else ResultType.CLEAR


async def serve() -> None:
    """Run the sandbox; each line of stdin sets the number of suspects, and gets what arrived since the last one."""
    arrivals = Arrivals()
    async with open_sandbox(arrivals.judge) as sandbox:
        print(sandbox.url, flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            arrivals.suspects = int(line)
            found, arrivals.ages = arrivals.ages, []
            print(json.dumps(found), flush=True)


class ServiceProcess:
    """The service's process, seen from the client."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()
        self.url = self._read().strip()

    async def since(self, suspects: int) -> list[tuple[int, float, int]]:
        """Return what arrived since the last call, and have that many tracks be suspicious from now on."""

        def ask() -> list[tuple[int, float, int]]:
            with self._lock:
                assert self._popen.stdin is not None
                self._popen.stdin.write(f"{suspects}\n")
                self._popen.stdin.flush()
                return [tuple(entry) for entry in json.loads(self._read())]

        return await trio.to_thread.run_sync(ask)

    def _read(self) -> str:
        assert self._popen.stdout is not None
        return self._popen.stdout.readline()

    def close(self) -> None:
        """End it."""
        self._popen.kill()
        self._popen.wait()


# ---- the client's process


@define(eq=False)
class Link:
    """A link with a rate that can change; all connections share it. Sending waits until the bytes are through."""

    rate: float = float("inf")
    """Bytes per second."""
    _free_at: float = 0.0

    async def connect(self, service: Dataspike) -> trio.abc.Stream:
        """Open a stream over this link."""
        return ThroughLink(await open_stream(service), self)

    async def carry(self, count: int) -> None:
        """Wait as long as so many bytes take."""
        if self.rate == float("inf"):
            return
        now = trio.current_time()
        self._free_at = max(now, self._free_at) + count / self.rate
        await trio.sleep_until(self._free_at)


class ThroughLink(trio.abc.Stream):
    """A stream whose sends pass through a link."""

    def __init__(self, inner: trio.abc.Stream, link: Link) -> None:
        self.inner = inner
        self._link = link

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._link.carry(len(data))
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive."""
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()


@asynccontextmanager
async def monitors(url: str, tracks: int, link: Link, frame: Frame) -> AsyncGenerator[list[Monitor]]:
    """Run as many monitors as the tracks need, the tracks added one after the other over five seconds."""
    service = Dataspike(api_key="bench", url=url)
    camera = Camera(frame)
    async with AsyncExitStack() as stack:
        opened: list[Monitor] = []
        began = trio.current_time()
        for number in range(tracks):
            if number % PER_MONITOR == 0:
                monitor = Monitor(
                    service=service,
                    sampling=lambda: AdaptiveSampling(NORMAL_FPS, BURST_FPS),
                    connect=link.connect,
                )
                opened.append(await stack.enter_async_context(monitor))
            # Not all in one moment, or they would be due in one moment ever after.
            await trio.sleep_until(began + number / tracks / NORMAL_FPS)
            await opened[-1].add_track(TrackInfo(f"p{number}", str(number)), camera)
        yield opened


def used() -> float:
    """Return the CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def encoder_alone(frame: Frame, count: int = 300) -> float:
    """Return the CPU seconds of one encoding."""
    encode_jpeg(frame, quality=75)
    before = time.process_time()
    for _ in range(count):
        encode_jpeg(frame, quality=75)
    return (time.process_time() - before) / count


def p99(ages: list[float]) -> float:
    """Return the 99th percentile, in seconds; 0 for no samples."""
    return sorted(ages)[int(0.99 * (len(ages) - 1))] if ages else 0.0


def totals(opened: list[Monitor]) -> dict[str, int]:
    """Return due, sent, and drops by reason."""
    uplinks = [monitor.status().uplink for monitor in opened]
    found = {"due": sum(uplink.due for uplink in uplinks), "sent": sum(uplink.sent for uplink in uplinks)}
    for uplink in uplinks:
        for reason, count in uplink.dropped.items():
            found[f"dropped {reason}"] = found.get(f"dropped {reason}", 0) + count
    return found


def less(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """Return the differences that are not zero, and due and sent."""
    found = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in found.items() if count or name in ("due", "sent")}


async def measure(tracks: int, seconds: float) -> dict[str, Any]:
    """Run one number of tracks and return its figures."""
    frame = picture()
    encoding = encoder_alone(frame)
    service, link = ServiceProcess(), Link()
    suspects = min(BURST, tracks)
    try:
        gc.collect()
        empty = resident()
        async with monitors(service.url, tracks, link, frame) as opened:
            await trio.sleep(2)
            await service.since(0)
            counts, cpu, began = totals(opened), used(), trio.current_time()
            await trio.sleep(seconds)
            steady, cpu = less(totals(opened), counts), used() - cpu
            lasted = trio.current_time() - began
            memory = (resident() - empty) / tracks
            arrived = await service.since(suspects)
            needed = sum(size for _, _, size in arrived) / lasted
            # The verdicts come with each track's next sample; then all of them are at burst rate.
            await trio.sleep(1 / NORMAL_FPS + 1)
            await service.since(suspects)
            counts = totals(opened)
            await trio.sleep(BURST_SECONDS)
            burst, burst_counts = await service.since(0), less(totals(opened), counts)
            await trio.sleep(1 / BURST_FPS + 2)
            narrow = await _narrow(opened, service, link, tracks, needed / 10, seconds)
        floor = await bare(service.url, tracks, NORMAL_FPS, seconds, frame)
    finally:
        service.close()
    ages = [age for _, age, _ in arrived]
    return {
        "tracks": tracks,
        "samples": steady["sent"],
        "due": steady["due"],
        "cpu_ms": 1_000 * cpu / max(1, steady["sent"]),
        "encoder_ms": 1_000 * encoding,
        "over_encoding": cpu / max(1, steady["sent"]) / encoding,
        "bare_ms": 1_000 * floor,
        "over_bare": cpu / max(1, steady["sent"]) / floor,
        "p99_age": p99(ages),
        "burst_samples": burst_counts["sent"],
        "burst_p99_age": p99([age for _, age, _ in burst]),
        "burst_counts": burst_counts,
        "kb_per_track": memory / 1_024,
        "needed": needed,
        "narrow": narrow,
    }


async def _narrow(
    opened: list[Monitor], service: ServiceProcess, link: Link, tracks: int, rate: float, seconds: float
) -> dict[str, Any]:
    suspects = max(1, tracks // 10)
    await service.since(suspects)
    await trio.sleep(1 / NORMAL_FPS + 1)  # until each suspect is known
    link.rate = rate
    await trio.sleep(AGE_LIMIT + 1)  # what was on its way
    await service.since(suspects)
    counts = totals(opened)
    began = trio.current_time()
    await trio.sleep(seconds)
    lasted = trio.current_time() - began
    arrived, counts = await service.since(suspects), less(totals(opened), counts)
    link.rate = float("inf")
    per_suspect = sum(number < suspects for number, _, _ in arrived) / suspects / lasted
    others = max(1, tracks - suspects)
    per_other = sum(number >= suspects for number, _, _ in arrived) / others / lasted
    return {
        "suspicious_share": per_suspect / BURST_FPS,
        "other_share": per_other / NORMAL_FPS,
        "oldest": max((age for _, age, _ in arrived), default=0.0),
        "counts": counts,
    }


def main() -> None:
    """Measure each number of tracks in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the undisturbed span and of the narrow link")
    parser.add_argument("--rounds", type=int, default=1, help="the table has the medians")
    parser.add_argument("--five-thousand", action="store_true")
    parser.add_argument("--out", type=Path, help="a file for one JSON line per run")
    parser.add_argument("--tracks", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        trio.run(serve)
    elif options.tracks:
        print(json.dumps(trio.run(measure, options.tracks, options.seconds)))
    else:
        counts = (*COUNTS, 5_000) if options.five_thousand else COUNTS
        report([run_apart(count, options.seconds) for _ in range(options.rounds) for count in counts], options.out)


def run_apart(tracks: int, seconds: float) -> dict[str, Any]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--tracks", str(tracks), "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def report(runs: list[dict[str, Any]], out: Path | None) -> None:
    """Print the table, and write the runs."""
    if out is not None:
        out.write_text("".join(json.dumps(run) + "\n" for run in runs), "utf-8")
    head = (
        "tracks",
        "samples/due",
        "CPU ms",
        "over enc.",
        "over bare",
        "p99 age",
        "burst p99",
        "KB/track",
        "narrow: susp.",
        "others",
    )
    print("  ".join(f"{word:>13}" for word in head))
    for tracks in dict.fromkeys(run["tracks"] for run in runs):
        mine = [run for run in runs if run["tracks"] == tracks]

        def median(name: str, mine: list[dict[str, Any]] = mine) -> float:
            return statistics.median(run[name] for run in mine)

        shares = [
            statistics.median(run["narrow"][name] for run in mine) for name in ("suspicious_share", "other_share")
        ]
        row = (
            f"{tracks:,}",
            f"{median('samples'):g}/{median('due'):g}",
            f"{median('cpu_ms'):.2f}",
            f"{median('over_encoding'):.2f}",
            f"{median('over_bare'):.2f}",
            f"{median('p99_age'):.3f} s",
            f"{median('burst_p99_age'):.3f} s",
            f"{median('kb_per_track'):.1f}",
            *(f"{share:.0%}" for share in shares),
        )
        print("  ".join(f"{cell:>13}" for cell in row))
        for run in mine:
            narrow = run["narrow"]
            print(f"    burst {run['burst_counts']}; narrow {narrow['counts']}, oldest {narrow['oldest']:.2f} s")
    largest = [run["over_encoding"] for run in runs if run["tracks"] == 1_000]
    if largest:
        bare_over = statistics.median(run["bare_ms"] / run["encoder_ms"] for run in runs if run["tracks"] == 1_000)
        print(
            f"CPU over encoding at 1,000 tracks: {statistics.median(largest):.2f} (goal: 1.6 or less);"
            f" the bare path's: {bare_over:.2f}"
        )


if __name__ == "__main__":
    main()
