"""`ds-actors calibrate`: how often a judge errs, from files whose truth is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from attrs import asdict, define

from ds_actors.cli._calibrate.labels import LabelledFile, Person, labelled_files, scanned_tracks
from ds_actors.cli._calibrate.plot import draw_reliability
from ds_actors.cli._calibrate.scoring import ScoringRun
from ds_actors.cli._calibrate.words import kind_line, table
from ds_actors.cli._epilog import epilog
from ds_actors.cli._files import refusal, replace_file
from ds_actors.detection.events import plain
from ds_actors.detection.levels.calibration import Calibration, rate_text
from ds_actors.detection.levels.calibration import calibrate as estimate
from ds_actors.detectors.calibration import DetectorCalibration, calibrate_detector

CALIBRATE_EPILOG: Final = epilog(
    "Without --detector, the answers are those of any service, as scan --json wrote them: ds-actors calibrate --clean "
    "clean.jsonl --manipulated manipulated.jsonl --output judge.toml",
    "Errors belong to people, cameras and lights: ten files of ten people say more than a thousand samples of one. "
    "With --person folder, the files of one folder are one person; clean/alice and manipulated/alice are the same one.",
    codes={
        0: "the rates were estimated",
        3: "a file cannot be read or was not judged to its end; the rates are those of the others",
        2: "wrong usage, the detector cannot be loaded, or there are no answers that can be used",
        130: "stopped by Ctrl-C",
    },
)
_FALSE_FLAGS: Final = 0.05
_FALSE_ALERTS: Final = 0.01


def calibrate(
    *,
    clean: Annotated[
        list[Path],
        typer.Option(
            "--clean",
            "--genuine",
            help="Genuine videos and pictures: a folder, or a file; may be repeated. Without --detector: output of "
            "scan --json for them.",
            metavar="DIR",
        ),
    ],
    manipulated: Annotated[
        list[Path],
        typer.Option(help="The same for files that are manipulated from end to end.", metavar="DIR"),
    ],
    detector: Annotated[
        str | None,
        typer.Option(help="Judge the files with this detector: module:name, or a .toml file.", metavar="SPEC"),
    ] = None,
    max_false_flags: Annotated[
        float | None,
        typer.Option(help="The share of genuine samples that may be suspicious. Default: 0.05.", metavar="SHARE"),
    ] = None,
    max_false_alerts: Annotated[
        float | None,
        typer.Option(help="The share of genuine samples that may be an alert. Default: 0.01.", metavar="SHARE"),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Samples a second of video. Default: 1.", metavar="RATE")] = None,
    max_side: Annotated[
        int | None,
        typer.Option(help="Judge pictures whose longer side has at most so many pixels.", min=64, metavar="PIXELS"),
    ] = None,
    person: Annotated[
        Person, typer.Option(help="Whose errors a file's are: its own, or those of all files in its folder.")
    ] = "file",
    output: Annotated[
        Path | None,
        typer.Option(help="Write thresholds and parameters, for other commands to read.", metavar="FILE.toml"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the reliability curve of --detector.", metavar="FILE.svg")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Estimate how often a detector or a service errs, from files whose truth is known, and choose thresholds.

    For example: ds-actors calibrate --detector my_detector:judge --clean clean
    --manipulated manipulated --output calibration.toml --plot reliability.svg

    serve and scan read the file with --thresholds, tune with --judge.
    """
    for name, path in (("--output", output), ("--plot", plot)):
        _check_target(name, path)
    if detector is None:
        given = {
            "--max-false-flags": max_false_flags,
            "--max-false-alerts": max_false_alerts,
            "--fps": fps,
            "--max-side": max_side,
            "--plot": plot,
        }
        for name, value in given.items():
            if value is not None:
                _stop(f"{name} goes with --detector")
        _from_scans(clean, manipulated, person, output, as_json=as_json)
        return
    rate = 1.0 if fps is None else fps
    if not (math.isfinite(rate) and 0 < rate <= 30):
        _stop("--fps must be above 0 and 30 at most")
    flags = _FALSE_FLAGS if max_false_flags is None else max_false_flags
    alerts = min(flags, _FALSE_ALERTS) if max_false_alerts is None else max_false_alerts
    if not 0 <= alerts <= flags < 1:
        _stop("--max-false-flags must be from 0 to below 1, and --max-false-alerts not above it")
    files = _files(clean, manipulated, person)
    _DetectorRun(ScoringRun(detector, files, rate, max_side, _complain), flags, alerts, as_json).run(output, plot)


