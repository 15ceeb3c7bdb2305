"""Compares forwarding on demand with forwarding always, and with 1.2.17, in real rooms of six 720p cameras.

With `--cameras 20` (or 50) the rooms are larger, with `--size 320x180` or `--still` (a picture that does not move) the
publishers cost less, which share the machine; `--frames 0` and `--reactions 0` leave the last two measurements out.

Yardstick: `dataspike-livekit-plugins` 1.2.17 from PyPI in its own environment (`components.py --reference`), left out
where it is missing; and this plugin with `forwarding="always"`. Each round measures every mode once, in changing order:
a fresh agent's process and a room of its own, first empty, then with the cameras (six of 1280x720, 15 fps, no
simulcast), sampled at 0.2 fps each. The people are another process, the service is a thread of this one.

    CPU over an empty room   user and system, of the agent's whole process, less its detector's in the empty room
    bytes received           RTP payload of all video, from the agent's own statistics
    samples                  that reached the service; each track at 0.2 fps makes 12 a minute, which is what is due
    oldest sample            from its capture to its arrival
    longest gap              between two samples of a track, on arrival: 5 s when none is late
    key frames               that the publishers' encoders made, per minute and track
    publishers' video        RTP payload that the publishers sent, together
    publishers' CPU          user and system, of the process that encodes all cameras

`first frame` measures the time from the request to resume until a frame is decoded, over and over, in one room.
`reaction` measures the time from a sample that is judged suspicious to the track's next one, at burst rate 1.

Run `make bench-forwarding`, or this file with `PYTHONPATH=tests/e2e/livekit`; it prints a table in Markdown with the
medians of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import define, field
from bench_livekit import clear
from livekit_harness import components
from livekit_harness.process import Process, until
from livekit_harness.room import AGENT, Room
from livekit_harness.server import Server, open_server
from livekit_harness.service import Arrived, open_service

from ds_actors.detection import Sample
from ds_actors.detection.events import ResultType

FPS: Final = 15
SETTLE: Final = 8.0
MODES: Final = ("1.2.17", "always", "on_demand")
_RECEIVED: Final = """
stats = await room.get_rtc_stats()
result = sum(
    stat.inbound_rtp.inbound.bytes_received
    for stat in [*stats.subscriber_stats, *stats.publisher_stats]
    if stat.WhichOneof("stats") == "inbound_rtp" and stat.inbound_rtp.stream.kind == "video"
)
"""
_FIRST_FRAMES: Final = """
import time
from livekit.plugins.dataspike._forwarding import set_enabled
publications = [p for who in room.remote_participants.values() for p in who.track_publications.values()]
for publication in publications:
    set_enabled(publication, enabled=False)
await asyncio.sleep(2)
result = []
for n in range({count}):
    publication = publications[n % len(publications)]
    stream = rtc.VideoStream.from_track(track=publication.track, capacity=1)
    asked = time.perf_counter()
    set_enabled(publication, enabled=True)
    async for event in stream:
        if event.frame.width >= 64:
            break
    result.append(time.perf_counter() - asked)
    await stream.aclose()
    set_enabled(publication, enabled=False)
    await asyncio.sleep(0.2)
