"""Compares the plugin with 1.2.17, which it replaces, in real rooms: the costs for the agent, and the delays.

Yardstick: `dataspike-livekit-plugins` 1.2.17 from PyPI in its own environment (`components.py --reference`). Each
measurement is taken of both, a fresh agent's process each, in turns and in changing order; the people are a third
process, the service a thread of this one. "Over subscribing alone": the same process in the same room before its
detector starts.

    stall    sum of a 5 ms ticker's lags above 2 ms, of the agent's loop
    busy     time in `asyncio.Handle._run`, of the agent's loop
    CPU      user and system, of the agent's whole process

Run `make bench-livekit`, or this file with `PYTHONPATH=tests/e2e/livekit` and the names of measurements; it prints a
table in Markdown of each, the medians of the rounds, of what is called worst the worst.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from livekit_harness import components
from livekit_harness.process import Process, until
from livekit_harness.room import AGENT, Room
from livekit_harness.server import Server, open_server
from livekit_harness.service import open_service

from ds_actors.detection import Sample
from ds_actors.detection.events import ResultType

FULL: Final = {"width": 1280, "height": 720, "fps": 15}
SMALL: Final = {"width": 640, "height": 360, "fps": 15}
SETTLE: Final = 3.0
_Figures = dict[str, float]


def clear(_sample: Sample, _elapsed: float) -> ResultType:
    """Answer clear without decoding, since the service's own work would matter on two cores."""
    return ResultType.CLEAR


@define
class Bench:
    """The server, the people and both implementations."""

    server: Server
    people: Process
    pythons: dict[str, Path]
    quick: bool

    @contextmanager
    def room(self, which: str) -> Generator[Room]:
        """Open a room with a fresh agent of that implementation, its plugin imported."""
        with open_service() as service, Process([self.pythons[which], "-m", "livekit_harness.agent"]) as agent:
            service.otherwise = clear
            agent.call("warm", within=60)
            with Room(self.server, f"bench-{uuid.uuid4().hex[:8]}", self.people, service, agent) as room:
                yield room

    def seconds(self, full: float) -> float:
        """Return the duration of the measurement in seconds."""
        return full / 3 if self.quick else full


def enter(room: Room, who: list[str], **camera: object) -> None:
    """Let participants publish, and the agent subscribe without a detector."""
    room.join(*who, "viewer")
    for participant in who:
        room.camera(participant, **camera)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"))
    for participant in who:
        room.subscribed(participant)
    time.sleep(SETTLE)


def measured(room: Room, seconds: float, *, busy: bool = False) -> _Figures:
    """Return the CPU, stall, and busy seconds of the agent over a period, and the samples that the service received."""
    room.agent.call("tick", busy=busy)
    cpu, samples = room.agent.call("cpu"), len(room.service.samples)
    time.sleep(seconds)
    used = room.agent.call("cpu") - cpu
    return {**room.agent.call("ticked"), "cpu": used, "samples": len(room.service.samples) - samples}


def cost(bench: Bench, which: str) -> _Figures:
    """Two tracks of 720p at 15 fps, sampled at 5 fps each."""
    seconds = bench.seconds(15)
    with bench.room(which) as room:
        enter(room, ["alice", "bob"], **FULL)
        alone, alone_busy = measured(room, seconds), measured(room, seconds, busy=True)
        room.agent.call("tick")
        room.agent.call("start", service=room.service.url, video={"normal_fps": 5.0, "burst_fps": 5.0})
        until(lambda: len(room.service.samples) > 4, 20)
        begin = room.agent.call("ticked")
        time.sleep(1)
        sampling, sampling_busy = measured(room, seconds), measured(room, seconds, busy=True)

    def each(key: str, on: _Figures, off: _Figures) -> float:
        return 1_000 * (on[key] - off[key]) / on["samples"]

    return {
        "stall per frame, ms": each("stalled", sampling, alone),
        "busy per frame, ms": each("busy", sampling_busy, alone_busy),
        "worst stall, start and first frame, ms": 1_000 * begin["worst"],
        "worst stall, sampling, ms": 1_000 * sampling["worst"],
        "worst stall, subscribing alone, ms": 1_000 * alone["worst"],
        "CPU per frame, ms": each("cpu", sampling, alone),
        "samples per second": sampling["samples"] / seconds,
    }


def normal_rate(bench: Bench, which: str) -> _Figures:
    """Six tracks of 640x360 at 15 fps, sampled at 0.2 fps each."""
    seconds = bench.seconds(60)
    with bench.room(which) as room:
        enter(room, [f"p{n}" for n in range(6)], **SMALL)
        alone = measured(room, seconds)
        room.agent.call("start", service=room.service.url, video={"normal_fps": 0.2, "burst_fps": 1.0})
        time.sleep(SETTLE)
        sampling = measured(room, seconds)
    return {
        "CPU of six tracks, shares of a core": (sampling["cpu"] - alone["cpu"]) / seconds,
        "subscribing alone, shares of a core": alone["cpu"] / seconds,
        "samples": sampling["samples"],
    }


def packets(bench: Bench, which: str) -> _Figures:
    """From a verdict at the service to the data packet at another participant; alternating alert and clear."""
    count = 20 if bench.quick else 60
    with bench.room(which) as room:
        turns = itertools.cycle([ResultType.ALERT, ResultType.CLEAR])
        room.service.otherwise = lambda _sample, _elapsed: next(turns)
        enter(room, ["alice"], **FULL)
        room.agent.call("start", service=room.service.url, video={"normal_fps": 5.0, "burst_fps": 5.0})
        until(lambda: len(room.packets("viewer")) >= count + 5, 60)
        heard, judged = room.packets("viewer"), list(room.service.samples)
        late = [1_000 * (event["at"] - verdict.at) for event, verdict in zip(heard, judged, strict=False)][:count]
        if any(event["level"] != str(verdict.verdict.level) for event, verdict in zip(heard, judged, strict=False)):  # type: ignore[union-attr]
            raise RuntimeError("a packet is missing, so packets cannot be matched with verdicts")
    return {"verdict to packet, median, ms": statistics.median(late), "verdict to packet, worst, ms": max(late)}


