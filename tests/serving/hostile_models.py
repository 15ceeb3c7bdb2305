"""Detectors that find the painted patch, and fail in every way, on a picture of a stated width."""

from __future__ import annotations

import os
import time

import numpy as np
from numpy.typing import NDArray

from ds_actors.sandbox import marker_share

FAILS = 101
DIES = 102
HANGS = 103
LEAKS = 104
NAN = 105
PRINTS = 106
SLOW = 107

_leaked: list[NDArray[np.uint8]] = []


def judge(image: NDArray[np.uint8]) -> float:
    width = image.shape[1]
    if width == FAILS:
        raise RuntimeError("no memory left")
    if width == DIES:
        os.abort()
    if width == HANGS:
        time.sleep(600)
    if width == LEAKS:
        _leaked.append(np.ones(400 * 1024 * 1024, np.uint8))
        time.sleep(600)
    if width == NAN:
        return float("nan")
    if width == PRINTS:
        os.write(1, b"not for the service")
    if width == SLOW:
        time.sleep(0.3)
    return min(1.0, 16 * marker_share(image))
