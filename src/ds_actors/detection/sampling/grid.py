"""The due times for a rate that may change at any event; most policies leave them to a `Grid`. Pure."""

from __future__ import annotations

import math

from attrs import define, field

from ds_actors.detection.sampling.protocol import Paused, Plan, Resumed, SampleDue, SamplingEvent, Started, check_fps


@define
class Grid:
    """Turns "this fast, and why" into due times that keep a policy's promise.

    Samples are due at origin + k / fps, so lateness does not add up. A change of rate counts from the last
    sample: faster brings the next one forward, slower puts it back. New and unmuted is due at once, but not sooner
    than 1 / ceiling_fps after the last sample. After a jump of the clock one sample is due at once, and the grid begins
    anew there.

    Args:
        ceiling_fps: samples per second that no requested rate exceeds; above 0, 30 at most.

    Raises:
        ValueError: for a ceiling outside these bounds.
    """

    ceiling_fps: float
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
        self._due = max(now, self._last + 1 / self.ceiling_fps)
        self._origin = None

    def _consume(self, now: float, fps: float) -> None:
        if self._paused or now < self._due:
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

    def _change(self, now: float, fps: float) -> None:
        if not self._started or self._paused or self._last == -math.inf:
            return  # the first sample is due at once anyway
        after = self._last + 1 / fps
        self._due = max(now, min(self._due, after) if fps > self._fps else after)
        self._origin = None