@define
class FirstSuspicious:
    """Answers suspicious to the first sample of each track, and clear to the others."""

    seen: set[str] = field(factory=set[str])

    def __call__(self, sample: Sample, _elapsed: float) -> ResultType:
        """Return the verdict."""
        if sample.track in self.seen:
            return ResultType.CLEAR
        self.seen.add(sample.track)
        return ResultType.SUSPICIOUS


def reactions(bench: Bench, which: str) -> _Figures:
    """Time to a new track's first sample, and to the next one after a SUSPICIOUS; normal 0.2, burst 1."""
    first: list[float] = []
    following: list[float] = []
    with bench.room(which) as room:
        room.service.otherwise = FirstSuspicious()
        enter(room, [], **FULL)
        room.agent.call("start", service=room.service.url, video={"normal_fps": 0.2, "burst_fps": 1.0})
        for n in range(4 if bench.quick else 12):
            who = f"p{n}"
            room.join(who)
            track = room.camera(who, **FULL)
            subscribed = room.subscribed(who, track)
            until(lambda who=who: len(room.service.of(who)) >= 2, 10)  # type: ignore[misc]
            sample, next_sample = room.service.of(who)[:2]
            first.append(sample.at - subscribed)
            following.append(next_sample.at - sample.at)
            room.people.call("leave", who=who)
    return {
        "first sample after subscribed, median, s": statistics.median(first),
        "first sample after subscribed, worst, s": max(first),
        "next sample after suspicious, median, s": statistics.median(following),
        "next sample after suspicious, worst, s": max(following),
    }


def republishing(bench: Bench, which: str) -> _Figures:
    """The camera goes off and on 100 times, then the agent leaves."""
    cycles = 40 if bench.quick else 100
    memory: list[int] = []
    with bench.room(which) as room:
        enter(room, ["alice"], **SMALL)
        before = room.agent.call("left")
        room.agent.call("start", service=room.service.url, video={"normal_fps": 5.0, "burst_fps": 5.0})
        for _ in range(cycles):
            room.people.call("unpublish", who="alice")
            track = room.camera("alice", **SMALL)
            until(lambda track=track: room.service.of("alice", track))  # type: ignore[misc]
            memory.append(room.agent.call("rss"))
        if which == "this":
            room.agent.call("aclose")
        room.people.call("leave", who="alice")
        room.agent.call("leave")
        time.sleep(12)  # trio keeps an idle worker thread for ten seconds
        after = room.agent.call("left")
    steady = memory[cycles // 5 :]
    slope = statistics.linear_regression(range(len(steady)), steady).slope
    more = {key: len(set(after[key]) - set(before[key])) for key in ("tasks", "threads")}
    return {
        "streams left": after["streams"],
        "kinds of tasks left": more["tasks"],
        "threads left": sum(not name.startswith("Dummy-") for name in set(after["threads"]) - set(before["threads"])),
        f"memory per cycle, {cycles // 5} to {cycles}, KB": slope / 1_000,
    }


MEASUREMENTS: Final[dict[str, tuple[Callable[[Bench, str], _Figures], int]]] = {
    "cost": (cost, 5),
    "packets": (packets, 3),
    "reactions": (reactions, 1),
    "republishing": (republishing, 1),
    "normal-rate": (normal_rate, 5),
}
"""Each measurement with its rounds."""


def main() -> None:
    """Measure both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", choices=[*MEASUREMENTS, []], help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--quick", action="store_true", help="a third of the time, for a quick trial")
    parser.add_argument("--rounds", type=int, help="instead of each measurement's own")
    options = parser.parse_args()
    server, this, reference = components.livekit_server(), components.plugin_python(), components.reference_python()
    if server is None or this is None or reference is None:
        sys.exit("needs livekit-server, the plugin and 1.2.17: `make bench-livekit` gets them")
    with open_server(server) as running, Process([sys.executable, "-m", "livekit_harness.people"]) as people:
        bench = Bench(running, people, {"1.2.17": reference, "this": this}, options.quick)
        for name in options.measurements or MEASUREMENTS:
            measure, rounds = MEASUREMENTS[name]
            _report(bench, measure, options.rounds or (1 if options.quick else rounds))


def _report(bench: Bench, measure: Callable[[Bench, str], _Figures], rounds: int) -> None:
    found: dict[str, list[_Figures]] = {which: [] for which in bench.pythons}
    for number in range(rounds):
        order = list(bench.pythons) if number % 2 == 0 else list(bench.pythons)[::-1]
        for which in order:
            figures = measure(bench, which)
            found[which].append(figures)
            print(f"# {which}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()), flush=True)
    assert measure.__doc__
    print(f"\n{measure.__doc__.strip()} Rounds: {rounds}.\n\n| | 1.2.17 | this | ratio |\n| --- | --- | --- | --- |")
    for key in found["this"][0]:
        old, new = ([figures[key] for figures in found[which]] for which in ("1.2.17", "this"))
        pick: Callable[[Any], float] = max if "worst" in key else statistics.median
        ratio = f"{pick(new) / pick(old):.2f}" if pick(old) else ""
        print(f"| {key} | {pick(old):.3g} | {pick(new):.3g} | {ratio} |")
    print(flush=True)


if __name__ == "__main__":
    threading.current_thread().name = "bench"
    main()
