"""How fast this machine encodes a sample, and how large a sample is."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Final

import numpy as np
from attrs import frozen

from ds_actors.cli._doctor.environment import Rates
from ds_actors.cli._doctor.result import CheckResult, failed, passed, warned
from ds_actors.detection.tracks.encoding import EncodingError, Frame, encode_jpeg

WIDTH: Final = 1280
HEIGHT: Final = 720
RUNS: Final = 5
SLOW: Final = 0.05
"""Seconds per picture; a core that needs more serves under 20 tracks at 1 sample/s."""
_NAME: Final = "encoder"

Encode = Callable[[Frame, int], bytes]


@frozen
class EncodedSample:
    """The sample that later checks send."""

    jpeg: bytes
    seconds: float


def _encode(frame: Frame, quality: int) -> bytes:
    return encode_jpeg(frame, quality=quality)


def check_encoder(rates: Rates, encode: Encode = _encode) -> tuple[CheckResult, EncodedSample | None]:
    """Encode a picture of 1280 x 720 several times; return the result, and the sample unless encoding failed."""
    frame = make_frame()
    seconds: list[float] = []
    jpeg = b""
    for _ in range(RUNS):
        began = time.perf_counter()
        try:
            jpeg = encode(frame, rates.quality)
        except (EncodingError, OSError) as error:
            text = f"a picture of {WIDTH} x {HEIGHT} could not be encoded: {error}"
            return failed(_NAME, text, "reinstall simplejpeg and pillow: pip install -U simplejpeg pillow"), None
        seconds.append(time.perf_counter() - began)
    sample = EncodedSample(jpeg, median(seconds))
    return judge_encoder(sample, rates), sample


def judge_encoder(sample: EncodedSample, rates: Rates) -> CheckResult:
    """Judge the time and size of a sample at the configured rates."""
    size = len(sample.jpeg) / 1_000
    text = f"{1_000 * sample.seconds:.1f} ms and {size:.0f} kB per sample of {WIDTH} x {HEIGHT}"
    details = {
        "quality": str(rates.quality),
        "one track, normal": f"{size * rates.normal_fps:.1f} kB/s at {rates.normal_fps:g} samples/s",
        "one track, suspicious or alert": f"{size * rates.burst_fps:.1f} kB/s at {rates.burst_fps:g} samples/s",
    }
    if sample.seconds > SLOW:
        fix = "give the worker more processor time, install simplejpeg, or lower burst_fps"
        return warned(_NAME, f"{text}: slow", fix, **details)
    return passed(_NAME, text, **details)


def make_frame() -> Frame:
    """Return a synthetic picture with about the detail of a camera's: gradients and a little noise."""
    noise = np.random.default_rng(1)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    luma = 90 + 50 * np.sin(columns / 90) + 40 * np.cos(rows / 70) + noise.normal(0, 4, (HEIGHT, WIDTH))
    chroma = np.full(HEIGHT * WIDTH // 2, 128, np.uint8)
    return Frame(WIDTH, HEIGHT, "i420", np.clip(luma, 16, 235).astype(np.uint8).tobytes() + chroma.tobytes())
