"""The tracks that should have an actor, and what is known of each beside its level: facts, plan, rate, crashes.

The monitor owns them, so that they outlive a crash; its supervisor of tracks starts from this list.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from attrs import define, evolve, field

from ds_actors.detection.coverage import Coverage, Facts, coverage
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import Plan, SamplingPolicy
from ds_actors.detection.sources import FrameSource
from ds_actors.detection.status import TrackStatus
from ds_actors.detection.track_backoff import FAILING_CRASHES, FAILING_WITHIN

TRACKS: Final = 2_000
TRACKS_PER_PARTICIPANT: Final = 64
RATE_WINDOW: Final = 10.0
"""Seconds over which a track's actual rate is counted."""


@define(eq=False)
class WantedTrack:
    """One track that should have an actor."""

    info: TrackInfo
    source: FrameSource
    policy: SamplingPolicy
    facts: Facts
    muted: bool = False
    plan: Plan = field(default=Plan(None, "not started"))
    last_due: float | None = None
    """When its last sample was due, also before a crash."""
    sent: int = 0
    failing: bool = False
    """Five crashes within 60 s, and no sample sent since."""
    _crashes: deque[float] = field(factory=lambda: deque[float](maxlen=FAILING_CRASHES))
    _sent_at: deque[float] = field(factory=lambda: deque[float](maxlen=512))

    def captured(self, *, frame: bool) -> None:
        """Count one-shots without a frame, in a row."""
        self.facts.empty_captures = 0 if frame else self.facts.empty_captures + 1

    def sample_sent(self, now: float) -> None:
        """Count a sample whose send returned; a track that sends is not failing."""
        self.sent += 1
        self._sent_at.append(now)
        self.failing = False
        self._crashes.clear()

    def crashed(self, now: float) -> None:
        """Count a crash."""
        self._crashes.append(now)
        if len(self._crashes) == FAILING_CRASHES and now - self._crashes[0] <= FAILING_WITHIN:
            self.failing = True

    def target(self, level: Level) -> float:
        """Return the samples a second that the policy promises at that level."""
        promise = self.policy.promise
        return promise.ceiling_fps if level.elevated else promise.floor_fps

    def coverage(self, level: Level, now: float) -> Coverage:
        """Return how well it is covered."""
        facts = evolve(self.facts, muted=self.muted, failing=self.failing, rate=self.target(level))
        return coverage(facts, now)

    def status(self, level: Level, now: float) -> TrackStatus:
        """Return a frozen picture of it."""
        recent = sum(now - at <= RATE_WINDOW for at in tuple(self._sent_at))
        return TrackStatus(
            self.info.participant,
            self.info.track,
            self.info.kind,
            self.info.source,
            level,
            self.coverage(level, now),
            self.target(level),
            recent / RATE_WINDOW,
            self.plan.reason,
            self.sent,
        )


@define(eq=False)
class WantedTracks:
    """All of them, by sid, within the limits of a room."""

    refused: Counter[str] = field(factory=Counter[str])
    """Tracks that are not watched, by reason."""
    _tracks: dict[str, WantedTrack] = field(factory=dict[str, WantedTrack])

    def __iter__(self) -> Iterator[WantedTrack]:
        return iter(tuple(self._tracks.values()))

    def __contains__(self, track: str) -> bool:
        return track in self._tracks

    def has_room(self, participant: str) -> bool:
        """Return whether one more track of this participant is within the limits; count it where it is not."""
        of_participant = sum(one.info.participant == participant for one in self._tracks.values())
        if len(self._tracks) < TRACKS and of_participant < TRACKS_PER_PARTICIPANT:
            return True
        self.refused["limit"] += 1
        return False

    def add(self, track: WantedTrack) -> None:
        """Add one."""
        self._tracks[track.info.track] = track

    def get(self, track: str) -> WantedTrack | None:
        """Return the one of that sid."""
        return self._tracks.get(track)

    def pop(self, track: str) -> WantedTrack | None:
        """Take out the one of that sid."""
        return self._tracks.pop(track, None)
