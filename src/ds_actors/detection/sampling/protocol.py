"""The protocol of sampling policies: events in, plans out, and a promise that the laws check. Pure.

A policy receives the events of its track and answers each with a plan. It owns its state; one object serves one
track. `now` is a monotonic clock in seconds; a policy reads no other clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

from attrs import evolve, field, frozen

from ds_actors.detection.budget import Budget
from ds_actors.detection.events import Level

MAX_FPS: Final = 30.0
SHORTEST_GAP: Final = 0.005
"""The least seconds between two samples of a track, whatever its policy plans, so that no policy blocks the room."""


@frozen
class Plan:
    """A policy's plan: the next sample."""

    due: float | None
    """When the next sample is due (seconds, monotonic); None while the track is paused."""
    reason: str
    """The reason in a few words, for views and status: one line, 100 characters at most."""
    quality: int | None = None
    """JPEG quality 0 to 100; None for the monitor's."""
    max_side: int | None = None
    """Longest side in pixels; None for the frame's own size."""
    fps: float | None = None
    """The rate behind it in samples per second; views show it, and `Fastest` compares it. None without a rate."""


@frozen
class Promise:
    """What a policy guarantees; with a budget, floor and answer hold while it lasts."""

    ceiling_fps: float
    """Never more samples than this times the window, plus one."""
    floor_fps: float
    """Never fewer than this times the window, less one, while not paused; and the rate at which it settles."""
    answers_within: float
    """Seconds from an elevated verdict to the next sample, at most."""
    settles_within: float
    """Seconds from a clearing (or from the last speech or scene change that it follows) to the floor rate, at most."""
    budget: Budget | None = None
    """The budget that is never exceeded; None without one."""
    frames_between: bool = False
    """True when the policy follows the frames between samples: forwarding of the track is then never paused."""

    spread: float = 0.0
    """Jitter: an interval differs from its rate's by this share at most, in both directions; its mean is the rate's."""

    settles_after: int = 1
    """Clear verdicts in a row after an alarm, the last of which is the clearing."""

    @property
    def longest_gap(self) -> float:
        """Seconds between two samples at the floor rate, at most."""
        return (1 + self.spread) / self.floor_fps

    def jittered(self, share: float) -> Promise:
        """Return this promise for intervals that differ by that share."""
        if not share:
            return self
        return evolve(
            self,
            ceiling_fps=min(MAX_FPS, self.ceiling_fps / (1 - share)),
            answers_within=self.answers_within * (1 + share),
            settles_within=self.settles_within * (1 + share),
            spread=share,
        )


@frozen
class Started:
    """The track's actor began; `level` is the track's own or inherited level."""

    level: Level = Level.UNKNOWN
    last_due: float | None = None
    """When an earlier incarnation's last sample was due; None at the first."""


@frozen
class SampleDue:
    """The planned time came and is consumed."""


@frozen
class Verdict:
    """A result changed or confirmed the level."""

    level: Level


@frozen
class SampleSent:
    """A sample was sent."""

    size: int = 0
    """Bytes of the encoded sample."""


@frozen
class SampleDropped:
    """A sample that was due was not sent."""

    reason: str


@frozen
class Paused:
    """The track was muted."""


@frozen
class Resumed:
    """The track was unmuted."""


@frozen
class Speaking:
    """The participant started or stopped speaking, as the publisher's client says."""

    active: bool


@frozen
class Scene:
    """A frame's signature: of each sample, and of frames in between while a stream is open anyway."""

    signature: bytes = field(repr=False)
    """The result of `luma_signature`: a picture of eight by eight; never log it."""


SamplingEvent = Started | SampleDue | Verdict | SampleSent | SampleDropped | Paused | Resumed | Speaking | Scene


class SamplingPolicy(Protocol):
    """Decides when samples are due; write one and pass its factory to the monitor.

    Example:
        ```python
        @define
        class EverySecond:
            grid: Grid = field(factory=lambda: Grid(ceiling_fps=1.0))

            @property
            def promise(self) -> Promise:
                return Promise(ceiling_fps=1.0, floor_fps=1.0, answers_within=1.0, settles_within=1.0)

            def on(self, event: SamplingEvent, now: float, /) -> Plan:
                return self.grid.on(event, now, 1.0, "every second")
        ```
    """

    @property
    def promise(self) -> Promise:
        """The rates and delays that this policy guarantees; the laws check them."""
        ...

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        ...


def make_policy(factory: Callable[[], SamplingPolicy]) -> SamplingPolicy:
    """Return a policy from the factory.

    Raises:
        TypeError: when the factory is itself a policy, or does not return one; the error says what to pass.
    """
    if not callable(cast("object", factory)):
        kind = type(factory).__name__
        raise TypeError(f"each track has its own policy: pass a factory, as in lambda: {kind}(...)")
    policy = factory()
    if not hasattr(policy, "promise") or not callable(getattr(policy, "on", None)):
        raise TypeError(f"{type(policy).__name__} is not a sampling policy: it has no promise, or no on(event, now)")
    return policy


def check_fps(name: str, fps: float) -> float:
    """Return the rate as a float.

    Raises:
        ValueError: when it is not a finite number above 0 and at most 30; the error names it.
    """
    if isinstance(fps, bool) or not 0 < fps <= MAX_FPS:
        raise ValueError(f"{name} must be a finite number above 0 and at most {MAX_FPS:g}, not {fps!r}")
    return float(fps)


def check_seconds(name: str, seconds: float) -> float:
    """Return the length of time as a float.

    Raises:
        ValueError: when it is not a finite number above 0; the error names it.
    """
    if isinstance(seconds, bool) or not 0 < seconds < float("inf"):
        raise ValueError(f"{name} must be a finite number of seconds above 0, not {seconds!r}")
    return float(seconds)


def check_quality(quality: int) -> int:
    """Return the JPEG quality.

    Raises:
        ValueError: when it is not an integer from 0 to 100.
    """
    if type(quality) is not int or not 0 <= quality <= 100:
        raise ValueError(f"quality must be an integer from 0 to 100, not {quality!r}")
    return quality
