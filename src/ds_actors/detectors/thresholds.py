"""The one place that maps a probability of manipulation to a level; thresholds from a file. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, cast

from attrs import frozen

from ds_actors.detection.events import Level
from ds_actors.detection.toml_text import TomlError, load_toml

GUESSED: Final = "the thresholds are guesses, not measured on this detector: measure them with ds-actors calibrate"
"""What is said once where there are no other thresholds; what takes its file is said behind it."""


class ThresholdsError(ValueError):
    """A file of thresholds cannot be used; the message says why."""


@frozen
class Thresholds:
    """From which probability on a sample is suspicious, and from which on it is an alert.

    The defaults are guesses: a detector's scores are not comparable with another detector's.

    Raises:
        ValueError: unless 0 < suspicious <= alert <= 1.
    """

    suspicious: float = 0.5
    alert: float = 0.8
    detector: str = ""
    """The spec of the detector that they were measured with; empty when that is not known."""

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.suspicious) and 0 < self.suspicious <= self.alert <= 1):
            raise ValueError(
                "thresholds must be above 0, at most 1, and suspicious not above alert, "
                f"not suspicious={self.suspicious!r} and alert={self.alert!r}"
            )

    def level(self, probability: float) -> Level:
        """Return the level of a probability in [0, 1]: alert, suspicious or clear."""
        if probability >= self.alert:
            return Level.ALERT
        return Level.SUSPICIOUS if probability >= self.suspicious else Level.CLEAR


def parse_thresholds(text: str) -> Thresholds:
    """Return the thresholds in a TOML file's table [thresholds], as `ds-actors calibrate` writes it.

    Raises:
        ThresholdsError: when the text is not such a file, or a figure is missing or invalid; the message says which.
    """
    try:
        found: Any = load_toml(text).get("thresholds")
    except TomlError as error:
        raise ThresholdsError(str(error)) from None
    if not isinstance(found, dict):
        raise ThresholdsError("there is no table [thresholds]; `ds-actors calibrate --detector` writes one")
    table = cast("dict[str, object]", found)
    for key in table:
        if key not in ("suspicious", "alert", "detector"):
            raise ThresholdsError(f"thresholds.{key} is not known; known are suspicious, alert, detector")
    detector = table.get("detector", "")
    if not isinstance(detector, str):
        raise ThresholdsError(f"thresholds.detector must be a text, not {detector!r}")
    try:
        return Thresholds(_figure(table, "suspicious"), _figure(table, "alert"), detector)
    except ValueError as error:
        raise ThresholdsError(str(error)) from None


def _figure(table: Mapping[str, object], key: str) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ThresholdsError(
            f"thresholds.{key} must be a number, not {value!r}" if key in table else f"thresholds.{key} is missing"
        )
    return float(value)
