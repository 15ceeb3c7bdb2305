"""A vendor's SDK as a detector: its limit becomes a reason, and its errors are errors of their samples.

ds-actors serve --detector vendor_sdk:VendorDetector
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

from PIL import Image

from ds_actors.detectors import DetectorAnswer, DetectorSample, Finding, judge_samples, picture


class SomeSdk:
    """Stand for the vendor's client, which blocks and raises."""

    def analyse(self, image: bytes, *, timeout: float) -> dict[str, float]:
        """Return a score from 0 to 100."""
        if timeout <= 0 or not image:
            raise TimeoutError("no answer in time")
        return {"score": 12.0}


class VendorDetector:
    """Asks the vendor about each picture, at most so often as the contract allows."""

    def __init__(self, per_second: float = 1.0) -> None:
        self.client = SomeSdk()
        self.every, self.next = 1 / per_second, time.monotonic()

    def judge(self, samples: Sequence[DetectorSample], /) -> list[DetectorAnswer]:
        """Return the vendor's score of each picture as a probability."""
        return [self._judge(sample) for sample in samples]

    def _judge(self, sample: DetectorSample) -> DetectorAnswer:
        now = time.monotonic()
        if now < self.next:
            return Finding(reason="rate_limited")  # no verdict, and no cost
        self.next = now + self.every
        try:
            return self.client.analyse(sample.data, timeout=1.5)["score"] / 100
        except (TimeoutError, OSError) as error:
            return error


if __name__ == "__main__":
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG")
    for finding in judge_samples(VendorDetector(), [picture(out.getvalue())] * 2):
        print(finding)  # prints Finding(probability=0.12, reason='')
        # and prints Finding(probability=None, reason='rate_limited')
