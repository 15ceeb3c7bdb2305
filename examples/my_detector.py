"""A detector of your own: a function from a picture to the probability that it is manipulated.

    ds-actors serve --detector my_detector:judge     # in the folder of this file

It stands for a model: it finds the patch that `ds-actors clip` paints, and no deepfakes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detectors import DetectorSample, Finding, as_detector, judge_samples, picture
from ds_actors.sandbox import marker_share, paint_marker


def judge(image: NDArray[np.uint8]) -> float:
    """Return a probability in [0, 1] for an RGB picture of height x width x 3."""
    return min(1.0, 16 * marker_share(image))


class Model:
    """A detector of batches, loaded once for each worker."""

    def __init__(self) -> None:
        self.darkest = 20  # load the weights here

    def judge(self, samples: Sequence[DetectorSample], /) -> list[Finding]:
        """Return one finding for each sample; too dark a picture is no verdict."""
        return [self._judge(sample.rgb) for sample in samples]

    def _judge(self, image: NDArray[np.uint8]) -> Finding:
        if image.mean() < self.darkest:
            return Finding(reason="too_dark")
        return Finding(judge(image))


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture, as a monitor does before it sends it."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


if __name__ == "__main__":
    grey = np.full((480, 640, 3), 128, np.uint8)
    pictures = [picture(jpeg(pixels)) for pixels in (grey, paint_marker(grey, 0.2), grey // 10)]
    for finding in judge_samples(Model(), pictures):
        print(finding)  # prints Finding(probability=1.0, reason='')
        # and prints Finding(probability=None, reason='too_dark')
    print(judge_samples(as_detector(judge), pictures[:1]))  # prints [Finding(probability=0.0, reason='')]