"""
_Figures = dict[str, float]


@define
class Bench:
    """The server, the people and the Python of each implementation."""

    server: Server
    people: Process
    this: Path
    reference: Path | None
    cameras: int
    width: int
    height: int
    still: bool

    @contextmanager
    def room(self, mode: str) -> Generator[Room]:
        """Open a room with a fresh agent that subscribes as the mode needs it."""
        python = self.reference if mode == "1.2.17" else self.this
        assert python is not None
        with open_service() as service, Process([python, "-m", "livekit_harness.agent"]) as agent:
            service.otherwise = clear
            agent.call("warm", within=60)
            with Room(self.server, f"bench-{uuid.uuid4().hex[:8]}", self.people, service, agent) as room:
                token = room.token(AGENT, kind="agent")
                agent.call("join", url=self.server.url, token=token, auto_subscribe=mode == "1.2.17")
                yield room

    def publish(self, room: Room) -> None:
        """Let the cameras in, one after the other."""
        for n in range(self.cameras):
            room.join(f"p{n}")
            room.camera(f"p{n}", width=self.width, height=self.height, fps=FPS, still=self.still)


def cost(bench: Bench, mode: str, seconds: float) -> _Figures:
    """Return what one mode costs."""
    with bench.room(mode) as room:
        options = {} if mode == "1.2.17" else {"forwarding": mode}
        video = {"normal_fps": 0.2, "burst_fps": 1.0}
        room.agent.call("start", service=room.service.url, video=video, options=options)
        time.sleep(3)
        empty = _spent(room, seconds / 3)
        bench.publish(room)
        time.sleep(SETTLE)
        samples = len(room.service.samples)
        key_frames, sent = (_people(bench, room, what) for what in ("key_frames", "video_sent"))
        received, people = room.evaluate(_RECEIVED), _cpu(bench.people.pid)
        used = _spent(room, seconds)
        received, people = room.evaluate(_RECEIVED) - received, _cpu(bench.people.pid) - people
        taken = room.service.samples[samples:]
        key_frames, sent = (
            _people(bench, room, what) - before for what, before in (("key_frames", key_frames), ("video_sent", sent))
        )
    return {
        "CPU over an empty room, core": used - empty,
        "bytes received, kB/s": received / seconds / 1_000,
        "samples": len(taken),
        "oldest sample, s": max(sample.age for sample in taken),
        "longest gap, s": max(_gaps(taken), default=0.0),
        "key frames a minute and track": key_frames / bench.cameras * 60 / seconds,
        "publishers' video, kB/s": sent / seconds / 1_000,
        "publishers' CPU, core": people / seconds,
    }


def first_frames(bench: Bench, count: int) -> list[float]:
    """Return the seconds from asking to the first frame; one track at a time, the others paused."""
    with bench.room("on_demand") as room:
        bench.publish(room)
        for n in range(bench.cameras):
            who = f"p{n}"
            code = f"[p.set_subscribed(True) for p in room.remote_participants[{who!r}].track_publications.values()]"
            room.evaluate(code)
            room.subscribed(who)
        time.sleep(SETTLE)
        return list(room.agent.call("evaluate", code=_FIRST_FRAMES.format(count=count), within=count + 60))


def _spent(room: Room, seconds: float) -> float:
    before = room.agent.call("cpu")
    time.sleep(seconds)
    return float(room.agent.call("cpu") - before) / seconds


def _people(bench: Bench, room: Room, what: str) -> int:
    return sum(int(room.people.call(what, who=f"p{n}")) for n in range(bench.cameras))


def _gaps(samples: list[Arrived]) -> list[float]:
    """Return the seconds between two samples of one track."""
    found: list[float] = []
    for track in {sample.track for sample in samples}:
        times = [sample.at for sample in samples if sample.track == track]
        found += [later - earlier for earlier, later in pairwise(times)]
    return found


@define
class SecondSuspicious:
    """Answers suspicious to the second sample of each track, and clear to the others."""

    seen: Counter[str] = field(factory=Counter[str])

    def __call__(self, sample: Sample, _elapsed: float) -> ResultType:
        """Return the verdict."""
        self.seen[sample.track] += 1
        return ResultType.SUSPICIOUS if self.seen[sample.track] == 2 else ResultType.CLEAR


def reactions(bench: Bench, mode: str) -> list[float]:
    """Return the seconds from each track's sample that is judged suspicious to its next one."""
    with bench.room(mode) as room:
        room.service.otherwise = SecondSuspicious()
        options = {} if mode == "1.2.17" else {"forwarding": mode}
        video = {"normal_fps": 0.2, "burst_fps": 1.0}
        room.agent.call("start", service=room.service.url, video=video, options=options)
        bench.publish(room)
        who = [f"p{n}" for n in range(bench.cameras)]
        until(lambda: all(len(room.service.of(participant)) >= 3 for participant in who), 60)
        return [room.service.of(participant)[2].at - room.service.of(participant)[1].at for participant in who]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure all modes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=102, help="of `first frame`; 0 leaves it out")
    parser.add_argument("--reactions", type=int, default=2, help="rooms of `reaction` per mode; 0 leaves it out")
    parser.add_argument("--modes", nargs="*", choices=MODES, default=MODES)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--still", action="store_true", help="cameras whose picture does not move")
    parser.add_argument("--size", default="1280x720", help="of each camera")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    server, this = components.livekit_server(), components.plugin_python()
    if server is None or this is None:
        sys.exit("needs livekit-server and the plugin: `make bench-forwarding` gets them")
    with open_server(server) as running, Process([sys.executable, "-m", "livekit_harness.people"]) as people:
        bench = Bench(
            running, people, this, components.reference_python(), options.cameras, width, height, options.still
        )
        modes = [mode for mode in options.modes if mode != "1.2.17" or bench.reference is not None]
        if options.rounds:
            _report(bench, modes, options.rounds, options.seconds)
        for mode in modes if options.reactions else ():
            took = sorted(seconds for _ in range(options.reactions) for seconds in reactions(bench, mode))
            median = statistics.median(took)
            print(f"reaction, {mode}, {len(took)} times: p50 {median:.2f} s, from {took[0]:.2f} to {took[-1]:.2f} s")
        if options.frames:
            took = sorted(first_frames(bench, options.frames))
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            print(
                f"first frame after asking, {len(took)} times: p50 {p50:.3f} s, p99 {p99:.3f} s, worst {took[-1]:.3f} s"
            )


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"  # a count of samples is exact


def _report(bench: Bench, modes: list[str], rounds: int, seconds: float) -> None:
    found: dict[str, list[_Figures]] = {mode: [] for mode in modes}
    for number in range(rounds):
        for mode in modes if number % 2 == 0 else modes[::-1]:
            figures = cost(bench, mode, seconds)
            found[mode].append(figures)
            print(f"# {mode}: " + ", ".join(f"{key} {_written(value)}" for key, value in figures.items()), flush=True)
    due = bench.cameras * 0.2 * seconds
    print(f"\nRounds: {rounds} of {seconds:g} s; {due:g} samples due.")
    print(f"Cameras: {bench.cameras} of {bench.width}x{bench.height}{', still' if bench.still else ''}.")
    print(f"\n| | {' | '.join(modes)} |\n| --- |{' --- |' * len(modes)}")
    for key in found[modes[0]][0]:
        values = [statistics.median(figures[key] for figures in found[mode]) for mode in modes]
        print(f"| {key} | {' | '.join(map(_written, values))} |")
    print(flush=True)


if __name__ == "__main__":
    main()
