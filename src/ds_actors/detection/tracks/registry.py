"""The tracks that should have an actor, with their facts, plan, rate and backoff.

It also lists the room's unwatched tracks, with the reason.

The hub owns the registry, so it outlives a crash; the supervisor of tracks starts from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, evolve, field, frozen

from ds_actors.detection.coverage import Coverage, Facts, coverage
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import Plan, SamplingPolicy
from ds_actors.detection.status import TrackStatus
from ds_actors.detection.tracks.backoff import TrackBackoff
from ds_actors.detection.tracks.sources import ForecastSource, FrameSource, PcmSource, RequestingSource
from ds_actors.detection.tracks.speech import AudioPace

TRACKS: Final = 2_000
TRACKS_PER_PARTICIPANT: Final = 64
TRACKS_UNWATCHED: Final = 4_000
"""The most unwatched tracks that are listed; more are only counted."""
RATE_WINDOW: Final = 10.0
"""Seconds over which a track's actual rate is measured, or its lifetime if shorter."""
_SHORTEST_WINDOW: Final = 1.0
"""Seconds: the least divisor, so that the first sample of a new track does not count as hundreds per second."""


@define(eq=False)
class RegisteredTrack:
    """A track that should have an actor."""

    info: TrackInfo
    source: FrameSource | PcmSource
    policy: SamplingPolicy | AudioPace
    facts: Facts
    muted: bool = False
    gate_open: bool = True
    """True while a voice activity detector permits recording this microphone."""
    backoff: TrackBackoff = field(factory=TrackBackoff)
    plan: Plan = field(default=Plan(None, "not started"))
    last_due: float | None = None
    """When the last sample was due, also before a crash."""
    sent: int = 0
    _sent_at: deque[float] = field(factory=lambda: deque[float](maxlen=512))
    # Asked once: a plan comes with every sample, and such a question takes as long as planning it.
    _forecast: ForecastSource | None = field(init=False)
    _requesting: RequestingSource | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        source = self.source
        self._forecast = source if isinstance(source, ForecastSource) else None
        self._requesting = source if isinstance(source, RequestingSource) else None

    def captured(self, *, frame: bool, too_small: bool = False) -> None:
        """Count consecutive captures without a frame, and those since the last frame that was large enough."""
        facts = self.facts
        if not frame:
            facts.empty_captures += 1
            return
        facts.empty_captures, facts.encrypted = 0, False
        facts.small_captures = facts.small_captures + 1 if too_small else 0

    def answered(self, now: float, *, verdict: bool) -> None:
        """Record a result, which may be a verdict."""
        self.facts.last_result = now
        if verdict:
            self.facts.last_verdict = now

    def planned(self, plan: Plan, level: Level) -> None:
        """Keep the newest plan, and pass it on to a source that follows it."""
        self.plan = plan
        if self._forecast is not None:
            steady = not level.elevated and not self.policy.promise.frames_between
            self._forecast.expect(plan.due, steady=steady)

    def sample_sent(self, now: float) -> None:
        """Count a sent sample; a track that sends is not failing."""
        self.sent += 1
        self._sent_at.append(now)
        self.backoff.sample_sent()

    def target(self, level: Level) -> float:
        """Return the planned samples per second, or without a plan the promised rate at that level."""
        if self.plan.fps is not None:
            return self.plan.fps
        promise = self.policy.promise
        return promise.ceiling_fps if level.elevated else promise.floor_fps

    def coverage(self, level: Level, now: float) -> Coverage:
        """Return the track's coverage."""
        facts = evolve(self.facts, muted=self.muted, failing=self.backoff.failing, rate=self.target(level))
        return coverage(facts, now)

    def status(self, level: Level, now: float) -> TrackStatus:
        """Return a snapshot."""
        window = min(RATE_WINDOW, max(_SHORTEST_WINDOW, now - self.facts.published_at))
        sent_at = tuple(self._sent_at)
        recent = len(sent_at) - bisect_left(sent_at, now - window)
        return TrackStatus(
            self.info.participant,
            self.info.track,
            self.info.kind,
            self.info.source,
            level,
            self.coverage(level, now),
            self.target(level),
            recent / window,
            self.plan.reason,
            self.sent,
            wanted=not self.muted,
            seconds_since_verdict=None if self.facts.last_verdict is None else now - self.facts.last_verdict,
            frame_requests=0 if self._requesting is None else self._requesting.frame_requests,
        )


