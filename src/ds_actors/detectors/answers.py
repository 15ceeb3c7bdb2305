"""A sample's outcome as the answer that the service sends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ds_actors.detection.events import ResultType
from ds_actors.detectors.findings import Fault, Finding, Invalid
from ds_actors.detectors.thresholds import Thresholds

SENTENCES: Final[Mapping[Fault, str]] = {
    "failed": "The detector failed on this sample.",
    "not_a_number": "The detector's answer was not a number.",
    "out_of_range": "The detector's answer was not a probability.",
    "unreadable": "The sample could not be decoded.",
    "wrong_count": "The detector's answers did not match its samples.",
}


def result(outcome: Finding | Invalid, thresholds: Thresholds) -> tuple[ResultType, str]:
    """Return the type of the result and its message.

    A finding without a probability is UNKNOWN, so it is no verdict: coverage shows a track that only has those as
    unjudged. An invalid answer is ERROR.
    """
    if isinstance(outcome, Invalid):
        return ResultType.ERROR, SENTENCES[outcome.fault]
    if outcome.probability is None:
        return ResultType.UNKNOWN, f"No verdict: {outcome.reason}"
    level = thresholds.level(outcome.probability)
    return ResultType.from_level(level), f"Probability of manipulation: {outcome.probability:.2f}"
