"""The options that set a detector's thresholds, in `serve` and `scan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer
from attrs import evolve

from ds_actors.detectors.thresholds import GUESSED, Thresholds, parse_thresholds

Suspicious: TypeAlias = Annotated[
    float | None, typer.Option(help="Probability from which a sample is suspicious. Default: 0.5.", metavar="P")
]
Alert: TypeAlias = Annotated[
    float | None, typer.Option(help="Probability from which a sample is an alert. Default: 0.8.", metavar="P")
]
ThresholdsFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--thresholds", help="Read the two thresholds from a file of ds-actors calibrate.", metavar="FILE.toml"
    ),
]

_GUESSED: Final = f"{GUESSED}, and give its file with --thresholds, or set them with --suspicious and --alert"


def own_thresholds(
    detector: str | None, file: Path | None, suspicious: float | None, alert: float | None
) -> tuple[Thresholds, str]:
    """Return the thresholds, and what to say about those that are guesses or of another detector.

    Raises:
        ValueError: when they make no sense, or the file cannot be used.
    """
    measured = Thresholds() if file is None else _read(file)
    thresholds = evolve(
        measured,
        suspicious=measured.suspicious if suspicious is None else suspicious,
        alert=measured.alert if alert is None else alert,
    )
    given = suspicious is not None and alert is not None
    if file is None:
        return thresholds, "" if given else _GUESSED
    if not given and measured.detector not in ("", detector):
        return thresholds, (
            f"the thresholds of {file} were measured with {measured.detector}, and are guesses for {detector}: run "
            "ds-actors calibrate with it"
        )
    return thresholds, ""


def _read(file: Path) -> Thresholds:
    try:
        return parse_thresholds(file.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"--thresholds {file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"--thresholds {file}: {error}") from None
