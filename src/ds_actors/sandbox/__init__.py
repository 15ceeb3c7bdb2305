"""A local detector service on the real wire, for tests, the demo and trying things out. Not a deepfake detector."""

from ds_actors.detection import _needed as _needed  # first of all
from ds_actors.sandbox._server import Sandbox, SandboxEvent, open_sandbox
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.faults import TimedFault
from ds_actors.sandbox.grading import Row, grade
from ds_actors.sandbox.marker import judge_marker, marker_share, paint_marker
from ds_actors.sandbox.records import Attempt, ClientRecord, Received, RoundTrip
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script, ScriptError, TimedVerdict, load_script, parse_script
from ds_actors.sandbox.verdicts import (
    Judge,
    JudgeVerdicts,
    MarkerVerdicts,
    MostSevere,
    ScriptedVerdicts,
    Verdicts,
    always_clear,
)

__all__ = [
    "Attempt",
    "ClientRecord",
    "Faults",
    "Judge",
    "JudgeVerdicts",
    "MarkerVerdicts",
    "MostSevere",
    "Received",
    "Room",
    "RoundTrip",
    "Row",
    "Sandbox",
    "SandboxEvent",
    "Script",
    "ScriptError",
    "ScriptedVerdicts",
    "TimedFault",
    "TimedVerdict",
    "Verdicts",
    "always_clear",
    "grade",
    "judge_marker",
    "load_script",
    "marker_share",
    "open_sandbox",
    "paint_marker",
    "parse_script",
]
