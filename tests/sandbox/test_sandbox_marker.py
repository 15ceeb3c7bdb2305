"""The verdict that looks for the painted patch."""

from __future__ import annotations

import numpy as np
import pytest

from ds_actors.detection import Frame, Sample, encode_jpeg
from ds_actors.detection.events import ResultType
from ds_actors.sandbox import judge_marker, paint_marker


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, ResultType.CLEAR), (0.025, ResultType.SUSPICIOUS), (0.2, ResultType.ALERT)]
)
def test_the_marker_rule_looks_at_the_pixels(share: float, expected: ResultType) -> None:
    """None, little or much of the patch; through a real JPEG of noise."""
    picture = np.random.default_rng(1).integers(60, 190, (360, 640, 3)).astype(np.uint8)
    if share:
        picture = paint_marker(picture, share)
    jpeg = encode_jpeg(Frame(640, 360, "rgb24", picture.tobytes()))
    assert judge_marker(Sample("p", "t", 0, jpeg), 0.0) is expected
    assert judge_marker(Sample("p", "t", 0, b"no picture"), 0.0) is ResultType.ERROR
