"""Ten thousand to a million parked actors under one dynamic supervisor: CPU time and memory per actor.

python benchmarks/bench_many.py [ROUNDS] [--million] [--uncollected] [--out FILE]

Each is started by `start`, all are told one message, and all are stopped. `--million` adds 1,000,000 actors, which
takes minutes and 2 GB; `--uncollected` runs without Python's cyclic collector, which shows its share of the cost;
`--out` appends a JSON line per run, from which `scripts/draw_many.py` draws the memory. Each run has a process of its
own, so that none begins in the memory that another one left.

Yardsticks:
- 10,000 actors, for what is linear: the cost of one actor among more of them, over the cost of one among these.
- The same workload with 100,000 processes of Erlang under a simple_one_for_one supervisor (`many.erl`), where `erl` is
  installed: CPU time of both virtual machines. Erlang's bytes are of the processes alone, ours are of resident memory.
"""

from __future__ import annotations

import gc
import json
import logging
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any, Final

import trio
from _compare import rounds

from ds_actors import Actor, Supervisor

HERE: Final = Path(__file__).parent
COUNTS: Final = (10_000, 100_000)
MILLION: Final = 1_000_000
WITH_ERLANG: Final = 100_000
MOST: Final = 1.3
"""The goal: one actor among a million costs at most this many times one among ten thousand."""
IN_A_ROW: Final = 128
"""Messages told before the actors get a turn, so that the sum of what waits is not what is measured."""


class Counting(Actor[trio.Event]):
    """Counts the messages of all; the last one sets an event."""

    left = 0

    async def receive(self, message: trio.Event, /) -> None:
        """Count it."""
        Counting.left -= 1
        if not Counting.left:
            message.set()


def resident() -> int:
    """Return the resident memory of this process in bytes; 0 where the system has no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text("ascii").split()[1]) * 4096 if statm.exists() else 0


async def run(number: int) -> dict[str, Any]:
    """Start, tell and stop; return the costs per actor (CPU microseconds, bytes)."""
    before, begin = resident(), process_time()
    Counting.left, done = number, trio.Event()
    async with Supervisor("bench", "dynamic", close_within=600) as app:
        refs = [await app.start(Counting, name=f"{index}") for index in range(number)]
        started = process_time()
        for index, ref in enumerate(refs):
            ref.tell(done)
            if index % IN_A_ROW == 0:
                await trio.lowlevel.checkpoint()
        await done.wait()
        await trio.lowlevel.checkpoint()
        told, memory = process_time(), resident()
    ended = process_time()
    return {
        "actors": number,
        "python": platform.python_version(),
        "start": (started - begin) / number * 1e6,
        "tell": (told - started) / number * 1e6,
        "stop": (ended - told) / number * 1e6,
        "cost": (ended - begin) / number * 1e6,
        "bytes": (memory - before) / number,
        "resident": memory,
    }


def measure(number: int, *, collected: bool) -> dict[str, Any]:
    """Run in a process of its own."""
    command = [sys.executable, __file__, "--run" if collected else "--run-uncollected", str(number)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def erlang(number: int) -> tuple[float, float]:
    """Return CPU microseconds and bytes per process of Erlang."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["erlc", "-o", folder, str(HERE / "many.erl")], check=True)
        call = f"many:main({number})."
        command = ["erl", "+S", "1", "+P", "2000000", "-noshell", "-pa", folder, "-eval", call]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    cost, size = map(float, done.stdout.split())
    return cost, size


def show(values: list[float], digits: int = 1) -> str:
    """Return the median and the range."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def print_rows(runs: Mapping[int, list[dict[str, Any]]]) -> None:
    """Print a row for each number of actors."""
    fewest = runs[COUNTS[0]]
    for number, found in runs.items():
        costs = [taken["cost"] for taken in found]
        print(f"{number:,} actors started, told one message, stopped: {show(costs)} us each")
        phases = ", ".join(
            f"{phase} {statistics.median([taken[phase] for taken in found]):.1f}" for phase in ("start", "tell", "stop")
        )
        sizes = [taken["bytes"] for taken in found]
        most = max(taken["resident"] for taken in found) / 2**30
        print(f"  {phases} us; {show(sizes, 0)} bytes each, {most:.2f} GiB resident")
        if found is not fewest:
            ratios = [many["cost"] / few["cost"] for many, few in zip(found, fewest, strict=True)]
            met = "met" if statistics.median(ratios) <= MOST else "NOT met"
            print(f"  against one of {COUNTS[0]:,}: {show(ratios, 2)} times (goal: {MOST:g} or less, {met})")


def main() -> None:
    """Measure, and print the rows."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["--run"], ["--run-uncollected"]):
        logging.disable()
        if arguments[0] == "--run-uncollected":
            gc.disable()
        print(json.dumps(trio.run(run, int(arguments[1]))))
        return
    counts = (*COUNTS, MILLION) if "--million" in arguments else COUNTS
    times = rounds(3) if arguments[:1] and arguments[0].isdigit() else 3
    runs: dict[int, list[dict[str, Any]]] = {number: [] for number in counts}
    others: list[tuple[float, float]] = []
    has_erlang = bool(shutil.which("erl") and shutil.which("erlc"))
    for turn in range(times):
        for number in counts if turn % 2 == 0 else reversed(counts):
            runs[number].append(measure(number, collected="--uncollected" not in arguments))
            if number == WITH_ERLANG and has_erlang:
                others.append(erlang(number))
    print_rows(runs)
    if "--out" in arguments:
        with Path(arguments[arguments.index("--out") + 1]).open("a", encoding="utf-8") as out:
            for found in runs.values():
                out.writelines(json.dumps(taken) + "\n" for taken in found)
    if not has_erlang:
        print("  against Erlang: not measured here: it is not installed")
        return
    ratios = [ours["cost"] / theirs for ours, (theirs, _) in zip(runs[WITH_ERLANG], others, strict=True)]
    sizes = show([size for _, size in others], 0)
    print(f"  {WITH_ERLANG:,} against Erlang: {show([cost for cost, _ in others])} us, {sizes} bytes each")
    print(f"  ours costs {show(ratios)} times as much CPU time")


if __name__ == "__main__":
    main()
