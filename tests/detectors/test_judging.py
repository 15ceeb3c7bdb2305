"""A batch of samples through a detector: order, kinds, unreadable pictures and errors."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detectors import (
    DetectorSample,
    Finding,
    FunctionDetector,
    Invalid,
    UnreadableSampleError,
    judge_samples,
    picture,
    sound,
)


def jpeg(value: int, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(out, "JPEG")
    return out.getvalue()


def brightness(image: NDArray[np.uint8]) -> float:
    return float(image.mean()) / 255


class Brightness:
    """A detector of batches; it notes how many samples each had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def judge(self, samples: Sequence[DetectorSample], /) -> list[float]:
        self.sizes.append(len(samples))
        return [brightness(sample.rgb) for sample in samples]


def probabilities(outcomes: list[Finding | Invalid]) -> list[float | str | None]:
    return [
        outcome.fault if isinstance(outcome, Invalid) else outcome.probability and round(outcome.probability, 1)
        for outcome in outcomes
    ]


def test_a_function_of_a_picture_is_a_detector() -> None:
    """It gets height x width x 3 and its answers keep the order of the samples."""
    shapes: list[tuple[int, ...]] = []

    def judge(image: NDArray[np.uint8]) -> float:
        shapes.append(image.shape)
        return brightness(image)

    outcomes = judge_samples(FunctionDetector(judge), [picture(jpeg(255)), picture(jpeg(0)), picture(jpeg(51))])
    assert probabilities(outcomes) == [1.0, 0.0, 0.2]
    assert shapes == [(48, 64, 3)] * 3


def test_an_error_of_a_function_costs_its_picture_alone() -> None:
    """The detail is for the log, and has the error's type."""

    def judge(image: NDArray[np.uint8]) -> float:
        if image.mean() > 200:
            raise RuntimeError("too bright")
        return 0.5

    first, second = judge_samples(FunctionDetector(judge), [picture(jpeg(255)), picture(jpeg(0))])
    assert first == Invalid("failed", "RuntimeError: too bright")
    assert second == Finding(0.5)


@pytest.mark.parametrize("detector", [Brightness(), FunctionDetector(brightness)])
def test_a_picture_that_cannot_be_decoded_costs_no_other(detector: Brightness | FunctionDetector) -> None:
    """Its header was fine."""
    broken = picture(jpeg(255, (640, 480))[:-1_000])
    outcomes = judge_samples(detector, [picture(jpeg(255)), broken, picture(jpeg(0))])
    assert probabilities(outcomes) == [1.0, "unreadable", 0.0]


def test_an_error_of_a_batch_is_an_error_of_each_of_its_samples() -> None:
    """Also when it only looks like one of a sample."""

    class Failing:
        def judge(self, samples: Sequence[DetectorSample], /) -> list[float]:
            raise UnreadableSampleError("of another batch", sound(b""))

    assert probabilities(judge_samples(Failing(), [picture(jpeg(0))] * 2)) == ["unreadable", "unreadable"]


def test_sound_reaches_only_a_detector_that_judges_sound() -> None:
    """The others give a reason, which is no verdict."""

    class Loudness:
        kinds = ("audio",)

        def judge(self, samples: Sequence[DetectorSample], /) -> list[float]:
            return [float(np.abs(sample.pcm).max()) / 32_768 for sample in samples]

    samples = [sound(struct.pack("<3h", 0, -16_384, 5) + b"x"), picture(jpeg(0))]
    assert judge_samples(Loudness(), samples) == [Finding(0.5), Finding(reason="not_judged: video")]
    detector = Brightness()
    assert judge_samples(detector, samples) == [Finding(reason="not_judged: audio"), Finding(0.0)]
    assert judge_samples(detector, samples[:1]) == [Finding(reason="not_judged: audio")]
    assert detector.sizes == [1]


def test_a_picture_is_decoded_once() -> None:
    """However often its pixels are used."""
    sample = picture(jpeg(7))
    assert sample.rgb is sample.rgb


@pytest.mark.parametrize(
    ("height", "width", "text"),
    [(8_000, 8_001, "8001 x 8000 pixels"), (17_000, 10, "10 x 17000 pixels"), (65_000, 65_000, "too many pixels")],
)
def test_dimensions_are_judged_before_a_pixel_is_decoded(height: int, width: int, text: str) -> None:
    """The header is enough to refuse a picture that would take a gigabyte."""
    small = jpeg(0)
    frame = small.index(b"\xff\xc0")
    huge = small[: frame + 5] + struct.pack(">HH", height, width) + small[frame + 9 :]
    with pytest.raises(UnreadableSampleError, match=text):
        picture(huge)


def test_a_picture_has_its_dimensions_before_it_is_decoded() -> None:
    """A detector may choose by them."""
    sample = picture(jpeg(0))
    assert (sample.width, sample.height, sample.kind) == (64, 48, "video")


@pytest.mark.parametrize("data", [b"", b"pixels", b"GIF89a" + bytes(20), jpeg(0)[:20]])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    """No other format is tried: each decoder is one more way in."""
    with pytest.raises(UnreadableSampleError, match="not a JPEG"):
        picture(data)


def test_a_sample_shows_no_pixels() -> None:
    """Frames do not belong in logs."""
    sample = picture(jpeg(0))
    assert sample.rgb.shape == (48, 64, 3)
    assert repr(sample) == "DetectorSample(width=64, height=48, kind='video')"
