"""The job queue."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import trio

QUEUE = Path(__file__).parents[2] / "examples" / "job_queue.py"


@pytest.fixture
def queues(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("job_queue")


async def test_who_submits_waits_while_all_are_busy(queues: ModuleType, autojump_clock: object) -> None:
    """While no worker works, the queue accepts exactly what finds room; each job done lets one more in."""
    go = trio.Event()

    async def work(_: int) -> None:
        await go.wait()

    async def submit_all(queue: object) -> None:
        for number in range(50):
            await queue.submit(number)  # type: ignore[attr-defined]

    async with queues.open_job_queue(work, workers=2) as queue, trio.open_nursery() as nursery:
        nursery.start_soon(submit_all, queue)
        await trio.testing.wait_all_tasks_blocked()
        assert queue.submitted == 2 * queues.DEPTH
        go.set()
    assert (queue.done, queue.given_up, queue.unfinished) == (50, 0, 0)


async def test_a_poisonous_job_costs_no_other(queues: ModuleType, autojump_clock: object) -> None:
    """It is tried twice and given up; all the others are done once."""
    tried: list[int] = []

    async def work(job: int) -> None:
        tried.append(job)
        if job == 3:
            raise ValueError

    async with queues.open_job_queue(work, workers=2) as queue:
        for number in range(20):
            await queue.submit(number)
    assert (queue.done, queue.given_up) == (19, 1)
    assert sorted(tried) == sorted([*range(20), 3])


def test_it_hashes_files_and_says_which_failed(tmp_path: Path) -> None:
    """As a command: a line a file, and another exit code when one could not be read."""
    good, missing = tmp_path / "good", tmp_path / "missing"
    good.write_bytes(b"content")
    run = [sys.executable, str(QUEUE), str(good)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, f"{hashlib.sha256(b'content').hexdigest()}  {good}\n")
    done = subprocess.run([*run, str(missing)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "missing" in done.stderr
    assert str(good) in done.stdout