@define(eq=False)
class _DetectorRun:
    scoring: ScoringRun
    max_false_flags: float
    max_false_alerts: float
    as_json: bool

    def run(self, output: Path | None, plot: Path | None) -> None:
        """Judge, estimate, show and write."""
        scoring = self.scoring
        scoring.run()
        if scoring.interrupted:
            _complain("stopped by Ctrl-C")
            raise typer.Exit(130)
        if scoring.problem:
            _stop(scoring.problem)
        try:
            found = calibrate_detector(
                scoring.tracks(), max_false_flags=self.max_false_flags, max_false_alerts=self.max_false_alerts
            )
        except ValueError as error:
            _stop(f"{error}{self._why_none()}")
        self._show(found)
        if found.no_evidence:
            _complain(f"these figures are no parameters of the evidence: {found.no_evidence}; more people may help")
        if output is not None:
            _write(output, found.toml(scoring.detector))
        if plot is not None:
            _write(plot, draw_reliability(found, scoring.detector))
        if scoring.incomplete:
            raise typer.Exit(3)

    def _why_none(self) -> str:
        counts = self.scoring.unjudged(manipulated=False) + self.scoring.unjudged(manipulated=True)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common(5))
        return f" (no verdict: {reasons})" if reasons else ""

    def _show(self, found: DetectorCalibration) -> None:
        tracks = self.scoring.tracks()
        kinds = {
            name: ([track for track in tracks if track.manipulated is truth], self.scoring.unjudged(manipulated=truth))
            for name, truth in (("clean", False), ("manipulated", True))
        }
        if self.as_json:
            unjudged = {name: dict(counts) for name, (_, counts) in kinds.items()}
            evidence = None if found.no_evidence else asdict(found.levels.evidence())
            row = {"detector": self.scoring.detector, **asdict(found), "evidence": evidence, "unjudged": unjudged}
            typer.echo(json.dumps(row))
            return
        for name, (some, counts) in kinds.items():
            typer.echo(f"{name:<12} {kind_line(some, counts)}")
        typer.echo()
        for line in table(found):
            typer.echo(line)


def _files(clean: list[Path], manipulated: list[Path], person: Person) -> list[LabelledFile]:
    try:
        files = [file for place in clean for file in labelled_files(place, person, manipulated=False)]
        files += [file for place in manipulated for file in labelled_files(place, person, manipulated=True)]
    except (ValueError, OSError) as error:
        _stop(str(error))
    seen: dict[Path, bool] = {}
    for file in files:
        path = file.path.resolve()
        if path in seen:
            both = seen[path] is not file.manipulated
            _stop(f"{file.path} is {'both in --clean and in --manipulated' if both else 'given twice'}")
        seen[path] = file.manipulated
    return files


def _from_scans(
    clean: list[Path], manipulated: list[Path], person: Person, output: Path | None, *, as_json: bool
) -> None:
    for path in (*clean, *manipulated):
        if path.is_dir():
            _stop(f"{path} is a folder: name with --detector what judges its files, or give the output of scan --json")
    try:
        tracks = [track for path in clean for track in scanned_tracks(path, person, manipulated=False)]
        tracks += [track for path in manipulated for track in scanned_tracks(path, person, manipulated=True)]
        found = estimate(tracks)
        parameters = found.toml()
    except ValueError as error:
        _stop(str(error))
    if output is not None:
        _write(output, parameters)
    _show(found, as_json=as_json)


def _show(found: Calibration, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**asdict(found), "evidence": asdict(found.evidence())}))
        return
    typer.echo(f"misses       {rate_text(found.misses)}")
    typer.echo(f"false flags  {rate_text(found.false_flags)}")
    alike = f"for {found.correlated_for:.3g} s" if found.correlated_for else "not from one sample to the next"
    typer.echo(f"errors of a track resemble each other {alike}")
    evidence = found.evidence()
    figures = [f"misses={evidence.misses:.3g}", f"false_flags={evidence.false_flags:.3g}"]
    figures += [f"correlated_for={found.correlated_for:.3g}"] if found.correlated_for else []
    typer.echo(f"assessment=Evidence({', '.join(figures)})")


def _check_target(name: str, path: Path | None) -> None:
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        _stop(f"{name} {path}: it must name a file in a folder that exists")
    why = refusal(path)
    if why is not None:
        _stop(f"{name} {path}: {why}")


def _write(path: Path, text: str) -> None:
    try:
        replace_file(path, text)
    except OSError as error:
        _stop(f"{path} cannot be written: {error.strerror}")


def _complain(text: str) -> None:
    typer.echo(f"ds-actors calibrate: {plain(text)}", err=True)


def _stop(text: str) -> NoReturn:
    _complain(text)
    raise typer.Exit(2)
