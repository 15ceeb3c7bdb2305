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

    It is made for `assessment="evidence"`, where suspicious means undecided; the level is then the evidence's. Where
    the service answers later than the next sample is due, `unanswered=3` saves samples that nothing depends on any
    more: three are taken at the undecided rate, and the next three once these have their verdicts.

    Args:
        normal_fps: samples per second while clear; above 0, 30 at most.
        undecided_fps: samples per second while suspicious; at least alert_fps.
        alert_fps: samples per second during an alert; at least normal_fps.
        undecided_quality: JPEG quality while suspicious; None for the monitor's.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.
        unanswered: the most samples that are taken while suspicious before all of them have their verdicts; when one
            is missing, the next sample keeps the alert's rate. None: any number.

    Raises:
        ValueError: for figures outside these bounds.
    """

    normal_fps: float = 0.2
    undecided_fps: float = 4.0
    alert_fps: float = 0.5
    undecided_quality: int | None = 90
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    unanswered: int | None = field(default=None, kw_only=True)
    _level: Level = field(default=Level.UNKNOWN, init=False)
    _hurried: bool = field(default=False, init=False)
    """The alert has just begun: the sample that is planned already keeps its time."""
    _waiting: int = field(default=0, init=False)
    """Samples since the level is suspicious whose verdicts have not arrived."""
    _held: bool = field(default=False, init=False)
    """As many as allowed were taken, and not all have their verdicts."""
    _reasons: dict[Level, str] = field(init=False)
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
        if self.unanswered is not None and (type(self.unanswered) is not int or self.unanswered < 1):
            raise ValueError(f"unanswered must be a whole number above 0, or None, not {self.unanswered!r}")
        fps = {level: self.alert_fps if level is Level.ALERT else self.normal_fps for level in Level}
        self._reasons = {level: f"{level.value}: {rate:g} fps" for level, rate in fps.items()}
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
                self._level, self._hurried, self._waiting = level, False, 0
            case Verdict(level) if level.is_verdict:
                hurried = self._level is Level.SUSPICIOUS or self._hurried
                self._hurried = level is Level.ALERT and hurried
                self._waiting = max(0, self._waiting - 1) if self._level is level else 0
                self._level = level
            case SampleDue():
                self._hurried = False
                # After a wait in vain, the verdict on this sample counts.
                self._waiting = 1 if self._held else self._waiting + 1
            case _:
                pass
        level = self._level
        if level is not Level.SUSPICIOUS or not self._waiting:
            self._held = False
        elif self.unanswered is not None and self._waiting >= self.unanswered:
            self._held = True
        if self._held:
            reason = f"suspicious: {self.alert_fps:g} fps until the verdicts"
            return self._grid.on(event, now, self.alert_fps, reason, quality=self.undecided_quality)
        if level is Level.SUSPICIOUS or self._hurried:
            reason = f"{level.value}: {self.undecided_fps:g} fps to decide"
            return self._grid.on(event, now, self.undecided_fps, reason, quality=self.undecided_quality)
        fps = self.alert_fps if level is Level.ALERT else self.normal_fps
        return self._grid.on(event, now, fps, self._reasons[level])
