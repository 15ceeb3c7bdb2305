"""The options that set a detector's thresholds, in `serve` and `scan`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from ds_actors.detectors import Thresholds
from ds_actors.detectors.thresholds import GUESSED

Suspicious: TypeAlias = Annotated[
    float | None, typer.Option(help="Probability from which a sample is suspicious; 0.5.", metavar="P")
]
Alert: TypeAlias = Annotated[
    float | None, typer.Option(help="Probability from which a sample is an alert; 0.8.", metavar="P")
]


def own_thresholds(suspicious: float | None, alert: float | None) -> tuple[Thresholds, str]:
    """Return the thresholds, and what to say about those that are guesses.

    Raises:
        ValueError: when they make no sense.
    """
    guessed = Thresholds()
    thresholds = Thresholds(
        guessed.suspicious if suspicious is None else suspicious, guessed.alert if alert is None else alert
    )
    missing = suspicious is None or alert is None
    return thresholds, f"{GUESSED}; set them with --suspicious and --alert" if missing else ""
