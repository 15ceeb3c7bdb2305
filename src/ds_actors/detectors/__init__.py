"""Your own detector behind the monitor: batches of samples in, probabilities out."""

from ds_actors.detection import _needed as _needed  # first of all
from ds_actors.detectors.faces import CropFunction, FaceCropper
from ds_actors.detectors.findings import DetectorAnswer, Fault, Finding, Invalid
from ds_actors.detectors.loading import DetectorError, as_detector, load_detector
from ds_actors.detectors.protocol import Detector, FunctionDetector, JudgeFunction, judge_samples
from ds_actors.detectors.samples import DetectorSample, UnreadableSampleError, picture, sound
from ds_actors.detectors.thresholds import Thresholds, ThresholdsError, parse_thresholds

__all__ = [
    "CropFunction",
    "Detector",
    "DetectorAnswer",
    "DetectorError",
    "DetectorSample",
    "FaceCropper",
    "Fault",
    "Finding",
    "FunctionDetector",
    "Invalid",
    "JudgeFunction",
    "Thresholds",
    "ThresholdsError",
    "UnreadableSampleError",
    "as_detector",
    "judge_samples",
    "load_detector",
    "parse_thresholds",
    "picture",
    "sound",
]
