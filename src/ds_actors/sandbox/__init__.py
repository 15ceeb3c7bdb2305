"""A local detector service on the real wire, for tests, the demo and trying things out. Not a deepfake detector."""

from ds_actors.sandbox._server import Faults, Judge, Received, Sandbox, always_clear, open_sandbox
from ds_actors.sandbox.marker import judge_marker, marker_share, paint_marker

__all__ = [
    "Faults",
    "Judge",
    "Received",
    "Sandbox",
    "always_clear",
    "judge_marker",
    "marker_share",
    "open_sandbox",
    "paint_marker",
]
