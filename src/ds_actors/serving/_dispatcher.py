"""What connections and models share: the queue, the answers and the counts. It never waits, except for a batch."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import trio
from attrs import define, field

from ds_actors._text import counted
from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.reporting.log_throttle import LogThrottle
from ds_actors.detectors import Finding, Invalid, Thresholds
from ds_actors.detectors.answers import result
from ds_actors.serving.queue import DroppedSample, QueueLimits, SampleQueue, WaitingSample
from ds_actors.serving.status import ServiceState, ServiceStatus, WorkerState

logger: logging.Logger = logging.getLogger("ds_actors.serving")

_REASONS: Final = {
    "superseded": "Not judged: a newer sample of the track took its place.",
    "expired": "Not judged: the service could not answer in time.",
    "overloaded": "Not judged: too many samples wait.",
    "disconnected": "",
}
_LOST: Final = "The model process failed on this batch."
_JUST_AFTER: Final = 0.001
_BATCHES_REMEMBERED: Final = 8

SendResult = Callable[[WireResult], bool]


@define(eq=False)
class Dispatcher:
    """Takes samples from connections, gives batches to models, and answers each sample once."""

    limits: QueueLimits
    thresholds: Thresholds
    observe: Callable[[str, float], object] = lambda _name, _value: None
    """Called with `batch_seconds` and `answer_seconds`, for metrics."""
    note_outcome: Callable[[Sample, Finding | Invalid], object] = lambda _sample, _outcome: None
    """Called with each judged sample and its outcome, before its answer is sent."""
    draining: trio.Event = field(factory=trio.Event, init=False)
    changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)
    """Where to wait for the next change of a model's state, or for the end of what is judged."""
    refused: Counter[str] = field(factory=Counter[str], init=False)
    malformed: int = field(default=0, init=False)
    loaded: bool = field(default=False, init=False)
    """Whether a model was ever loaded."""
    _queue: SampleQueue = field(init=False)
    _answer: dict[int, SendResult] = field(factory=dict[int, SendResult], init=False, repr=False)
    _numbers: count[int] = field(factory=lambda: count(1), init=False)
    _idle: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)
    _workers: dict[str, WorkerState] = field(factory=dict[str, WorkerState], init=False)
    _answered: Counter[str] = field(factory=Counter[str], init=False)
    _faults: Counter[str] = field(factory=Counter[str], init=False)
    _unreported: Counter[str] = field(factory=Counter[str], init=False)
    _throttle: LogThrottle = field(factory=LogThrottle, init=False)
    _durations: deque[float] = field(factory=lambda: deque[float](maxlen=_BATCHES_REMEMBERED), init=False)
    _judging: int = field(default=0, init=False)
    _unsent: int = field(default=0, init=False)
    _late: int = field(default=0, init=False)
    """Samples that arrived while the service or their connection was ending."""
    _batches: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._queue = SampleQueue(self.limits)

    @property
    def state(self) -> ServiceState:
        """Whether it can judge."""
        if self.draining.is_set():
            return "draining"
        return "ready" if any(state in ("idle", "busy") for state in self._workers.values()) else "loading"

    @property
    def unfinished(self) -> int:
        """The samples that wait or are judged."""
        return self._queue.waiting + self._judging

    @property
    def connections(self) -> int:
        """The open connections."""
        return len(self._answer)

    def join(self, answer: SendResult) -> int:
        """Begin a connection, and return its number; `answer` must not wait, and returns whether it took the result."""
        number = next(self._numbers)
        self._answer[number] = answer
        self._queue.join(number)
        return number

    def leave(self, connection: int) -> None:
        """End a connection: what waits of it is dropped."""
        self._answer.pop(connection, None)
        self._drop(self._queue.leave(connection))
        self.changed.unpark_all()

    def offer(self, connection: int, sample: Sample) -> None:
        """Take a sample of a connection."""
        if connection not in self._answer or self.draining.is_set():
            self._late += 1
            return
        self._drop(self._queue.offer(connection, sample, trio.current_time()))
        self._idle.unpark_all()

    async def next_batch(self) -> list[WaitingSample]:
        """Wait for the next batch, and begin it."""
        while True:
            batch, dropped = self._queue.take(trio.current_time(), self._expected())
            self._drop(dropped)
            if batch:
                self._judging += len(batch)
                return batch
            with trio.move_on_at(self._queue.due()):
                await self._idle.park()

    def judged(self, batch: Sequence[WaitingSample], outcomes: Sequence[Finding | Invalid], seconds: float) -> None:
        """Answer a batch; `seconds` is what its detector took."""
        self._batches += 1
        self._durations.append(seconds)
        self.observe("batch_seconds", seconds)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Invalid):
                self._count_fault(outcome.fault, outcome.detail)
            self.note_outcome(waiting.sample, outcome)
            self._send(waiting, *result(outcome, self.thresholds))
        self._end(batch)

    def failed(self, batch: Sequence[WaitingSample]) -> None:
        """Answer a batch whose model process was lost."""
        self._lost += 1
        for waiting in batch:
            self._send(waiting, ResultType.ERROR, _LOST)
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
            judging=self._judging,
            dropped={str(reason): count for reason, count in self._queue.dropped.items()} | {"closing": self._late},
            faults=dict(self._faults),
            answered=dict(self._answered),
            unsent=self._unsent + self._late,
            batches=self._batches,
            lost=self._lost,
        )

    def _expected(self) -> float:
        # The shortest of the last batches, and never so long that a sample that just arrived is given up: a detector
        # that was slow for a while would not be asked again.
        return min(min(self._durations, default=0.0), self.limits.deadline / 2)

    def _end(self, batch: Sequence[WaitingSample]) -> None:
        self._judging -= len(batch)
        self._queue.done(batch)
        self._idle.unpark_all()
        self.changed.unpark_all()

    def _drop(self, dropped: Sequence[DroppedSample]) -> None:
        for entry in dropped:
            self._send(entry.waiting, ResultType.ERROR, _REASONS[entry.reason])
        if dropped:
            self.changed.unpark_all()

    def _send(self, waiting: WaitingSample, kind: ResultType, message: str) -> None:
        sample = waiting.sample
        answer = self._answer.get(waiting.connection)
        if answer is None or not answer(WireResult(int(kind), sample.participant, sample.track, message)):
            self._unsent += 1
            return
        self._answered[kind.level.value] += 1
        self.observe("answer_seconds", trio.current_time() - waiting.arrived)

    def _count_fault(self, fault: str, detail: str) -> None:
        self._faults[fault] += 1
        self._unreported[fault] += 1
        if self._throttle.due("faults", trio.current_time()):
            counts = ", ".join(f"{name} {number:,}" for name, number in sorted(self._unreported.items()))
            total = counted(self._unreported.total(), "sample")
            self._unreported.clear()
            logger.warning("%s got an error instead of a verdict (%s); the last: %s", total, counts, detail or fault)
