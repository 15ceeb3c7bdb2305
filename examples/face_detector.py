"""A detector of faces: a picture is cropped to its largest face first, and one without a face is no verdict.

    ds-actors scan --detector face_detector:make() FILE     # with the extra faces

It stands for a model: it finds the patch that `ds-actors clip` paints, and no deepfakes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ds_actors.detectors import FaceCropper, FunctionDetector
from ds_actors.sandbox import marker_share


def judge(face: NDArray[np.uint8]) -> float:
    """Return a probability in [0, 1] for the part of a picture around a face."""
    return min(1.0, 16 * marker_share(face))


def make() -> FunctionDetector:
    """Return the detector, with the weights of the face detector loaded."""
    return FunctionDetector(judge, crop=FaceCropper(margin=1.3, threads=1))
