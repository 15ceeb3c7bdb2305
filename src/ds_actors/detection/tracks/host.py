"""The interface that a track's actor needs from the monitor, which keeps everything that outlives a crash."""

from __future__ import annotations

from typing import Protocol

from ds_actors import ActorRef
from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Plan
from ds_actors.detection.turns import OutboxMessage


class TrackHost(Protocol):
    """Keeps a track's level, plan and counts across restarts of its actor. No method waits."""

    def uplink(self) -> ActorRef[OutboxMessage]:
        """Return the uplink's reference."""
        ...

    def attention(self, track: str) -> Level:
        """Return the level by which the track is sampled: its level, or a verdict that waits for confirmation."""
        ...

    def last_due(self, track: str) -> float | None:
        """Return when the last sample was due, also before a crash; None before the first."""
        ...

    def sample_due(self, track: str) -> None:
        """Record that a sample is due now."""
        ...

    def planned(self, track: str, plan: Plan) -> None:
        """Record the newest plan for the views."""
        ...

    def captured(self, track: str, *, frame: bool, too_small: bool) -> None:
        """Record whether a capture returned a frame, and whether it was too small to judge."""
        ...

    def speaks(self, participant: str) -> bool:
        """Return whether the participant is speaking, as reported by the room."""
        ...

    def silent(self, track: str) -> None:
        """Record that a recording contained no speech worth sending."""
        ...
