"""The one place that maps a probability of manipulation to a level. Pure."""

from __future__ import annotations

import math
from typing import Final

from attrs import frozen

from ds_actors.detection.events import Level

GUESSED: Final = (
    "the thresholds are guesses, not measured on this detector: "
    "choose them from its scores of genuine and manipulated pictures"
)
"""What each command says once when it has no other thresholds."""


@frozen
class Thresholds:
    """From which probability on a sample is suspicious, and from which on it is an alert.

    The defaults are guesses: a detector's scores are not comparable with another detector's.

    Raises:
        ValueError: unless 0 < suspicious <= alert <= 1.
    """

    suspicious: float = 0.5
    alert: float = 0.8

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
