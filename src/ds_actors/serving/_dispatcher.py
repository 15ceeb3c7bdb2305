"""What connections and models share: the queue, the answers and the counts. It never waits, except for a batch."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

import trio
from attrs import define, field

from ds_actors._text import counted
from ds_actors.detection.events import ResultType, Sample
from ds_actors.detection.reporting.log_throttle import LogThrottle
from ds_actors.detectors import Finding, Invalid, Thresholds
from ds_actors.detectors.answers import result
from ds_actors.detectors.findings import described
from ds_actors.serving._answers import Answers, TakeAnswer
from ds_actors.serving.queue import DroppedSample, QueueLimits, SampleQueue, WaitingSample
from ds_actors.serving.status import ServiceState, ServiceStatus, WorkerState

logger: logging.Logger = logging.getLogger("ds_actors.serving")

_REASONS: Final = {
    "superseded": "Not judged: a newer sample of the track took its place.",
    "expired": "Not judged: the service could not answer in time.",
    "overloaded": "Not judged: too many samples wait.",
    "disconnected": "",
    "closing": "Not judged: the service is closing.",
}
_LOST: Final = "The model process failed on this batch."
_JUST_AFTER: Final = 0.001
_BATCHES_REMEMBERED: Final = 8


@define(eq=False)
class Dispatcher:
    """Takes samples from connections, gives batches to models, and answers each sample once."""

    limits: QueueLimits
    thresholds: Thresholds
    timings: Callable[[str, float], object] = lambda _name, _value: None
    """Called with `batch_seconds` and `answer_seconds`, for metrics."""
    note_outcome: Callable[[Sample, Finding | Invalid], object] = lambda _sample, _outcome: None
    """Called with each judged sample and its outcome, before its answer is sent."""
    answers: Answers = field(init=False)
    connections: int = field(default=0, init=False)
    """The places of connections that are taken."""
    draining: trio.Event = field(factory=trio.Event, init=False)
    changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)
    """Where to wait for the next change of a model's state, or for the end of what is judged."""
    refused: Counter[str] = field(factory=Counter[str], init=False)
    malformed: int = field(default=0, init=False)
    loaded: bool = field(default=False, init=False)
    """Whether a model was ever loaded."""
    _queue: SampleQueue = field(init=False)
    _numbers: count[int] = field(factory=lambda: count(1), init=False)
    _idle: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)
    _workers: dict[str, WorkerState] = field(factory=dict[str, WorkerState], init=False)
    _faults: Counter[str] = field(factory=Counter[str], init=False)
    _unreported: Counter[str] = field(factory=Counter[str], init=False)
    _throttle: LogThrottle = field(factory=LogThrottle, init=False)
    _durations: deque[float] = field(factory=lambda: deque[float](maxlen=_BATCHES_REMEMBERED), init=False)
    _judging: dict[WaitingSample, None] = field(factory=dict[WaitingSample, None], init=False, repr=False)
    """The samples in batches that have no answer yet."""
    _late: int = field(default=0, init=False)
    """Samples that arrived while the service or their connection was ending."""
    _interrupted: int = field(default=0, init=False)
    """Samples in batches that the service's end left without an outcome."""
    _batches: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._queue = SampleQueue(self.limits)
        self.answers = Answers(self._observe)

    @property
    def state(self) -> ServiceState:
        """Whether it can judge."""
        if self.draining.is_set():
            return "draining"
        return "ready" if any(state in ("idle", "busy") for state in self._workers.values()) else "loading"

    @property
    def unfinished(self) -> int:
        """The samples that wait or are judged."""
        return self._queue.waiting + len(self._judging)

    @contextmanager
    def place(self, most: int) -> Generator[bool]:
        """Hold one of `most` places of connections for the length of a block; yield whether there was one."""
        if self.draining.is_set() or self.connections >= most:
            yield False
            return
        self.connections += 1
        try:
            yield True
        finally:
            self.connections -= 1
            self.changed.unpark_all()

    def join(self, take: TakeAnswer) -> int:
        """Begin a connection, and return its number."""
        number = next(self._numbers)
        self.answers.join(number, take)
        self._queue.join(number)
        return number

    def leave(self, connection: int) -> None:
        """End a connection: what waits of it is dropped."""
        self.answers.leave(connection)
        self._drop(self._queue.leave(connection))
        self.changed.unpark_all()

    def offer(self, connection: int, sample: Sample) -> None:
        """Take a sample of a connection."""
        if self.draining.is_set() or not self.answers.has(connection):
            self._late += 1
            return
        self._drop(self._queue.offer(connection, sample, trio.current_time()))
        self._idle.unpark_all()

    def close(self) -> None:
        """Take no more samples, and answer those that wait or are judged with an error that says so."""
        self.draining.set()
        self._drop(self._queue.close())
        self.interrupted(list(self._judging))

    async def next_batch(self) -> list[WaitingSample]:
        """Wait for the next batch, and begin it."""
        while True:
            batch, dropped = self._queue.take(trio.current_time(), self._expected())
            self._drop(dropped)
            if batch:
                self._judging |= dict.fromkeys(batch)
                return batch
            with trio.move_on_at(self._queue.due()):
                await self._idle.park()

    def batch_behind(self) -> list[WaitingSample]:
        """Begin a batch that waits in a model's process behind another one; empty while another model is idle."""
        if "idle" in self._workers.values():
            return []
        expected = self._expected()
        batch, dropped = self._queue.take(trio.current_time(), expected, behind=expected)
        self._drop(dropped)
        self._judging |= dict.fromkeys(batch)
        return batch

    def give_back(self, batch: Sequence[WaitingSample]) -> None:
        """Let a batch wait again that its model did not begin."""
        left = [waiting for waiting in batch if waiting in self._judging]
        for waiting in left:
            del self._judging[waiting]
        self._drop(self._queue.give_back(left))
        self._idle.unpark_all()
        self.changed.unpark_all()

    def judged(self, batch: Sequence[WaitingSample], outcomes: Sequence[Finding | Invalid], seconds: float) -> None:
        """Answer a batch; `seconds` is what its detector took."""
        self._batches += 1
        self._durations.append(seconds)
        self._observe("batch_seconds", seconds)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Invalid):
                self._count_fault(outcome.fault, outcome.detail)
            self.note_outcome(waiting.sample, outcome)
            self._finish(waiting, *result(outcome, self.thresholds))
        self._end(batch)

    def failed(self, batch: Sequence[WaitingSample]) -> None:
        """Answer a batch whose model process was lost."""
        self._lost += 1
        for waiting in batch:
            self._finish(waiting, ResultType.ERROR, _LOST)
        self._end(batch)

    def interrupted(self, batch: Sequence[WaitingSample]) -> None:
        """Answer a batch that an orderly stop left without outcomes."""
        for waiting in batch:
            self._interrupted += self._finish(waiting, ResultType.ERROR, _REASONS["closing"])
        self._end(batch)

    async def expire(self) -> None:
        """Drop what waits beyond its deadline, until cancelled."""
        while True:
            await trio.sleep_until(
                min(self._queue.expires() + _JUST_AFTER, trio.current_time() + self.limits.deadline / 4)
            )
            self._drop(self._queue.expire(trio.current_time()))

    def set_worker(self, name: str, state: WorkerState) -> None:
        """Record what a model does."""
        self._workers[name] = state
        self.loaded = self.loaded or state == "idle"
        self.changed.unpark_all()

    def warn(self, kind: str, text: str) -> None:
        """Log a problem, at most once a minute for each kind."""
        if self._throttle.due(kind, trio.current_time()):
            logger.warning("%s", text)

    def status(self) -> ServiceStatus:
        """Return a snapshot."""
        return ServiceStatus(
            state=self.state,
            workers=dict(self._workers),
            connections=self.connections,
            refused=dict(self.refused),
            received=self._queue.received + self._late,
            malformed=self.malformed,
            waiting=self._queue.waiting,
            judging=len(self._judging),
            dropped=dict(Counter[str](self._queue.dropped) + Counter(closing=self._late + self._interrupted)),
            faults=dict(self._faults),
            answered=dict(self.answers.written),
            unwritten=self.answers.unwritten,
            unsent=self.answers.unsent + self._late,
            batches=self._batches,
            lost=self._lost,
        )

    def _expected(self) -> float:
        # The shortest of the last batches, and never so long that a sample that just arrived is given up: a detector
        # that was slow for a while would not be asked again.
        return min(min(self._durations, default=0.0), self.limits.deadline / 2)

    def _finish(self, waiting: WaitingSample, kind: ResultType, message: str) -> bool:
        """Answer a sample of a batch, unless it has its answer, and return whether it had none."""
        if waiting not in self._judging:
            return False
        del self._judging[waiting]
        self.answers.send(waiting, kind, message)
        return True

    def _end(self, batch: Sequence[WaitingSample]) -> None:
        self._queue.done(batch)
        self._idle.unpark_all()
        self.changed.unpark_all()

    def _drop(self, dropped: Sequence[DroppedSample]) -> None:
        for entry in dropped:
            self.answers.send(entry.waiting, ResultType.ERROR, _REASONS[entry.reason])
        if dropped:
            self.changed.unpark_all()

    def _observe(self, name: str, value: float) -> None:
        try:
            self.timings(name, value)
        except Exception as error:  # noqa: BLE001 - a metric is not worth a model
            self.warn("timings", f"a duration could not be recorded: {described(error)}")

    def _count_fault(self, fault: str, detail: str) -> None:
        self._faults[fault] += 1
        self._unreported[fault] += 1
        if self._throttle.due("faults", trio.current_time()):
            counts = ", ".join(f"{name} {number:,}" for name, number in sorted(self._unreported.items()))
            total = counted(self._unreported.total(), "sample")
            self._unreported.clear()
            logger.warning("%s got an error instead of a verdict (%s); the last: %s", total, counts, detail or fault)
