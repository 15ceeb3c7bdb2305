"""One simulated track: the sampler of the live monitor, and the figures of the outcome. Pure."""

from __future__ import annotations

import math

from attrs import define, field

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import SamplingPolicy
from ds_actors.detection.tracks.sampler import TrackSampler
from ds_actors.simulation.service import Manipulation, Rule


@define(eq=False)
class SimulatedTrack:
    """A sampler with its schedule and its counts."""

    info: TrackInfo
    policy: SamplingPolicy
    rules: list[Rule]
    sampler: TrackSampler = field(init=False)
    scheduled_at: float = math.inf
    """The due time of the newest entry on the heap."""
    scheduled: int = 0
    """That entry's number; older ones are void."""
    joined: bool = False
    muted: bool = False
    bright: bool = False
    """The scene, of which there are two."""
    due: int = 0
    sent: int = 0
    since: float = math.inf
    """When its last sample was sent, or when it joined or was unmuted."""
    longest: float = 0.0
    last_manipulation: Manipulation | None = None
    """The newest one that led to an alert."""
    false_alarms: int = 0

    def __attrs_post_init__(self) -> None:
        self.sampler = TrackSampler(self.info, self.policy, self)

    def judged(self, before: Level, level: Level, manipulation: Manipulation | None, now: float) -> None:
        """Count alerts: those of a manipulation, and the false ones, which begin with an answer to a genuine sample."""
        if level is Level.ALERT and manipulation is not None and manipulation.alarmed is None:
            manipulation.alarmed = manipulation.begins if before is Level.ALERT else now
            self.last_manipulation = manipulation
        elif level is Level.ALERT and before is not Level.ALERT and manipulation is None:
            self.false_alarms += 1
        elif level is not Level.ALERT and before is Level.ALERT:
            last = self.last_manipulation
            if last is not None and now >= last.ends:
                last.cleared = now
                self.last_manipulation = None
