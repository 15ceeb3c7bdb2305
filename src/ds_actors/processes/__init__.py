"""Programs as children: an operating-system process that a supervisor starts, watches, stops and restarts."""

from ds_actors.processes._actor import ProgramActor
from ds_actors.processes._program import (
    LineMatches,
    PortOpens,
    Program,
    ProgramEnded,
    ProgramNotStarted,
    Ready,
)

__all__ = ["LineMatches", "PortOpens", "Program", "ProgramActor", "ProgramEnded", "ProgramNotStarted", "Ready"]
