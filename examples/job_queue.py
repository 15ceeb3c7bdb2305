"""A job queue with back-pressure: a submitter waits while every worker has enough to do.

    python examples/job_queue.py FILE...     # the SHA-256 of each
    python examples/job_queue.py             # a hundred made-up jobs, one of which can never work

Each worker is an actor with a small mailbox of its own. A job that crashes its worker is tried once more by the
worker's next incarnation; then it is given up and counted. A submitter waits while every mailbox is full.
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
"""Jobs a worker holds, the one it works at included."""


@define
class Worker(Actor[Job]):
    """Does one job after the other; a job that raises is a crash."""

    work: Callable[[Job], Awaitable[object]]
    report: Callable[[], None]

    async def receive(self, message: Job, /) -> None:
        await self.work(message)
        self.report()


class JobQueue(Generic[Job]):
    """What to submit jobs to; made by `open_job_queue`."""

    def __init__(self) -> None:
        self.submitted = self.done = 0
        self.given_up = 0
        """Jobs that failed twice, or still waited when the block was left by an error."""
        self.workers: list[ActorRef[Job]] = []
        self._changed = trio.Event()

    @property
    def unfinished(self) -> int:
        """Jobs that wait or are worked at."""
        return self.submitted - self.done - self.given_up

    async def submit(self, job: Job) -> None:
        """Hand a job to the worker that has the least to do, waiting until it has room."""
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
    """Run so many workers, each supervised; the end of the block waits for all that was submitted."""
    queue = JobQueue[Job]()
    make = partial(Worker[Job], work, queue.one_done)
    mailbox = partial(Reject[Job], DEPTH, redeliver=1)
    specs = [ChildSpec(make, name=f"worker-{number}", mailbox=mailbox) for number in range(1, workers + 1)]
    # The restarts are the jobs' fault, not the workers': only a flood of them should end the queue.
    async with Supervisor("jobs", children=specs, max_restarts=1_000, listeners=(queue.listen,)) as tree:
        queue.workers = tree.actors()
        yield queue
        await queue.finish()


@frozen
class Sum:
    """A made-up job."""

    up_to: int


async def hash_files(paths: Iterable[Path]) -> int:
    """Print the SHA-256 of each file, a few at a time; return how many could not be read."""

    async def work(path: Path) -> None:
        content = await trio.Path(path).read_bytes()
        digest = await trio.to_thread.run_sync(lambda: hashlib.sha256(content).hexdigest())
        print(f"{digest}  {path}")

    async with open_job_queue(work) as queue:
        for path in paths:
            await queue.submit(path)  # waits: no more than a few files are in memory
    return queue.given_up


async def show() -> None:
    """Submit faster than the workers work, and see who waits."""
    most = 0

    async def work(job: Sum) -> None:
        if job.up_to == 13:
            raise ValueError("nobody can do this one")
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