@frozen
class UnwatchedTrack:
    """A track without an actor, with the reason."""

    info: TrackInfo
    facts: Facts
    why: str = ""
    wanted: bool = False
    """True when it should be watched, and something other than the host's choice prevents it."""

    def status(self, level: Level, now: float) -> TrackStatus:
        """Return a snapshot."""
        info, covered = self.info, coverage(self.facts, now)
        why = self.why or covered.value
        wanted = self.wanted and covered is not Coverage.MUTED
        return TrackStatus(
            info.participant, info.track, info.kind, info.source, level, covered, 0.0, 0.0, why, 0, wanted=wanted
        )


@define(eq=False)
class TrackRegistry:
    """All tracks of a room, by sid, within its limits."""

    refused: Counter[str] = field(factory=Counter[str])
    """Counts of unwatched tracks by reason; a retried track counts once."""
    _tracks: dict[str, RegisteredTrack] = field(factory=dict[str, RegisteredTrack])
    _unwatched: dict[str, UnwatchedTrack] = field(factory=dict[str, UnwatchedTrack])
    _over: set[str] = field(factory=set[str])
    """The tracks over the limit that are counted already."""

    def __iter__(self) -> Iterator[RegisteredTrack]:
        return iter(tuple(self._tracks.values()))

    def __contains__(self, track: str) -> bool:
        return track in self._tracks

    def has_room(self, info: TrackInfo) -> bool:
        """Return whether one more track is within the limits; count it once if not."""
        of_participant = sum(track.info.participant == info.participant for track in self._tracks.values())
        if len(self._tracks) < TRACKS and of_participant < TRACKS_PER_PARTICIPANT:
            return True
        if info.track not in self._over:
            self.refused["limit"] += 1
            if len(self._over) < TRACKS_UNWATCHED:
                self._over.add(info.track)
        return False

    def add(self, track: RegisteredTrack) -> None:
        """Add one."""
        self.remove_unwatched(track.info.track)
        self._tracks[track.info.track] = track

    def add_unwatched(self, track: UnwatchedTrack) -> None:
        """List an unwatched track; a listed one keeps its time of publication."""
        sid = track.info.track
        before = self._unwatched.get(sid)
        if before is not None:
            facts = evolve(track.facts, published_at=before.facts.published_at)
            self._unwatched[sid] = evolve(track, facts=facts)
        elif len(self._unwatched) < TRACKS_UNWATCHED:
            self._unwatched[sid] = track
        else:
            self.refused["not_listed"] += 1

    def remove_unwatched(self, track: str) -> None:
        """Remove an unwatched track from the list."""
        self._unwatched.pop(track, None)
        self._over.discard(track)

    def blind(self, level: Callable[[str], Level], now: float) -> tuple[dict[str, Coverage], int]:
        """Return the coverage of each track that should be checked and is not, and how many should be."""
        wanted = {
            **{sid: track.coverage(level(sid), now) for sid, track in self._tracks.items() if not track.muted},
            **{sid: coverage(track.facts, now) for sid, track in self._unwatched.items() if track.wanted},
        }
        wanted = {sid: covered for sid, covered in wanted.items() if covered is not Coverage.MUTED}
        return {sid: covered for sid, covered in wanted.items() if covered.is_blind}, len(wanted)

    def unwatched(self) -> tuple[UnwatchedTrack, ...]:
        """Return the unwatched tracks."""
        return tuple(self._unwatched.values())

    def find_unwatched(self, track: str) -> UnwatchedTrack | None:
        """Return the unwatched track with that sid."""
        return self._unwatched.get(track)

    def get(self, track: str) -> RegisteredTrack | None:
        """Return the track with that sid."""
        return self._tracks.get(track)

    def pop(self, track: str) -> RegisteredTrack | None:
        """Remove the track with that sid."""
        return self._tracks.pop(track, None)
