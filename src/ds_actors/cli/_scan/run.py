"""One run of `ds-actors scan`: its files one after another, and each file's video streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._loading import wait_loaded
from ds_actors.cli._scan.client import SILENCE, STALLED, Exchange
from ds_actors.cli._scan.console import progress_bar
from ds_actors.cli._scan.decode import DueFrame, Video
from ds_actors.cli._scan.result import ScanOutcome, StreamScan
from ds_actors.cli._scan.segments import exact
from ds_actors.cli._video import BadInput, video_streams
from ds_actors.cli._video_streams import VideoStreamName
from ds_actors.detection import Dataspike, Refused, Unreachable
from ds_actors.detection.events import Sample
from ds_actors.detectors import DetectorError, Finding, Invalid, Thresholds
from ds_actors.sandbox import judge_marker, open_sandbox
from ds_actors.serving import QueueLimits, open_service

MOST_STREAMS: Final = 32
"""Number of video streams of one file that are scanned; each takes one pass over the file."""

_BEYOND_DEADLINE: Final = 1.5


@define(eq=False)
class ScanRun:
    """One run of the command."""

    results: list[StreamScan]
    """One result per file at first; opening a file replaces its result by one result per video stream."""
    show: Callable[[StreamScan], object]
    """Called with each result once it is final."""
    thumbnails: bool = False
    max_side: int | None = None
    detector: str | None = None
    """The detector to ask, as `load_detector` takes it, instead of a service or the sandbox."""
    thresholds: Thresholds = field(factory=Thresholds)
    outcomes: Callable[[StreamScan, Finding | Invalid], object] | None = None
    """Called with what the detector made of each sample, before its answer; one whose process failed has none."""
    silence: float = SILENCE
    stalled: float = STALLED
    quality: int = 75
    """Of each sample's JPEG, 0 to 100."""
    service_problem: str = ""
    interrupted: bool = False
    shown: set[StreamScan] = field(factory=set[StreamScan])
    _scanned: StreamScan | None = field(default=None, init=False)

    async def run(self, service: Dataspike | None) -> None:
        """Scan the files in order, until the service becomes unusable or Ctrl-C arrives."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_ctrl_c, nursery.cancel_scope)
            async with self._opened(service) as ready:
                for given in list(self.results):
                    if ready is None or self.service_problem:
                        break
                    await self._file(ready, given)
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _opened(self, service: Dataspike | None) -> AsyncGenerator[Dataspike | None]:
        """Open the service for the length of a block; yield None when its detector cannot be loaded."""
        if service is not None:
            yield service
        elif self.detector is None:
            async with open_sandbox(judge_marker) as sandbox:
                yield Dataspike(api_key="sandbox", url=sandbox.url)
        else:
            # No sample may expire: sending waits for answers anyway.
            queue = QueueLimits(deadline=self.stalled)
            opening = open_service(self.detector, thresholds=self.thresholds, queue=queue, outcomes=self._outcome)
            async with opening as own:
                try:
                    await wait_loaded(own)
                except DetectorError as error:
                    self.service_problem = str(error)
                    yield None
                else:
                    yield Dataspike(api_key="own", url=own.url)

    def _outcome(self, _sample: Sample, outcome: Finding | Invalid) -> None:
        if self.outcomes is not None and self._scanned is not None:
            self.outcomes(self._scanned, outcome)

    async def _until_ctrl_c(self, scope: trio.CancelScope) -> None:
        with interrupts() as interrupt:
            await interrupt()
        self.interrupted = True
        scope.cancel()

    async def _file(self, service: Dataspike, given: StreamScan) -> None:
        """Scan the video streams of a file one after another, each in its own pass over the file."""
        try:
            found = await trio.to_thread.run_sync(video_streams, Path(given.path))
        except BadInput as error:
            given.outcome, given.problem = ScanOutcome.BAD_INPUT, str(error)
            self._show(given)
            return
        results = [given, *(StreamScan(given.path, given.fps) for _ in found.streams[1:])]
        place = self.results.index(given) + 1
        self.results[place:place] = results[1:]
        for result, stream in zip(results, found.streams, strict=True):
            result.stream, result.video_streams, result.auxiliary = stream, len(results), found.auxiliary
        late: set[int] = set()
        for number, result in enumerate(results):
            if number < MOST_STREAMS:
                late |= set(await self._stream(service, result))
                if self.service_problem:
                    self._show(result)
                    return
            else:
                result.problem = f"not scanned: the scan covers the first {MOST_STREAMS} video streams of a file"
            self._show(result)
        parts = [StreamScan(given.path, given.fps, problem=f"not scanned: {part}") for part in found.unscanned]
        others = [*_late(given, sorted(late)), *parts]
        place += len(results) - 1
        self.results[place:place] = others
        for result in others:
            self._show(result)

    def _show(self, result: StreamScan) -> None:
        self.shown.add(result)
        self.show(result)

    async def _stream(self, service: Dataspike, result: StreamScan) -> tuple[int, ...]:
        """Scan one video stream; return the indexes of the streams that were announced too late for a scan."""
        assert result.stream is not None
        self._scanned = result
        video = Video(
            Path(result.path), exact(result.fps), self.thumbnails, result.stream.index, self.max_side, self.quality
        )
        silence, stalled = self.silence, self.stalled
        if self.detector is not None:
            # Its service answers every sample, at the deadline with an error: a model that is loaded anew takes long.
            silence = stalled = _BEYOND_DEADLINE * self.stalled
        try:
            first = await _begin(video)
            result.stated = video.stated
            with progress_bar(Path(result.path).name) as bar:
                exchange = Exchange(video, first, result, lambda: bar.update(result), silence=silence, stalled=stalled)
                await self._exchange(exchange, service)
        except BadInput as error:
            result.outcome, result.problem = ScanOutcome.BAD_INPUT, str(error)
        finally:
            video.close()
        return video.late

    async def _exchange(self, exchange: Exchange, service: Dataspike) -> None:
        problem = ""
        cancelled = True
        try:
            if exchange.first is not None:
                await exchange.run(service)
            cancelled = False
        except Refused as error:
            problem = in_options(str(error))
            cancelled, self.service_problem = False, problem
        except Unreachable as error:
            cancelled, problem = False, _unreachable(error)
            if not exchange.connected:
                self.service_problem = problem
        finally:
            if cancelled:
                problem = "stopped before its end"
            _conclude(exchange, problem, cancelled=cancelled)
            if self.service_problem and not exchange.result.sent:
                # Said once, for all files that are left.
                exchange.result.outcome, exchange.result.problem = ScanOutcome.NOT_SCANNED, ""


def _late(given: StreamScan, indexes: list[int]) -> list[StreamScan]:
    """Return the results of video streams that a file announces only after its beginning."""
    problem = (
        "not scanned: the file announces this stream only after its beginning; "
        "rewrite the file with all its streams, for example with ffmpeg -map 0 -c copy into Matroska"
    )
    return [
        StreamScan(
            given.path,
            given.fps,
            problem=problem,
            stream=VideoStreamName(index, "unknown", 0, 0, decodable=False),
            video_streams=given.video_streams + len(indexes),
            auxiliary=given.auxiliary,
        )
        for index in indexes
    ]


async def _begin(video: Video) -> DueFrame | None:
    """Return the first samples, so that a bad file is known before the connection is opened."""
    await trio.to_thread.run_sync(video.open)
    first: DueFrame | None = None
    while first is None and not video.ended:
        first = await trio.to_thread.run_sync(video.step)
    return first


def _conclude(exchange: Exchange, problem: str, *, cancelled: bool) -> None:
    video, result = exchange.video, exchange.result
    exchange.note()
    result.truncated = bool(video.truncated)
    unanswered = exchange.unanswered_from
    result.timeline.end(result.last_pts or 0.0 if unanswered is None else unanswered)
    if exchange.complete:
        result.outcome = ScanOutcome.DAMAGED if video.damage.places else ScanOutcome.COMPLETE
        if result.truncated:
            result.outcome = ScanOutcome.TRUNCATED
        result.problem = _joined(video.truncated, str(video.damage))
        return
    result.outcome = ScanOutcome.INTERRUPTED if cancelled else ScanOutcome.PARTIAL
    if cancelled or exchange.gave_up_after is not None:
        result.unanswered = exchange.outstanding
    else:
        result.lost = exchange.outstanding
    if exchange.gave_up_after is not None:
        problem = f"the service gave no answer for {exchange.gave_up_after:g} s"
    answered = f"{result.answered} of {result.due} samples answered"
    result.problem = _joined(answered, problem, video.truncated, str(video.damage))


def _joined(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def in_options(text: str) -> str:
    """Return an error about a setting of `Dataspike` with the name that the setting has on the command line."""
    return text.replace("api_key (or ", "--api-key (or ").replace("url (or ", "--url (or ")


def _unreachable(error: Unreachable) -> str:
    return str(error) if error.retry_after is None else f"{error}; it asks to be left alone for {error.retry_after:g} s"
