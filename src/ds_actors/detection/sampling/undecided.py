"""A policy that is fastest while a track is undecided, neither clear nor alert. Pure."""

from __future__ import annotations

from attrs import define, field

from ds_actors.detection.events import Level
from ds_actors.detection.sampling.adaptive import check_rates
from ds_actors.detection.sampling.grid import Grid
from ds_actors.detection.sampling.jitter import Jitter
from ds_actors.detection.sampling.protocol import (
    Plan,
    Promise,
    SampleDue,
    SamplingEvent,
    Started,
    Verdict,
    check_quality,
)


@define
class EvidenceSampling:
    """Samples fastest while the track is suspicious, slower during an alert, slowest while it is clear.

    It is made for `assessment="evidence"`, where suspicious means undecided; the level is then the evidence's.

    Args:
        normal_fps: samples per second while clear; above 0, 30 at most.
        undecided_fps: samples per second while suspicious; at least alert_fps.
        alert_fps: samples per second during an alert; at least normal_fps.
        undecided_quality: JPEG quality while suspicious; None for the monitor's.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.

    Raises:
        ValueError: for figures outside these bounds.
    """

    normal_fps: float = 0.2
    undecided_fps: float = 4.0
    alert_fps: float = 0.5
    undecided_quality: int | None = 90
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    _level: Level = field(default=Level.UNKNOWN, init=False)
    _hurried: bool = field(default=False, init=False)
    """The alert has just begun: the sample that is planned already keeps its time."""
    _grid: Grid = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps, self.alert_fps = check_rates("alert_fps", self.normal_fps, self.alert_fps)
        _, self.undecided_fps = check_rates("undecided_fps", self.normal_fps, self.undecided_fps)
        if self.undecided_fps < self.alert_fps:
            raise ValueError(
                f"undecided_fps ({self.undecided_fps!r}) must not be below alert_fps ({self.alert_fps!r}):"
                " samples decide nothing more during an alert"
            )
        if self.undecided_quality is not None:
            check_quality(self.undecided_quality)
        self._grid = Grid(self.undecided_fps, self.jitter)

    @property
    def promise(self) -> Promise:
        """Between the undecided and the normal rate; answers within one interval of the alert's rate."""
        promise = Promise(self.undecided_fps, self.normal_fps, 1 / self.alert_fps, 1 / self.normal_fps)
        return promise.jittered(self._grid.spread)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        match event:
            case Started(level):
                self._level, self._hurried = level, False
            case Verdict(level) if level.is_verdict:
                hurried = self._level is Level.SUSPICIOUS or self._hurried
                self._hurried = level is Level.ALERT and hurried
                self._level = level
            case SampleDue():
                self._hurried = False
            case _:
                pass
        if self._level is Level.SUSPICIOUS or self._hurried:
            reason = f"{self._level.value}: {self.undecided_fps:g} fps to decide"
            return self._grid.on(event, now, self.undecided_fps, reason, quality=self.undecided_quality)
        fps = self.alert_fps if self._level is Level.ALERT else self.normal_fps
        return self._grid.on(event, now, fps, f"{self._level.value}: {fps:g} fps")
