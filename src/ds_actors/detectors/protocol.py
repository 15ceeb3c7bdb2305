"""The interface of a detector, and a function as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ds_actors.detectors.faces import NO_FACE, CropFunction
from ds_actors.detectors.findings import DetectorAnswer, Finding, Invalid, check_answers, described
from ds_actors.detectors.samples import DetectorSample, UnreadableSampleError

JudgeFunction = Callable[[NDArray[np.uint8]], Any]
"""Takes a picture (height x width x 3, RGB) and returns a probability in [0, 1], or a Finding."""

_PICTURES: Final = ("video",)


@runtime_checkable
class Detector(Protocol):
    """Judges batches of samples; it is called in one thread, one batch at a time.

    It may have `kinds`, the kinds of samples that it judges: `("video",)` unless it says otherwise.
    """

    def judge(self, samples: Sequence[DetectorSample], /) -> Sequence[DetectorAnswer]:
        """Return one answer for each sample, in their order."""
        ...


@frozen
class FunctionDetector:
    """A function of one picture as a detector; an error in it costs that picture alone."""

    function: JudgeFunction
    crop: CropFunction | None = None
    """Cuts out what the function gets, such as `FaceCropper()`; a picture of which it leaves nothing is no verdict."""

    def judge(self, samples: Sequence[DetectorSample], /) -> list[DetectorAnswer]:
        """Return the function's answer to each picture, or its error."""
        return [self._judge(sample) for sample in samples]

    def _judge(self, sample: DetectorSample) -> DetectorAnswer:
        pixels = sample.rgb
        try:
            part = pixels if self.crop is None else self.crop(pixels)
            answer: DetectorAnswer = Finding(reason=NO_FACE) if part is None else self.function(part)
        except Exception as error:  # noqa: BLE001 - it is the answer
            return error
        return answer


def judge_samples(detector: Detector, samples: Sequence[DetectorSample]) -> list[Finding | Invalid]:
    """Return one outcome for each sample; nothing that a detector returns or raises escapes.

    Samples of a kind that the detector does not judge get a finding without a probability. A sample that proves
    unreadable is set apart, and the detector is asked again about the others.
    """
    kinds = getattr(detector, "kinds", _PICTURES)
    outcomes: dict[int, Finding | Invalid] = {
        place: Finding(reason=f"not_judged: {sample.kind}")
        for place, sample in enumerate(samples)
        if sample.kind not in kinds
    }
    while left := [place for place in range(len(samples)) if place not in outcomes]:
        try:
            answers = detector.judge([samples[place] for place in left])
        except UnreadableSampleError as error:
            apart = [place for place in left if samples[place] is error.sample]
            # Without its sample, the error says nothing about which one to leave out.
            for place in apart or left:
                outcomes[place] = Invalid("unreadable", str(error))
        except Exception as error:  # noqa: BLE001 - any code of a user
            outcomes |= dict.fromkeys(left, Invalid("failed", described(error)))
        else:
            outcomes |= dict(zip(left, check_answers(answers, len(left)), strict=True))
    return [outcomes[place] for place in range(len(samples))]
