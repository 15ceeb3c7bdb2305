"""`ds-actors calibrate`: how often the service errs, from scans of files whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer
from attrs import asdict

from ds_actors.cli._epilog import epilog
from ds_actors.detection.events import plain
from ds_actors.detection.levels.calibration import (
    Calibration,
    CalibrationError,
    LabelledTrack,
    labelled,
    rate_text,
)
from ds_actors.detection.levels.calibration import (
    calibrate as estimate,
)

CALIBRATE_EPILOG: Final = epilog(
    "A genuine file and a manipulated one of the same person are one person with --person folder.",
    codes={2: "wrong usage, or answers that cannot be used", 0: "the rates were estimated"},
)
Person = Literal["file", "folder"]


def calibrate(
    *,
    genuine: Annotated[
        list[Path], typer.Option(help="Output of scan --json for genuine files; may be repeated.", metavar="FILE.jsonl")
    ],
    manipulated: Annotated[
        list[Path],
        typer.Option(help="The same for files that are manipulated from end to end.", metavar="FILE.jsonl"),
    ],
    person: Annotated[
        Person, typer.Option(help="Whose errors a file's are: its own, or those of all files in its folder.")
    ] = "file",
    output: Annotated[
        Path | None,
        typer.Option(help="Write the parameters, for tune and simulate to read.", metavar="FILE.toml"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Estimate how often the service errs, from scans of files whose truth is known.

    For example: ds-actors calibrate --genuine genuine.jsonl --manipulated manipulated.jsonl --output judge.toml

    Errors belong to people, cameras and lights: ten files of ten people say more than a thousand samples of one.
    """
    tracks = [track for path in genuine for track in _tracks(path, person, manipulated=False)]
    tracks += [track for path in manipulated for track in _tracks(path, person, manipulated=True)]
    try:
        found = estimate(tracks)
        parameters = found.toml()
    except ValueError as error:
        _stop(str(error))
    if output is not None:
        try:
            output.write_text(parameters, "utf-8")
        except OSError as error:
            _stop(f"{output} cannot be written: {error.strerror}")
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


def _tracks(path: Path, person: Person, *, manipulated: bool) -> Iterator[LabelledTrack]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"{path} cannot be read: {error}")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            scan = json.loads(line)
            owner = str(Path(scan["file"]).parent) if person == "folder" else None
            yield labelled(scan, manipulated=manipulated, person=owner)
        except (CalibrationError, json.JSONDecodeError, KeyError, TypeError) as error:
            _stop(f"{path}, line {number}: {error}")


def _stop(text: str) -> NoReturn:
    typer.echo(f"ds-actors calibrate: {plain(text)}", err=True)
    raise typer.Exit(2)
