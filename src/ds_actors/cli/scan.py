"""`ds-actors scan`: the video streams of files, sample by sample, to the service and back."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, NoReturn

import trio
import typer
from attrs import define, field

from ds_actors._text import counted
from ds_actors.cli._scan import report
from ds_actors.cli._scan.client import SILENCE, STALLED, Exchange
from ds_actors.cli._scan.console import complain, progress_bar, show
from ds_actors.cli._scan.decode import DueFrame, Video
from ds_actors.cli._scan.result import ExitCode, ScanOutcome, StreamScan, exit_code
from ds_actors.cli._scan.segments import exact
from ds_actors.cli._video import BadInput, video_streams
from ds_actors.cli._video_streams import VideoStreamName
from ds_actors.detection import Dataspike, Level, Refused, Unreachable
from ds_actors.detection.service import KEY_VARIABLE, PERMITS_INSECURE, URL_VARIABLE
from ds_actors.sandbox import judge_marker, open_sandbox

_NO_SERVICE = (
    f"no service: give a key (--api-key or {KEY_VARIABLE}) for Dataspike's, or --sandbox for the local stand-in"
)
_STAND_IN = "the sandbox on this machine, a stand-in that looks for a painted patch and is no deepfake detector"


class FailOn(StrEnum):
    """The level from which on the exit code is 1."""

    SUSPICIOUS = "suspicious"
    ALERT = "alert"


MOST_STREAMS: Final = 32
"""Video streams of one file that are scanned: each takes one pass over the file."""


@define(eq=False)
class _Scan:
    """One run of the command."""

    results: list[StreamScan]
    """At first one a file; a file with several video streams gets one for each of them once it is opened."""
    thumbnails: bool
    as_json: bool
    silence: float = SILENCE
    stalled: float = STALLED
    service_problem: str = ""
    interrupted: bool = False
    shown: set[StreamScan] = field(factory=set[StreamScan])

    async def run(self, service: Dataspike | None) -> None:
        """Scan the files one after another until one of them ends it all, or Ctrl-C does."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_ctrl_c, nursery.cancel_scope)
            async with _opened(service) as ready:
                for given in list(self.results):
                    await self._file(ready, given)
                    if self.service_problem:
                        break
            nursery.cancel_scope.cancel()

    async def _until_ctrl_c(self, scope: trio.CancelScope) -> None:
        # The first one ends the scan in order; the handler is then gone, and a second one ends the program.
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                break
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
                result.problem = f"not scanned: only the first {MOST_STREAMS} video streams of a file are"
            self._show(result)
        parts = [StreamScan(given.path, given.fps, problem=f"not scanned: {part}") for part in found.unscanned]
        others = [*_late(given, sorted(late)), *parts]
        place += len(results) - 1
        self.results[place:place] = others
        for result in others:
            self._show(result)

    def _show(self, result: StreamScan) -> None:
        self.shown.add(result)
        show(result, as_json=self.as_json)

    async def _stream(self, service: Dataspike, one: StreamScan) -> tuple[int, ...]:
        """Scan one video stream; return the indexes of the streams that turned up too late for a scan."""
        assert one.stream is not None
        video = Video(Path(one.path), exact(one.fps), self.thumbnails, one.stream.index)
        try:
            first = await _begin(video)
            one.stated = video.stated
            with progress_bar(Path(one.path).name) as bar:
                exchange = Exchange(
                    video, first, one, lambda: bar.update(one), silence=self.silence, stalled=self.stalled
                )
                await self._exchange(exchange, service)
        except BadInput as error:
            one.outcome, one.problem = ScanOutcome.BAD_INPUT, str(error)
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
            problem = _in_options(str(error))
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
    """Return the first samples: what is no video is known before anybody connects."""
    await trio.to_thread.run_sync(video.open)
    first: DueFrame | None = None
    while first is None and not video.ended:
        first = await trio.to_thread.run_sync(video.step)
    return first


def _conclude(exchange: Exchange, problem: str, *, cancelled: bool) -> None:
    video, one = exchange.video, exchange.result
    exchange.note()
    one.truncated = bool(video.truncated)
    unanswered = exchange.unanswered_from
    one.timeline.end(one.last_pts or 0.0 if unanswered is None else unanswered)
    if exchange.complete:
        one.outcome = ScanOutcome.DAMAGED if video.damage.places else ScanOutcome.COMPLETE
        if one.truncated:
            one.outcome = ScanOutcome.TRUNCATED
        one.problem = _joined(video.truncated, str(video.damage))
        return
    one.outcome = ScanOutcome.INTERRUPTED if cancelled else ScanOutcome.PARTIAL
    if exchange.gave_up_after is not None:
        problem = f"the service gave no answer for {exchange.gave_up_after:g} s"
    answered = f"{one.answered} of {one.due} samples answered"
    one.problem = _joined(answered, problem, video.truncated, str(video.damage))


