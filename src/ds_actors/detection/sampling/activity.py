"""Policies that sample faster on activity: speech, or a change of the picture. Pure.

The publisher controls these signals, so they may only make sampling faster, never slower than normal. Neither
answers an alert; combine them: `Fastest(AdaptiveSampling(), SpeakerSampling())`.
"""

from __future__ import annotations

import math

from attrs import define, field

from ds_actors.detection.sampling.adaptive import check_rates
from ds_actors.detection.sampling.grid import Grid
from ds_actors.detection.sampling.jitter import Jitter
from ds_actors.detection.sampling.protocol import Plan, Promise, SamplingEvent, Scene, Speaking, Started, check_seconds


@define
class SpeakerSampling:
    """Samples at a higher rate while the participant speaks.

    Args:
        normal_fps: samples per second; above 0, 30 at most.
        speaking_fps: samples per second while the participant speaks; at least normal_fps.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.

    Raises:
        ValueError: for rates outside these bounds.
    """

    normal_fps: float = 0.2
    speaking_fps: float = 0.5
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    _speaking: bool = field(default=False, init=False)
    _grid: Grid = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps, self.speaking_fps = check_rates("speaking_fps", self.normal_fps, self.speaking_fps)
        self._grid = Grid(self.speaking_fps, self.jitter)

    @property
    def promise(self) -> Promise:
        """The range between the two rates; an alert changes nothing."""
        promise = Promise(self.speaking_fps, self.normal_fps, 1 / self.normal_fps, 1 / self.normal_fps)
        return promise.jittered(self._grid.spread)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        match event:
            case Started():
                self._speaking = False
            case Speaking(active):
                self._speaking = active
            case _:
                pass
        if self._speaking:
            return self._grid.on(event, now, self.speaking_fps, f"speaking: {self.speaking_fps:g} fps")
        return self._grid.on(event, now, self.normal_fps, f"silent: {self.normal_fps:g} fps")


@define
class SceneSampling:
    """Samples at a higher rate for a while after the picture changed.

    Every signature is compared with the one at the last change, so a gradual change counts too.

    Args:
        normal_fps: samples per second; above 0, 30 at most.
        changed_fps: samples per second after a change; at least normal_fps.
        threshold: mean difference of brightness, 0 to 255, that counts as a change.
        hold: seconds at the higher rate.
        jitter: the share by which an interval differs from its mean, so that its end cannot be foreseen; see `Grid`.

    Raises:
        ValueError: for figures outside these bounds.
    """

    normal_fps: float = 0.2
    changed_fps: float = 1.0
    threshold: float = 24.0
    hold: float = 3.0
    jitter: float | Jitter = field(default=0.0, kw_only=True)
    _scene: bytes = field(default=b"", init=False, repr=False)
    _changed: float = field(default=-math.inf, init=False)
    _grid: Grid = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.normal_fps, self.changed_fps = check_rates("changed_fps", self.normal_fps, self.changed_fps)
        self.hold = check_seconds("hold", self.hold)
        if not 0 < self.threshold <= 255:
            raise ValueError(f"threshold must be above 0 and at most 255, not {self.threshold!r}")
        self._grid = Grid(self.changed_fps, self.jitter)

    @property
    def promise(self) -> Promise:
        """The range between the two rates; an alert changes nothing."""
        settles = self.hold + 1 / self.normal_fps
        promise = Promise(self.changed_fps, self.normal_fps, 1 / self.normal_fps, settles, frames_between=True)
        return promise.jittered(self._grid.spread)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        if isinstance(event, Scene):
            if not self._scene:
                self._scene = event.signature
            elif _difference(self._scene, event.signature) >= self.threshold:
                self._scene, self._changed = event.signature, now
        if now - self._changed < self.hold:
            return self._grid.on(event, now, self.changed_fps, f"new scene: {self.changed_fps:g} fps")
        return self._grid.on(event, now, self.normal_fps, f"same scene: {self.normal_fps:g} fps")


def _difference(scene: bytes, other: bytes) -> float:
    """Return the mean difference of a scene and a signature, 0 to 255; infinity when they are of different lengths."""
    if len(scene) != len(other):
        return math.inf
    return sum(map(abs, map(int.__sub__, scene, other))) / len(scene)
