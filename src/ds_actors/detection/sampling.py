"""When a track's next sample is due: the protocol of a sampling policy, and the adaptive one. Pure.

A policy hears what happens to its track and answers every event with a plan. It owns its state; one object serves one
track. `now` is a monotonic clock in seconds, and nothing else is to be read.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from attrs import define, field, frozen

from ds_actors.detection.events import Level

MAX_FPS: Final = 30.0


@frozen
class Plan:
    """What a policy wants next."""

    due: float | None
    """When the next sample is due (seconds, monotonic); None while the track is paused."""
    reason: str
    """Why, in a few words for views and status."""
    quality: int | None = None
    """JPEG quality 0 to 100; None for the monitor's."""
    max_side: int | None = None
    """Longest side in pixels; None for the frame's own size."""


@frozen
class Promise:
    """What a policy can be held to."""

    ceiling_fps: float
    """Never more samples than this times the window, plus one."""
    floor_fps: float
    """Never fewer than this times the window, less one, while not paused."""
    answers_within: float
    """Seconds from an elevated verdict to the next sample, at most."""
    settles_within: float
    """Seconds from a clearing until the rate is back at the floor, at most."""


@frozen
class Started:
    """The track's actor began; `level` is what the track has, or inherits."""

    level: Level = Level.UNKNOWN
    last_due: float | None = None
    """When an earlier incarnation's last sample was due; None at the first."""


@frozen
class Due:
    """The planned time came, and is consumed."""


@frozen
class Verdict:
    """A result changed or confirmed the level."""

    level: Level


@frozen
class Sent:
    """A sample went out."""


@frozen
class Dropped:
    """A sample that was due did not go out."""

    reason: str


@frozen
class Paused:
    """The track was muted."""


@frozen
class Resumed:
    """The track was unmuted."""


@frozen
class Speaking:
    """The participant began or stopped to speak, as the publisher's client says."""

    active: bool


@frozen
class Scene:
    """A cheap signature of a frame's brightness, where a stream is open anyway."""

    signature: bytes


SamplingEvent = Started | Due | Verdict | Sent | Dropped | Paused | Resumed | Speaking | Scene


class SamplingPolicy(Protocol):
    """Decides when samples are due; write one's own and hand its factory to the monitor."""

    @property
    def promise(self) -> Promise:
        """What this policy can be held to."""
        ...

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Take note of an event and return the plan from now on."""
        ...


def check_fps(name: str, fps: float) -> float:
    """Return the rate as a float.

    Raises:
        ValueError: naming it, when it is not a finite number above 0 and 30 at most.
    """
    if isinstance(fps, bool) or not 0 < fps <= MAX_FPS:
        raise ValueError(f"{name} must be a finite number above 0, {MAX_FPS:g} at most, not {fps!r}")
    return float(fps)


def check_quality(quality: int) -> int:
    """Return the JPEG quality.

    Raises:
        ValueError: when it is not an integer from 0 to 100.
    """
    if type(quality) is not int or not 0 <= quality <= 100:
        raise ValueError(f"quality must be an integer from 0 to 100, not {quality!r}")
    return quality


@define
class AdaptiveSampling:
    """Normal rate while clear or not yet judged, burst rate while suspicious or alert.

    Samples are due on a grid, so that lateness does not add up. A change of rate keeps the last grid time as the
    grid's origin; after a jump of the clock one sample is due at once, and the grid goes on from there.

    Args:
        normal_fps: samples a second; above 0, 30 at most.
        burst_fps: samples a second while the level is elevated; at least normal_fps.

    Raises:
        ValueError: for rates outside that.
    """

    normal_fps: float = 0.2
    burst_fps: float = 1.0
    _level: Level = field(default=Level.UNKNOWN, init=False)
    _origin: float = field(default=-math.inf, init=False)
    """The grid: origin + k / rate, k = 1, 2, ..."""
    _count: int = field(default=0, init=False)
    """Grid times consumed since the origin."""
    _last: float = field(default=-math.inf, init=False)
    """When a due time was last consumed."""
    _due: float | None = field(default=None, init=False)
    _paused: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps = check_fps("normal_fps", self.normal_fps)
        self.burst_fps = check_fps("burst_fps", self.burst_fps)
        if self.burst_fps < self.normal_fps:
            raise ValueError(f"burst_fps ({self.burst_fps!r}) must not be below normal_fps ({self.normal_fps!r})")

    @property
    def promise(self) -> Promise:
        """Between the two rates; answers within one burst interval, settles with the clearing itself."""
        return Promise(self.burst_fps, self.normal_fps, 1 / self.burst_fps, 1 / self.normal_fps)

    @property
    def _rate(self) -> float:
        return self.burst_fps if self._level.elevated else self.normal_fps

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Take note of an event and return the plan from now on."""
        match event:
            case Started(level, last_due):
                self._level = level
                if last_due is not None:
                    self._last = max(self._last, last_due)
                self._due = max(now, self._last + 1 / self.burst_fps)
                self._origin = -math.inf
            case Due():
                self._consume(now)
            case Verdict(level) if level.is_verdict:
                self._judged(level, now)
            case Paused():
                self._paused = True
            case Resumed() if self._paused:
                self._paused = False
                self._due = max(now, self._last + 1 / self.burst_fps)
                self._origin = -math.inf
            case _:
                pass
        if self._paused or self._due is None:
            return Plan(None, "muted" if self._paused else "not started")
        return Plan(self._due, f"{self._level.value}: {self._rate:g} fps")

    def _consume(self, now: float) -> None:
        due = self._due
        if due is None or now < due:
            return
        self._last = now
        step = 1 / self._rate
        if due + step <= now or self._origin == -math.inf:
            # Late by a whole step, or the first of a grid: begin anew, so that only one is due at once.
            self._origin, self._count = (now if due + step <= now else due), 0
        else:
            self._count += 1
        self._due = self._origin + (self._count + 1) * step

    def _judged(self, level: Level, now: float) -> None:
        before, self._level = self._rate, level
        if self._rate == before or self._due is None or self._paused:
            return
        if self._last == -math.inf:
            return  # the first sample is due at once anyway
        after = self._last + 1 / self._rate
        self._due = max(now, min(self._due, after) if self._rate > before else after)
        self._origin = -math.inf
