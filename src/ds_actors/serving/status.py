"""What a service counts, and its state, as one frozen snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

WorkerState = Literal["loading", "idle", "busy", "down"]
ServiceState = Literal["loading", "ready", "draining"]


@frozen
class ServiceStatus:
    """A snapshot; at every moment received = answered by level + waiting + judging + unwritten + unsent."""

    state: ServiceState
    """ready while at least one model can judge."""
    workers: Mapping[str, WorkerState]
    connections: int
    """Connections that are open, or being opened or closed."""
    refused: Mapping[str, int]
    """Upgrades refused, by HTTP status."""
    received: int
    """Samples."""
    malformed: int
    """Messages that were no samples."""
    waiting: int
    judging: int
    """Samples in batches that are under way."""
    dropped: Mapping[str, int]
    """Samples that were not judged, by reason."""
    faults: Mapping[str, int]
    """Samples whose detector failed or gave no valid answer, by fault."""
    answered: Mapping[str, int]
    """Answers that were written to their connection, by level; a dropped sample is answered with an error."""
    unwritten: int
    """Answers that their connections have not written yet."""
    unsent: int
    """Answers for which there was no connection any more."""
    batches: int
    lost: int
    """Batches that ended with their model process."""
