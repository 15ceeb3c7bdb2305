"""`ds-actors scan`: the video streams of files, sample by sample, to the service and back."""

from __future__ import annotations

import math
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NoReturn

import trio
import typer

from ds_actors._text import counted, plain
from ds_actors.cli._configuration import ConfigFile
from ds_actors.cli._epilog import epilog
from ds_actors.cli._files import refusal, replace_file
from ds_actors.cli._scan import report
from ds_actors.cli._scan.console import complain, show
from ds_actors.cli._scan.result import ExitCode, ScanOutcome, StreamScan, exit_code
from ds_actors.cli._scan.run import ScanRun, in_options
from ds_actors.cli._thresholds import Alert, Suspicious, ThresholdsFile, own_thresholds
from ds_actors.detection import Dataspike, Level
from ds_actors.detection.service import KEY_VARIABLE, PERMITS_INSECURE, URL_VARIABLE
from ds_actors.detection.settings import MonitorSettings, SettingsError, read_settings

_NO_SERVICE = (
    f"no service: give a key (--api-key or {KEY_VARIABLE}) for Dataspike's, or --sandbox for the local stand-in, "
    "or --detector for your own"
)
_NOT_OF_A_SCAN: Final = (
    "sampling.normal_fps",
    "sampling.burst_fps",
    "budget",
    "privacy.pseudonyms",
    "privacy.key",
    "tracks",
    "results",
    "ledger",
    "sinks",
)
"""The settings that a scan leaves alone: those of calls, and of what goes on during one."""
_STAND_IN = "the sandbox on this machine, a stand-in that looks for a painted patch and is no deepfake detector"


SCAN_EPILOG: Final = epilog(
    "Sample k is the first picture at or after k / fps seconds of the video. Times are those of a player: they count "
    "from the beginning of the file. Over a minute without any packet, or a step back, adds no time.",
    "A file is complete when every sample has its answer. It is partial after 10 s without an answer behind the last "
    "sample, or 60 s before it. The scan assumes one answer per sample, in order, because the answers carry no number.",
    codes={
        0: "every file was scanned, and its samples were answered",
        6: "a file is damaged: pictures before its end are missing",
        5: "a result is partial: fewer answers than samples",
        4: "a file is truncated, and scanned as far as possible",
        3: "a file or a video stream cannot be read, or was not scanned",
        2: "wrong usage, or the service cannot be used",
        1: "--fail-on was reached",
        130: "stopped by Ctrl-C, after showing the results so far",
    },
)


class FailOn(StrEnum):
    """The lowest level that makes the exit code 1."""

    SUSPICIOUS = "suspicious"
    ALERT = "alert"


def scan(
    files: Annotated[list[Path], typer.Argument(help="Videos: whatever PyAV (FFmpeg) can open.", metavar="FILE")],
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Ask the local stand-in: it finds a painted patch, not deepfakes.")
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(help="Ask a detector of your own, module:name, on this machine.", metavar="SPEC"),
    ] = None,
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
    config: ConfigFile = None,
    thresholds: ThresholdsFile = None,
    suspicious: Suspicious = None,
    alert: Alert = None,
    fps: Annotated[float, typer.Option(help="Samples a second of video: above 0, 30 at most.", metavar="RATE")] = 1.0,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 1 when a sample is judged at least that severe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per video stream and line.")] = False,
    max_side: Annotated[
        int | None,
        typer.Option(
            help="Send pictures whose longer side has at most so many pixels. Without it: privacy.max_side.",
            min=64,
            metavar="PIXELS",
        ),
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option("--report", help="Write one self-contained HTML page.", metavar="FILE.html"),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Put a small picture of each segment on the report's page.")
    ] = False,
) -> None:
    """Judge videos in files, faster than real time, and never drop a sample.

    For example: ds-actors scan --sandbox painted.mp4 --report painted.html

    Every video stream of a file has its own result; covers are not scanned.
    Of the settings, those of the service, privacy.max_side and
    sampling.quality apply.
    """
    if not (math.isfinite(fps) and 0 < fps <= 30):
        _stop("--fps must be above 0 and 30 at most")
    if thumbnails and report_to is None:
        _stop("--thumbnails needs --report")
    if report_to is not None:
        _check_report(report_to, files)
    key = [api_key]
    del api_key  # no traceback's frame keeps it
    _check_service(sandbox=sandbox, detector=detector, given=key[0] is not None or url is not None)
    stand_in = sandbox or detector is not None
    skipped = ["service"] if stand_in else ["service.api_key"] if key[0] is not None else []
    settings = _settings(config, url, max_side, skipped)
    service = None if stand_in else _service(key, settings)
    if detector is None and not (thresholds is None and suspicious is None and alert is None):
        _stop("--thresholds, --suspicious and --alert go with --detector: other services decide the levels themselves")
    try:
        own, note = own_thresholds(detector, thresholds, suspicious, alert)
    except ValueError as error:
        _stop(str(error))
    run = ScanRun(
        [StreamScan(str(path), fps) for path in files],
        partial(show, as_json=as_json),
        thumbnails,
        settings.max_side,
        detector,
        own,
        quality=settings.quality,
    )
    try:
        trio.run(run.run, service)
    except* KeyboardInterrupt:
        run.interrupted = True
    if detector is not None and note and not run.service_problem:
        complain(note)
    _finish(run, service, as_json, report_to, None if fail_on is None else Level(fail_on.value))


