"""Detectors that find the painted patch, and fail in every way, on a picture of a stated width."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ds_actors.detectors import DetectorSample, Finding
from ds_actors.detectors.findings import REASON_LIMIT
from ds_actors.sandbox import marker_share

FAILS = 101
DIES = 102
HANGS = 103
LEAKS = 104
NAN = 105
PRINTS = 106
SLOW = 107
REPEATS = 108
BABBLES = 109

_leaked: list[NDArray[np.uint8]] = []


class Wordy:
    """Answers each sample with the longest reason, in letters that JSON writes with twelve bytes."""

    def judge(self, samples: Sequence[DetectorSample]) -> list[Finding]:
        return [Finding(reason="\N{PILE OF POO}" * REASON_LIMIT) for _ in samples]


class Endless:
    """Takes forever to load."""

    def __init__(self) -> None:
        time.sleep(600)


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
    if width == REPEATS:
        answer = b'{"batch": 1, "outcomes": [[null, 0.9, ""]], "seconds": 0.1}'
        _write_to_the_service(len(answer).to_bytes(4, "big") + answer)
    if width == BABBLES:
        _write_to_the_service(b"\x00\x00\x00\x05hello")
    return min(1.0, 16 * marker_share(image))


def _write_to_the_service(data: bytes) -> None:
    """Write to the pipe of the answers, whichever descriptor it has."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # one that is closed by now, or the end that is read
            if int(entry.name) > 2 and str(entry.readlink()).startswith("pipe:"):
                os.write(int(entry.name), data)
