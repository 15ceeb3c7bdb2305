"""A monitor for a long time: tracks, faults, crashes and the process of the service come and go.

    python tests/soak/soak.py --seconds 1200 --seed 7

It prints its seed and each round's figures, and ends with 1 when a statement does not hold. The account is exact at
every look. In the quiet after a round there are no more tasks, threads and file descriptors than after the second; a
run has three rounds, however slow. Over the last half the memory grows by less than 100 KB a minute; that is judged in
runs of ten minutes or more.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio
from attrs import define, field, frozen
from service_process import FAULTS, ServiceProcess

from ds_actors import ActorStopped, Node
from ds_actors.detection import AdaptiveSampling, CallbackSink, Dataspike, Frame, Monitor, TrackInfo
from ds_actors.testing import crash

ROUND: Final = 10.0
"""Seconds of disturbance, before the quiet in which things are counted."""
TRACKS: Final = 12
SPARE: Final = {"tasks": 4, "threads": 4, "descriptors": 2}
"""The uplink may be down, or wait for a pong; a supervisor's timers have a task from their first use on; trio keeps a
thread that is idle for ten seconds."""
QUIET_WITHIN: Final = 60.0
WARM_UP: Final = 2
"""Rounds whose counts are not compared: caches fill."""
SLOPE: Final = 100.0
"""KB a minute."""
JUDGED_FROM: Final = 600.0
"""Seconds of a run from which its slope is judged."""


class Camera:
    """A source whose frame comes after a while, or never, or not at all."""

    def __init__(self, dice: random.Random) -> None:
        self._wait = dice.choice([0.0, 0.0, 0.05, 0.5, 30.0])
        size = dice.choice([64, 128, 320])
        self._frame = Frame(size, size, "rgb24", dice.randbytes(3) * size * size)

    async def capture(self) -> Frame:
        await trio.sleep(self._wait)
        return self._frame

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@frozen
class Counted:
    """What there is in a quiet moment."""

    seconds: float
    tasks: int
    threads: int
    descriptors: int
    rss: float
    """KB."""


@define(eq=False)
class Soak:
    """One run."""

    seconds: float
    dice: random.Random
    began: float = 0.0
    counted: list[Counted] = field(factory=list[Counted])
    broken: list[str] = field(factory=list[str])
    done: Counter[str] = field(factory=Counter[str])
    _names: int = 0
    _tracks: list[str] = field(factory=list[str])

    async def run(self) -> None:
        """Run until the time is over, or a statement is broken."""
        async with _service() as service, trio.open_nursery() as nursery:
            self.began = time.monotonic()
            monitor = Monitor(
                service=Dataspike("k", f"ws://127.0.0.1:{service.port}/", upgrade_timeout=2.0),
                sampling=lambda: AdaptiveSampling(5, 10),
                sinks=[CallbackSink(lambda _event: None)],
                notify="changes",
                ledger=True,
                random=lambda: 0.2 * self.dice.random(),  # short waits, so that more happens
            )
            async with monitor:
                nursery.start_soon(self._look, monitor)
                while self._goes_on() and not self.broken:
                    await self._round(monitor, service)
                print("account:", json.dumps(monitor.status().dict()["uplink"], default=dict))
            nursery.cancel_scope.cancel()

    def _goes_on(self) -> bool:
        return time.monotonic() - self.began < self.seconds or len(self.counted) <= WARM_UP

    async def _round(self, monitor: Monitor, service: ServiceProcess) -> None:
        with trio.move_on_after(ROUND):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._disturb_service, service)
                nursery.start_soon(self._kill_service, service)
                nursery.start_soon(self._change_tracks, monitor)
                nursery.start_soon(self._crash_actors, monitor)
        await service.start()
        service.command("", begin=False)
        for track in self._tracks:
            await monitor.remove_track(track)
        self._tracks.clear()
        with trio.move_on_after(QUIET_WITHIN) as waiting:
            while not _is_quiet(monitor):
                await trio.sleep(0.1)
        if waiting.cancelled_caught:
            self.broken.append(f"not quiet after {QUIET_WITHIN:g} s: {monitor.status().uplink}")
        await trio.sleep(0.5)
        self._count()

    def _count(self) -> None:
        gc.collect()
        counted = Counted(
            time.monotonic() - self.began,
            trio.lowlevel.current_statistics().tasks_living,
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
            int(Path("/proc/self/statm").read_text().split()[1]) * 4.0,
        )
        self.counted.append(counted)
        print(
            f"{counted.seconds:6.0f} s: {counted.tasks} tasks, {counted.threads} threads, "
            f"{counted.descriptors} descriptors, {counted.rss:,.0f} KB",
            flush=True,
        )
        first = self.counted[WARM_UP - 1 :][:1]
        for name, spare in SPARE.items():
            if first and getattr(counted, name) > getattr(first[0], name) + spare:
                self.broken.append(f"{getattr(counted, name)} {name}, {getattr(first[0], name)} at the beginning")

    async def _look(self, monitor: Monitor) -> None:
        while True:
            account = monitor.status().uplink
            dropped = sum(account.dropped.values())
            if account.due != account.sent + dropped + account.waiting + account.granted:
                self.broken.append(f"due is not sent, dropped, waiting and granted: {account}")
            if account.sent != account.answered + account.unanswered + account.lost + account.outstanding:
                self.broken.append(f"sent is not answered, unanswered, lost and outstanding: {account}")
            await trio.sleep(0.05)

    async def _disturb_service(self, service: ServiceProcess) -> None:
        while True:
            await trio.sleep(self.dice.uniform(0.1, 2))
            name = self.dice.choice(list(FAULTS))
            self.done[name] += 1
            service.command(name, begin=True)
            await trio.sleep(self.dice.uniform(0.1, 3))
            service.command("", begin=False)

    async def _kill_service(self, service: ServiceProcess) -> None:
        while True:
            await trio.sleep(self.dice.uniform(1, ROUND))
            self.done["kills of the service"] += 1
            service.kill()
            await trio.sleep(self.dice.uniform(0.0, 2))
            await service.start()

    async def _change_tracks(self, monitor: Monitor) -> None:
        while True:
            await trio.sleep(self.dice.uniform(0.0, 0.3))
            if self._tracks and self.dice.random() < len(self._tracks) / TRACKS:
                index = self.dice.randrange(len(self._tracks))
                if self.dice.random() < 0.5:
                    monitor.set_muted(self._tracks[index], self.dice.random() < 0.5)
                else:
                    await monitor.remove_track(self._tracks.pop(index))
                continue
            self._names += 1
            self.done["tracks"] += 1
            info = TrackInfo(f"p{self.dice.randrange(4)}", f"TR_{self._names}")
            self._tracks.append(info.track)
            # Its supervisor may be restarting; removing it later is no error.
            with suppress(ActorStopped, LookupError):
                await monitor.add_track(info, Camera(self.dice))

    async def _crash_actors(self, monitor: Monitor) -> None:
        while True:
            await trio.sleep(self.dice.uniform(0.2, 1.5))
            living = _living(monitor.tree())
            if living:
                self.done["crashes"] += 1
                with suppress(ActorStopped, LookupError):
                    await crash(monitor._supervisor, self.dice.choice(living))

    def slope(self) -> float:
        """Return by how many KB a minute the memory grew over the last half (least squares)."""
        half = [counted for counted in self.counted if counted.seconds > self.seconds / 2]
        if len(half) < 3:
            return 0.0
        mean_x = sum(counted.seconds for counted in half) / len(half)
        mean_y = sum(counted.rss for counted in half) / len(half)
        spread = sum((counted.seconds - mean_x) ** 2 for counted in half)
        return 60 * sum((counted.seconds - mean_x) * (counted.rss - mean_y) for counted in half) / spread

    def judge(self) -> None:
        """Judge what only the whole run shows."""
        if self.seconds >= JUDGED_FROM and self.slope() > SLOPE:
            self.broken.append(f"the memory grows by {self.slope():.0f} KB a minute")


def _is_quiet(monitor: Monitor) -> bool:
    account = monitor.status().uplink
    return account.state == "up" and not (account.waiting or account.granted or monitor.status().tracks)


def _living(node: Node, prefix: str = "/monitor/") -> list[str]:
    found = [node.path.removeprefix(prefix)] if node.kind == "actor" and node.status == "running" else []
    return found + [path for child in node.children for path in _living(child)]


@asynccontextmanager
async def _service() -> AsyncGenerator[ServiceProcess]:
    service = ServiceProcess()
    try:
        await service.start()
        yield service
    finally:
        service.kill()


def main() -> int:
    """Run it; return the program's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}, {options.seconds:g} s", flush=True)
    logging.disable(logging.CRITICAL)  # thousands of intended crashes
    soak = Soak(options.seconds, random.Random(seed))
    trio.run(soak.run)
    soak.judge()
    print("done:", ", ".join(f"{count} {name}" for name, count in soak.done.most_common()))
    print(f"memory: {soak.slope():+.0f} KB a minute over the last half")
    for text in soak.broken:
        print(f"BROKEN: {text} (seed {seed})")
    return 1 if soak.broken else 0


if __name__ == "__main__":
    sys.exit(main())
