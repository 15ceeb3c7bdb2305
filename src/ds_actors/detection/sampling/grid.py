"""The due times for a rate that may change at any event; most policies leave them to a `Grid`. Pure."""

from __future__ import annotations

import math

from attrs import define, field

from ds_actors.detection.sampling.jitter import Jitter, make_jitter
from ds_actors.detection.sampling.protocol import (
    MAX_FPS,
    Paused,
    Plan,
    Resumed,
    SampleDue,
    SamplingEvent,
    Started,
    check_fps,
)


@define
class Grid:
    """Turns "this fast, and why" into due times that keep a policy's promise.

    Samples are due at origin + k / fps, so lateness does not add up. A change of rate counts from the last
    sample: faster brings the next one forward, slower puts it back. New and unmuted is due at once, but not sooner
    than 1 / ceiling_fps after the last sample. After a jump of the clock one sample is due at once, and the grid begins
    anew there.

    With jitter each interval differs from 1 / fps by a share that only the jitter's key decides, so that a participant
    cannot tell when the next sample is due; the mean is 1 / fps, and no interval is shorter than the ceiling's.

    Args:
        ceiling_fps: samples per second that no requested rate exceeds; above 0, 30 at most.
        jitter: the share by which an interval differs, 0.9 at most, or a Jitter with a key of its own. The ceiling of
            the promise is then higher: see `Promise.jittered`.

    Raises:
        ValueError: for a ceiling or a jitter outside these bounds.
    """

    ceiling_fps: float
    jitter: float | Jitter = 0.0
    _jitter: Jitter = field(init=False)
    _shortest: float = field(init=False)
    """Seconds between two samples, at least."""
    _factor: float = field(default=1.0, init=False)
    """The present interval as a share of its mean."""
    _fps: float = field(default=math.nan, init=False)
    _origin: float | None = field(default=None, init=False)
    """The grid is origin + k / fps, k = 1, 2, ...; None until the next sample begins one."""
    _count: int = field(default=0, init=False)
    """Grid times consumed since the origin."""
    _last: float = field(default=-math.inf, init=False)
    """When a due time was last consumed."""
    _due: float = field(default=math.inf, init=False)
    _started: bool = field(default=False, init=False)
    _paused: bool = field(default=False, init=False)
    _plan: Plan = field(default=Plan(None, "not started"), init=False)

    def __attrs_post_init__(self) -> None:
        self.ceiling_fps = check_fps("ceiling_fps", self.ceiling_fps)
        self._jitter = make_jitter(self.jitter)
        self._shortest = max(1 / MAX_FPS, (1 - self._jitter.share) / self.ceiling_fps)

    @property
    def spread(self) -> float:
        """The share by which an interval differs from its mean, at most."""
        return self._jitter.share

    def on(
        self,
        event: SamplingEvent,
        now: float,
        fps: float,
        reason: str,
        *,
        quality: int | None = None,
        max_side: int | None = None,
    ) -> Plan:
        """Handle an event and return the plan at that rate from now on.

        Raises:
            ValueError: when the rate is not a finite number above 0.
        """
        if fps != self._fps:
            if not 0 < fps < math.inf:
                raise ValueError(f"the rate must be a finite number above 0, not {fps!r}")
            fps = min(fps, self.ceiling_fps)
        match event:
            case SampleDue():
                self._consume(now, fps)
            case Started(_, last_due):
                self._started = True
                self._last = self._last if last_due is None else max(self._last, last_due)
                self._begin(now)
            case Paused():
                self._paused = True
            case Resumed() if self._paused:
                self._paused = False
                self._begin(now)
            case _ if fps != self._fps:
                self._change(now, fps)
            case _:
                pass
        self._fps = fps
        return self._planned(fps, reason, quality, max_side)

    def _planned(self, fps: float, reason: str, quality: int | None, max_side: int | None) -> Plan:
        due = self._due if self._started and not self._paused else None
        if due is None:
            reason = "muted" if self._paused else "not started"
        old = self._plan
        if (
            due != old.due
            or fps != old.fps
            or reason != old.reason
            or quality != old.quality
            or max_side != old.max_side
        ):
            self._plan = Plan(due, reason, quality, max_side, fps)
        return self._plan

    def _begin(self, now: float) -> None:
        self._due = max(now, self._last + self._shortest)
        self._origin = None

    def _consume(self, now: float, fps: float) -> None:
        if self._paused or now < self._due:
            return
        if self._jitter.share:
            self._consume_jittered(now, fps)
            return
        step = 1 / fps
        if self._origin is None or fps != self._fps:
            self._origin, self._count = self._due, 0
        else:
            self._count += 1
        self._last = now
        self._due = self._origin + (self._count + 1) * step
        if self._due < now + 0.5 / self.ceiling_fps:
            # Late by about a whole step: the old grid would make two samples of one.
            self._origin, self._count, self._due = now, 0, now + step

    def _consume_jittered(self, now: float, fps: float) -> None:
        # Near the ceiling less jitter has room; it stays even, so that the mean is the rate's.
        room = min(1.0, (1 - self._shortest * fps) / self._jitter.share)
        self._factor = 1 + (self._jitter.draw() - 1) * room
        planned, self._last = self._due, now
        step = self._factor / fps
        self._due = planned + step
        if self._due < now + 0.5 * self._shortest:
            self._due = now + step

    def _change(self, now: float, fps: float) -> None:
        if self._last == -math.inf:
            return  # the first sample is due at once anyway
        after = self._last + max(self._shortest, self._factor / fps)
        self._due = max(now, min(self._due, after) if fps > self._fps else after)
        self._origin = None
