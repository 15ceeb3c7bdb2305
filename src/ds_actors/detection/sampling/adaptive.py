"""Policies that follow the verdicts: normal and burst rate, at once or gradually. Pure."""

from __future__ import annotations

import math

from attrs import define, field

from ds_actors.detection.events import Level
from ds_actors.detection.sampling.grid import Grid
from ds_actors.detection.sampling.jitter import Jitter
from ds_actors.detection.sampling.protocol import (
    Plan,
    Promise,
    SamplingEvent,
    Started,
    Verdict,
    check_fps,
    check_seconds,
)


@define
class AdaptiveSampling:
    """Samples at the normal rate, and at the burst rate while suspicious or alert.

    Args:
        normal_fps: samples per second; above 0, 30 at most.
        burst_fps: samples per second while the level is elevated; at least normal_fps.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.

    Raises:
        ValueError: for rates outside these bounds.
    """

    normal_fps: float = 0.2
    burst_fps: float = 1.0
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    _level: Level = field(default=Level.UNKNOWN, init=False)
    _fps: float = field(init=False)
    _reason: str = field(init=False)
    _grid: Grid = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps, self.burst_fps = check_rates("burst_fps", self.normal_fps, self.burst_fps)
        self._grid = Grid(self.burst_fps, self.jitter)
        self._judged(Level.UNKNOWN)

    @property
    def promise(self) -> Promise:
        """The range between the two rates; answers within one burst interval, settles at the clearing itself."""
        promise = Promise(self.burst_fps, self.normal_fps, 1 / self.burst_fps, 1 / self.normal_fps)
        return promise.jittered(self._grid.spread)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        match event:
            case Started(level):
                self._judged(level)
            case Verdict(level) if level.is_verdict and level is not self._level:
                self._judged(level)
            case _:
                pass
        return self._grid.on(event, now, self._fps, self._reason)

    def _judged(self, level: Level) -> None:
        self._level = level
        self._fps = self.burst_fps if level.elevated else self.normal_fps
        self._reason = f"{level.value}: {self._fps:g} fps"


@define
class DecayingSampling:
    """Samples at the burst rate while suspicious or alert; after the clearing it holds, then halves down to normal.

    A manipulation that comes and goes meets a high rate the second time.

    Args:
        normal_fps: samples per second; above 0, 30 at most.
        burst_fps: samples per second while the level is elevated; at least normal_fps.
        hold: seconds at burst rate after a clearing.
        half_life: seconds in which the rate then halves.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.

    Raises:
        ValueError: for figures outside these bounds.
    """

    normal_fps: float = 0.2
    burst_fps: float = 1.0
    hold: float = 10.0
    half_life: float = 10.0
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    _level: Level = field(default=Level.UNKNOWN, init=False)
    _cleared: float = field(default=-math.inf, init=False)
    _grid: Grid = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps, self.burst_fps = check_rates("burst_fps", self.normal_fps, self.burst_fps)
        self.hold = check_seconds("hold", self.hold)
        self.half_life = check_seconds("half_life", self.half_life)
        self._grid = Grid(self.burst_fps, self.jitter)

    @property
    def promise(self) -> Promise:
        """The same as AdaptiveSampling's, except that it settles after the hold and all halvings."""
        decay = self.hold + self.half_life * math.log2(self.burst_fps / self.normal_fps)
        promise = Promise(self.burst_fps, self.normal_fps, 1 / self.burst_fps, decay + 1 / self.normal_fps)
        return promise.jittered(self._grid.spread)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        match event:
            case Started(level):
                self._level = level
            case Verdict(level) if level.is_verdict:
                if self._level.elevated and not level.elevated:
                    self._cleared = now
                self._level = level
            case _:
                pass
        if self._level.elevated:
            return self._grid.on(event, now, self.burst_fps, f"{self._level.value}: {self.burst_fps:g} fps")
        halvings = max(0.0, now - self._cleared - self.hold) / self.half_life
        fps = max(self.normal_fps, self.burst_fps * 0.5**halvings)
        after = "" if fps == self.normal_fps else " after an alarm"
        return self._grid.on(event, now, fps, f"{self._level.value}{after}: {fps:.2g} fps")


def check_rates(name: str, normal_fps: float, faster_fps: float) -> tuple[float, float]:
    """Return the two rates as floats.

    Raises:
        ValueError: when one is not a rate (the error names it), or the second is below the first.
    """
    normal, faster = check_fps("normal_fps", normal_fps), check_fps(name, faster_fps)
    if faster < normal:
        raise ValueError(f"{name} ({faster!r}) must not be below normal_fps ({normal!r})")
    return normal, faster