def _finish(
    run: ScanRun, service: Dataspike | None, as_json: bool, report_to: Path | None, fail_on: Level | None
) -> None:
    for result in run.results:
        if result not in run.shown and (as_json or result.outcome is not ScanOutcome.NOT_SCANNED):
            run.show(result)
    left = sum(result.outcome is ScanOutcome.NOT_SCANNED for result in run.results)
    not_scanned = f"{left} of {counted(len(run.results), 'video')} not scanned"
    if run.interrupted:
        complain(f"stopped by Ctrl-C{f' ({not_scanned})' if left else ''}")
    if run.service_problem:
        advice = "" if service is None else "; ds-actors doctor checks each step of the way to the service"
        complain(f"{run.service_problem} ({not_scanned}){advice}")
    failed = bool(run.service_problem)
    code = exit_code(run.results, fail_on=fail_on, interrupted=run.interrupted, service_failed=failed)
    if report_to is not None:
        words = (run.detector or _STAND_IN) if service is None else service.log_url
        made = time.strftime("Scanned on %Y-%m-%d at %H:%M:%S %z")
        try:
            replace_file(report_to, report.page(run.results, service=words, made=made))
        except OSError as error:
            complain(f"{report_to} cannot be written: {error.strerror}")
            code = code or ExitCode.SERVICE
        else:
            complain(f"report written to {report_to}")
    raise typer.Exit(int(code))


def _check_service(*, sandbox: bool, detector: str | None, given: bool) -> None:
    """Refuse two services; `given` is whether a key or a URL is an option."""
    if detector is not None and (sandbox or given):
        _stop("--detector goes with none of --sandbox, --api-key and --url")
    if sandbox and given:
        _stop("--sandbox goes with neither --api-key nor --url")


def _settings(file: Path | None, url: str | None, max_side: int | None, skipped: list[str]) -> MonitorSettings:
    options = {"service.url": url, "privacy.max_side": None if max_side is None else str(max_side)}
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return read_settings(given, file=file, skipped=[*_NOT_OF_A_SCAN, *skipped])
    except SettingsError as error:
        _stop(plain(str(error), 2_000))


def _service(key: list[str | None], settings: MonitorSettings) -> Dataspike:
    """Return the service; the option's key is in a list, so that no traceback's frame keeps it."""
    try:
        own = settings.api_key
        if key[0] is None and own is None:
            _stop(_NO_SERVICE)
        return Dataspike(own if key[0] is None else key.pop(), settings.url, proxy=settings.proxy)
    except ValueError as error:
        _stop(in_options(str(error).removesuffix(PERMITS_INSECURE)))


def _check_report(path: Path, files: list[Path]) -> None:
    if path.is_dir() or not path.parent.is_dir():
        _stop(f"--report {path}: it must name a file in a folder that exists")
    why = refusal(path)
    if why is not None:
        _stop(f"--report {path}: {why}")
    if path.exists() and any(file.exists() and path.samefile(file) for file in files):
        _stop(f"--report {path} would overwrite a video")


def _stop(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(int(ExitCode.SERVICE))
