"""The sandbox in a thread of its own, for tests that are not trio's; with the verdicts set by identity."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TypeVar

import trio
from attrs import define, evolve, field, frozen

from ds_actors.detection import Level, Sample
from ds_actors.detection.events import ResultType
from ds_actors.sandbox import Sandbox, judge_marker, open_sandbox

_T = TypeVar("_T")


@frozen
class Arrived:
    """A sample as it reached the service."""

    at: float
    """The system's monotonic clock, seconds."""
    sample: Sample
    age: float
    """Seconds since its own timestamp, by the wall clock."""
    verdict: ResultType | None

    @property
    def participant(self) -> str:
        """Whose it is."""
        return self.sample.participant

    @property
    def track(self) -> str:
        """Of which track."""
        return self.sample.track


@define(eq=False)
class Service:
    """A running sandbox, as other threads may use it."""

    url: str
    verdicts: dict[str, Level | None] = field(factory=dict[str, Level | None])
    """The level of each identity; None: no answer. Who is not in it is judged by `otherwise`."""
    otherwise: Callable[[Sample, float], ResultType | None] = judge_marker
    keep_data: bool = False
    """Whether `samples` keep their bytes."""
    samples: list[Arrived] = field(factory=list[Arrived], repr=False)
    _sandbox: Sandbox | None = field(default=None, repr=False)
    _token: trio.lowlevel.TrioToken | None = field(default=None, repr=False)

    def of(self, participant: str, track: str | None = None, kind: str = "jpeg") -> list[Arrived]:
        """Return the samples of a participant so far."""
        return [
            sample
            for sample in list(self.samples)
            if sample.participant == participant and track in (None, sample.track) and sample.sample.format == kind
        ]

    def ask(self, question: Callable[[Sandbox], _T]) -> _T:
        """Return what `question` says of the sandbox, asked in its own thread."""
        assert self._sandbox is not None
        return trio.from_thread.run_sync(question, self._sandbox, trio_token=self._token)

    def attempts(self) -> int:
        """Return how many upgrades were asked for."""
        return self.ask(lambda sandbox: len(sandbox.attempts))

    def judge(self, sample: Sample, elapsed: float) -> ResultType | None:
        """Note the sample and return its verdict; called in a worker thread."""
        at, wall = time.monotonic(), time.time()
        if sample.participant in self.verdicts:
            level = self.verdicts[sample.participant]
            verdict = None if level is None else ResultType[level.name]
        else:
            verdict = self.otherwise(sample, elapsed)
        kept = sample if self.keep_data else evolve(sample, data=b"")
        self.samples.append(Arrived(at, kept, wall - sample.timestamp_ms / 1_000, verdict))
        return verdict


@contextmanager
def open_service(*, api_keys: set[str] | None = None) -> Generator[Service]:
    """Run a sandbox for the length of a block."""
    ready = threading.Event()
    service = Service("")
    scope = trio.CancelScope()
    failed: list[BaseException] = []

    async def run() -> None:
        with scope:
            async with open_sandbox(service.judge, api_keys=api_keys) as sandbox:
                service.url, service._sandbox, service._token = sandbox.url, sandbox, trio.lowlevel.current_trio_token()
                ready.set()
                await trio.sleep_forever()

    def main() -> None:
        try:
            trio.run(run)
        except BaseException as error:  # noqa: BLE001 - raised by its opener
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=main, name="sandbox")
    thread.start()
    ready.wait(30)
    try:
        if failed:
            raise failed[0]
        yield service
    finally:
        if service._token is not None:
            with suppress(trio.RunFinishedError):
                service._token.run_sync_soon(scope.cancel)
        thread.join(10)
    if failed:
        raise failed[0]
