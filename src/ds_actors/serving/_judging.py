"""A batch as it arrived, judged: what is no picture, or too large a one, never reaches the detector."""

from __future__ import annotations

from typing import Literal

from ds_actors.detectors import (
    Detector,
    DetectorSample,
    Finding,
    Invalid,
    UnreadableSampleError,
    judge_samples,
    picture,
    sound,
)


def judge_batch(detector: Detector, samples: list[tuple[Literal["jpeg", "pcm"], bytes]]) -> list[Finding | Invalid]:
    """Return one outcome for each sample; the order is that of the samples."""
    outcomes: dict[int, Finding | Invalid] = {}
    given: dict[int, DetectorSample] = {}
    for place, (form, data) in enumerate(samples):
        try:
            given[place] = sound(data) if form == "pcm" else picture(data)
        except UnreadableSampleError as error:
            outcomes[place] = Invalid("unreadable", str(error))
    outcomes |= dict(zip(given, judge_samples(detector, list(given.values())), strict=True))
    return [outcomes[place] for place in range(len(samples))]
