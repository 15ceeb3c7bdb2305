"""A job queue with back-pressure: a submitter waits while every worker has enough to do.

    python examples/job_queue.py FILE...     # the SHA-256 of each
    python examples/job_queue.py             # a hundred made-up jobs, one of which always fails

Each worker is an actor with its own small mailbox. A job that crashes its worker is tried once more by the
worker's next incarnation, then given up and counted. A submitter waits while every mailbox is full.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import trio
from attrs import define, frozen

from ds_actors import Actor, ActorRef, ChildSpec, DeadLetter, Reject, Supervisor, TelemetryEvent

Job = TypeVar("Job")

DEPTH = 4
"""The most jobs of a worker, including the one in hand."""


@define
class Worker(Actor[Job]):
    """Runs one job after the other; a job that raises crashes the worker."""

    work: Callable[[Job], Awaitable[object]]
    report: Callable[[], None]

    async def receive(self, message: Job, /) -> None:
        await self.work(message)
        self.report()


class JobQueue(Generic[Job]):
    """Takes jobs; created by `open_job_queue`."""

    def __init__(self) -> None:
        self.submitted = self.done = 0
        self.given_up = 0
        """Jobs that failed twice, or were waiting when an error ended the block."""
        self.workers: list[ActorRef[Job]] = []
        self._changed = trio.Event()

    @property
    def unfinished(self) -> int:
        """Jobs that wait or run."""
        return self.submitted - self.done - self.given_up

    async def submit(self, job: Job) -> None:
        """Pass a job to the least busy worker, waiting until it has room."""
        await min(self.workers, key=self._load).send(job)
        self.submitted += 1

    async def finish(self) -> None:
        """Wait until every job is done or given up."""
        while self.unfinished:
            self._changed = trio.Event()
            await self._changed.wait()

    @staticmethod
    def _load(worker: ActorRef[Job]) -> int:
        statistics = worker.statistics()
        return statistics.queued + statistics.in_hand

    def one_done(self) -> None:
        """Count a job that was done."""
        self.done += 1
        self._changed.set()

    def listen(self, event: TelemetryEvent) -> None:
        """Count a job that was given up."""
        if isinstance(event, DeadLetter):
            self.given_up += 1
            self._changed.set()


@asynccontextmanager
async def open_job_queue(
    work: Callable[[Job], Awaitable[object]], *, workers: int = 4
) -> AsyncGenerator[JobQueue[Job]]:
    """Run this many supervised workers; the end of the block waits for all submitted jobs."""
    queue = JobQueue[Job]()
    make = partial(Worker[Job], work, queue.one_done)
    mailbox = partial(Reject[Job], DEPTH, redeliver=1)
    specs = [ChildSpec(make, name=f"worker-{number}", mailbox=mailbox) for number in range(1, workers + 1)]
    # Jobs cause the restarts, not workers: only a flood of restarts should end the queue.
    async with Supervisor("jobs", children=specs, max_restarts=1_000, listeners=(queue.listen,)) as tree:
        queue.workers = tree.actors()
        yield queue
        await queue.finish()


@frozen
class Sum:
    """A made-up job."""

    up_to: int


async def hash_files(paths: Iterable[Path]) -> int:
    """Print the SHA-256 of each file, a few at a time; return the number of unreadable files."""

    async def work(path: Path) -> None:
        content = await trio.Path(path).read_bytes()
        digest = await trio.to_thread.run_sync(lambda: hashlib.sha256(content).hexdigest())
        print(f"{digest}  {path}")

    async with open_job_queue(work) as queue:
        for path in paths:
            await queue.submit(path)  # waits, so only a few files are in memory
    return queue.given_up


async def show() -> None:
    """Submit jobs faster than the workers run them; the submitter waits."""
    most = 0

    async def work(job: Sum) -> None:
        if job.up_to == 13:
            raise ValueError("this job always fails")
        await trio.sleep(0.001)
        sum(range(job.up_to))

    async with open_job_queue(work) as queue:
        for number in range(100):
            await queue.submit(Sum(number))
            most = max(most, queue.unfinished)
    print(f"{queue.done} done, {queue.given_up} given up")  # prints 99 done, 1 given up
    print(f"{most} at once at most, of {4 * DEPTH} that find room")  # prints 16 at once at most


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(1 if trio.run(hash_files, map(Path, sys.argv[1:])) else 0)
    trio.run(show)
