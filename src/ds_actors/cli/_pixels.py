"""Decoded frames to the pixels that a viewer sees."""

from __future__ import annotations

from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def rgb(frame: av.VideoFrame) -> Pixels:
    """Return a frame's stored pixels as RGB, height x width x 3."""
    return cast("Pixels", frame.to_ndarray(format="rgb24"))
