"""A track that plays a timeline to a policy: steps in, a history of moments out. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field, frozen

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.testing._timeline import (
    BEGIN,
    Jump,
    LoseFrames,
    Mute,
    Outage,
    PassTime,
    ReceiveVerdict,
    Restart,
    ShowFrame,
    Speak,
    Step,
    Timeline,
    Unmute,
)

MOST_AT_ONCE: Final = 20
"""The number of samples at one moment that stops a runaway policy."""
MOST_SAMPLES: Final = 3_000


@frozen
class Moment:
    """One event, and the plan in answer to it."""

    now: float
    event: SamplingEvent
    before: Plan
    plan: Plan
    jumped: bool = False
    """True when the clock has just jumped."""
    sample: int | None = None
    """For a SampleSent or SampleDropped: the index of its SampleDue in the history."""


class PolicyCrashed(Exception):
    """A policy raised; the cause is its error."""


@define
class Track:
    """A track's actor that runs a policy as punctually as the timeline says."""

    factory: Callable[[], SamplingPolicy]
    timeline: Timeline
    now: float = BEGIN
    history: list[Moment] = field(factory=list[Moment], init=False)
    promise: Promise = field(init=False)
    _policy: SamplingPolicy = field(init=False)
    _plan: Plan = field(default=Plan(None, "not started"), init=False)
    _level: Level = field(init=False)
    _muted: bool = field(default=False, init=False)
    _down: bool = field(default=False, init=False)
    _jumped: bool = field(default=False, init=False)
    _waiting: int | None = field(default=None, init=False)
    """The SampleDue whose sample waits for the service during an outage."""
    _lost: int = field(default=0, init=False)
    _last: float | None = field(default=None, init=False)
    _samples: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._policy = self.factory()
        self.promise = self._policy.promise
        self._level = self.timeline.level

    def run(self) -> list[Moment]:
        """Play the timeline and return the history.

        Raises:
            PolicyCrashed: when the policy raised.
        """
        self._on(Started(self._level, None))
        self._until(self.now)
        for step in self.timeline.steps:
            self._do(step)
        return self.history

    def _do(self, step: Step) -> None:
        match step:
            case PassTime(seconds):
                self._until(self.now + seconds)
            case Jump(seconds):
                self.now += seconds
                self._jumped = True
            case ReceiveVerdict(level):
                if level.is_verdict:
                    self._level = level
                self._on(Verdict(level))
            case Mute() if not self._muted:
                self._muted = True
                self._on(Paused())
            case Unmute() if self._muted:
                self._muted = False
                self._on(Resumed())
            case Speak(active):
                self._on(Speaking(active))
            case ShowFrame(brightness):
                self._on(Scene(bytes([brightness]) * 64))
            case LoseFrames(samples):
                self._lost += samples
            case Outage(seconds):
                self._outage(seconds)
            case Restart():
                self._restart()
            case _:
                pass
        self._until(self.now)
        self._jumped = False

    def _outage(self, seconds: float) -> None:
        self._down = True
        self._until(self.now + seconds)
        self._down = False
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._on(SampleSent(self.timeline.size), waiting)

    def _restart(self) -> None:
        self._policy = self.factory()
        self._on(Started(self._level, self._last))
        if self._muted:
            self._on(Paused())

    def _until(self, end: float) -> None:
        at_once = 0
        while self._plan.due is not None and self._samples < MOST_SAMPLES:
            at = max(self.now, self._plan.due + self.timeline.late)
            if at > end and self._plan.due > self.now:
                break
            at_once = at_once + 1 if at == self.now else 0
            if at_once > MOST_AT_ONCE:
                break
            self.now = at
            self._sample()
        self.now = max(self.now, end)

    def _sample(self) -> None:
        self._samples += 1
        self._last = self.now
        due = len(self.history)
        self._on(SampleDue())
        if self._waiting is not None:
            self._gone(due, "superseded")
        elif self._lost:
            self._lost -= 1
            self._gone(due, "no_frame")
        elif self._down:
            self._waiting = due
        else:
            self._on(SampleSent(self.timeline.size), due)

    def _gone(self, due: int, reason: str) -> None:
        self._on(SampleDropped(reason), due)

    def _on(self, event: SamplingEvent, sample: int | None = None) -> None:
        before = self._plan
        try:
            plan: Any = self._policy.on(event, self.now)
            if not isinstance(plan, Plan) or not _is_time(plan.due):
                raise TypeError(f"it answered with {plan!r}, which is not a Plan with a time or None")
        except Exception as error:
            self.history.append(Moment(self.now, event, before, before, self._jumped, sample))
            raise PolicyCrashed(f"{type(error).__name__}: {error}") from error
        self._plan = plan
        self.history.append(Moment(self.now, event, before, plan, self._jumped, sample))


def _is_time(due: object) -> bool:
    return due is None or (isinstance(due, int | float) and math.isfinite(due))