def _joined(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def _in_options(text: str) -> str:
    """Return an error about a setting of `Dataspike` with the name that the setting has on the command line."""
    return text.replace("api_key (or ", "--api-key (or ").replace("url (or ", "--url (or ")


def _unreachable(error: Unreachable) -> str:
    return str(error) if error.retry_after is None else f"{error}; it asks to be left alone for {error.retry_after:g} s"


@asynccontextmanager
async def _opened(service: Dataspike | None) -> AsyncGenerator[Dataspike]:
    if service is not None:
        yield service
        return
    async with open_sandbox(judge_marker) as sandbox:
        yield Dataspike(api_key="sandbox", url=sandbox.url)


def scan(
    files: Annotated[list[Path], typer.Argument(help="Videos: whatever PyAV (FFmpeg) can open.", metavar="FILE")],
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Ask the local stand-in: it finds a painted patch, not deepfakes.")
    ] = False,
    api_key: Annotated[
        str | None,
        typer.Option(
            help=f"Dataspike's key. Rather set {KEY_VARIABLE}: a command line is seen by others on this machine.",
            metavar="KEY",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help=f"The service's WebSocket URL. Without it: {URL_VARIABLE}, else Dataspike's.", metavar="URL"),
    ] = None,
    fps: Annotated[float, typer.Option(help="Samples a second of video: above 0, 30 at most.", metavar="RATE")] = 1.0,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 1 when a sample is judged at least that severe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a video stream, one a line.")] = False,
    report_to: Annotated[
        Path | None, typer.Option("--report", help="Write one self-contained HTML page.", metavar="FILE.html")
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Put a small picture of each segment on the report's page.")
    ] = False,
) -> None:
    """Judge videos in files, faster than real time, and never drop a sample.

    Every video stream of a file is judged by itself; covers are not.

    Sample k is the first picture at or after k / fps seconds of the video.

    Time counts from the first picture, unless that is within 2 s of zero.
    Where it jumps back, or by over a minute, it goes on by one picture.

    One answer a sample, in order, is assumed, because answers carry no number.

    Done is a file with as many answers as samples. Partial: 10 s without one
    after the last sample, or 60 s before it.

    Exit codes, the first that applies:

      141  the reader of its output ended, as in ds-actors scan ... | head -1
       74  its output cannot be written, as on a full disk
       70  the program failed in a way that it does not know
      130  stopped by Ctrl-C, which shows what there is
        1  --fail-on was reached
        2  wrong usage, or the service cannot be used
        3  a file, or a video stream in it, cannot be read or was not scanned
        4  a file is truncated: scanned as far as it goes
        5  a result is partial: fewer answers than samples
        6  a file is damaged on its way: pictures are missing
        0  none of these
    """
    if not (math.isfinite(fps) and 0 < fps <= 30):
        _stop("--fps must be above 0 and 30 at most")
    if thumbnails and report_to is None:
        _stop("--thumbnails needs --report")
    if report_to is not None:
        _check_report(report_to, files)
    service = _service(sandbox=sandbox, key=[api_key], url=url)
    run = _Scan([StreamScan(str(path), fps) for path in files], thumbnails, as_json)
    try:
        trio.run(run.run, service)
    except* KeyboardInterrupt:
        run.interrupted = True
    _finish(run, service, report_to, None if fail_on is None else Level(fail_on.value))


def _finish(run: _Scan, service: Dataspike | None, report_to: Path | None, fail_on: Level | None) -> None:
    for result in run.results:
        if result not in run.shown and (run.as_json or result.outcome is not ScanOutcome.NOT_SCANNED):
            show(result, as_json=run.as_json)
    left = sum(result.outcome is ScanOutcome.NOT_SCANNED for result in run.results)
    not_scanned = f"{left} of {counted(len(run.results), 'video')} not scanned"
    if run.interrupted:
        complain(f"stopped by Ctrl-C{f' ({not_scanned})' if left else ''}")
    if run.service_problem:
        complain(f"{run.service_problem} ({not_scanned})")
    failed = bool(run.service_problem)
    code = exit_code(run.results, fail_on=fail_on, interrupted=run.interrupted, service_failed=failed)
    if report_to is not None:
        words = _STAND_IN if service is None else service.log_url
        made = time.strftime("Scanned on %Y-%m-%d at %H:%M:%S %z")
        try:
            report_to.write_text(report.page(run.results, service=words, made=made), "utf-8")
        except OSError as error:
            complain(f"{report_to} cannot be written: {error.strerror}")
            code = code or ExitCode.SERVICE
    raise typer.Exit(int(code))


def _service(*, sandbox: bool, key: list[str | None], url: str | None) -> Dataspike | None:
    """Return the service, None for the sandbox; the key comes in a list, which no traceback's frame need keep."""
    if sandbox:
        if key[0] is not None or url is not None:
            _stop("--sandbox goes with neither --api-key nor --url")
        return None
    if key[0] is None and not os.environ.get(KEY_VARIABLE):
        _stop(_NO_SERVICE)
    try:
        return Dataspike(api_key=key.pop(), url=url)
    except ValueError as error:
        _stop(_in_options(str(error).removesuffix(PERMITS_INSECURE)))


def _check_report(path: Path, files: list[Path]) -> None:
    if path.is_dir() or not path.parent.is_dir():
        _stop(f"--report {path}: it must name a file in a folder that exists")
    if path.exists() and any(one.exists() and path.samefile(one) for one in files):
        _stop(f"--report {path} would overwrite a video")


def _stop(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(int(ExitCode.SERVICE))
