"""Simulated tracks on all processors: the results are those of one process, in the same order."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

from ds_actors.simulation import Outcome
from ds_actors.simulation.search import TrackRun, TuningRoom

Perform = Callable[[Sequence[TrackRun]], Iterable[Outcome]]
_WORTH_A_PROCESS: Final = 20.0
"""Track hours below which another process takes longer to start than it saves."""


@contextmanager
def performer(room: TuningRoom, processes: int | None) -> Generator[Perform]:
    """Yield what simulates tracks, in as many processes; None: one for each processor, if that is worth it."""
    count = processes or (_processors() if room.hours >= _WORTH_A_PROCESS else 1)
    if count == 1:
        yield lambda runs: map(room.simulate, runs)
        return
    # Ctrl-C reaches all processes of a terminal: only this one answers it.
    pool = ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield lambda runs: pool.map(room.simulate, runs)
    finally:
        pool.shutdown(cancel_futures=True)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
