"""A monitor whose detector was calibrated: thresholds and evidence from the file that `ds-actors calibrate` wrote.

ds-actors calibrate --detector my_detector:judge --clean clean --manipulated manipulated --output calibration.toml
"""

from __future__ import annotations

from pathlib import Path

from ds_actors.detection import Monitor
from ds_actors.detection.levels.calibration import parse_evidence
from ds_actors.detectors import parse_thresholds
from ds_actors.serving import Local


def calibrated_monitor(spec: str, calibration: str) -> Monitor:
    """Return a monitor that judges with a detector, and believes it as far as it was measured."""
    service = Local(spec, thresholds=parse_thresholds(calibration))
    return Monitor(service=service, assessment=parse_evidence(calibration))


WRITTEN = """
[thresholds]
suspicious = 0.43
alert = 0.71

[evidence]
misses = 0.2
false_flags = 0.05
"""

if __name__ == "__main__":
    file = Path("calibration.toml")
    calibration = file.read_text("utf-8") if file.exists() else WRITTEN
    print(parse_thresholds(calibration))  # prints Thresholds(suspicious=0.43, alert=0.71, detector='')
    monitor = calibrated_monitor("my_detector:judge", calibration)
