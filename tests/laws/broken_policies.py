"""Policies with one fault each, and the law that names it; the fault is the docstring."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any, ClassVar

from attrs import define, evolve, field

from ds_actors.detection.budget import TokenBuckets
from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
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


@define
class Sound:
    """A sound policy to break: 0.2 fps, 1 fps while elevated; keeps what its children need."""

    inner: SamplingPolicy = field(factory=lambda: AdaptiveSampling(0.2, 1.0))
    level: Level = Level.UNKNOWN
    last: float = -math.inf
    muted: bool = False

    @property
    def promise(self) -> Promise:
        return self.inner.promise

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        match event:
            case Started(level):
                self.level = level
            case Verdict(level) if level.is_verdict:
                self.level = level
            case Paused():
                self.muted = True
            case Resumed():
                self.muted = False
            case _:
                pass
        plan = self.broken(event, now, self.inner.on(event, now))
        if isinstance(event, SampleDue):
            self.last = now
        return plan

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return plan


def small_budget() -> Budgeted:
    """Two alarmed samples, then one in three seconds."""
    return Budgeted(AdaptiveSampling(0.2, 1.0), Budget(samples_per_minute=20, burst_seconds=6))


_made: dict[str, SamplingPolicy] = {}


def remembering() -> SamplingPolicy:
    """The factory makes one object per set of figures, and remembers it."""
    return _made.setdefault("0.2, 1.0", AdaptiveSampling(0.2, 1.0))


class HalfThere(Sound):
    """Answers only the events it knows."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Any:
        return None if isinstance(event, Scene) else plan


class Surprised(Sound):
    """Raises at an unknown level."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, Verdict):
            _ = {Level.CLEAR: 0, Level.SUSPICIOUS: 1, Level.ALERT: 2}[event.level]
        return plan


class Impossible(Sound):
    """Promises an answer sooner than its own ceiling allows."""

    @property
    def promise(self) -> Promise:
        return Promise(1.0, 0.2, 0.1, 5.0)


class Fickle(Sound):
    """Makes a different promise each time it is created."""

    made: ClassVar[Any] = itertools.count(1)

    @property
    def promise(self) -> Promise:
        return Promise(1.0, 0.2, 1.0, float(next(self.made)))


class Fragile(Sound):
    """The class fails after some use, for any track."""

    dues: ClassVar[Any] = itertools.count()

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, SampleDue) and next(self.dues) % 3 == 2:
            raise RuntimeError("worn out")
        return plan


class Clockwatcher(Sound):
    """Reads its own clock."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return plan if plan.due is None else evolve(plan, due=plan.due + time.perf_counter() % 0.001)


class Gossip(Sound):
    """Keeps one track's count in the class."""

    dues: ClassVar[Any] = itertools.count()

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, reason=f"sample {next(self.dues)}") if isinstance(event, SampleDue) else plan


class Silent(Sound):
    """Gives no reason after the first verdict."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, reason="") if self.level is Level.CLEAR else plan


class Overdone(Sound):
    """Asks for a quality of 110 while alarmed."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, quality=110) if self.level.elevated else plan


class Microscopist(Sound):
    """Asks for frames of zero pixels while alarmed."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, max_side=0) if self.level.elevated else plan


class Boaster(Sound):
    """Plans a rate above its promise while alarmed."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, fps=31.0) if self.level.elevated else plan


class Voyeur(Sound):
    """Samples at an alert although the track is muted."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return Plan(now + 1, "alert") if plan.due is None and self.level is Level.ALERT else plan


class Parting(Sound):
    """Takes one last sample when it is muted."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return Plan(now + 0.5, "one last look") if isinstance(event, Paused) else plan


@define
class CatchUp(Sound):
    """Takes every missed sample after a clock jump."""

    due: float = math.inf

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if plan.due is None:
            return plan
        if isinstance(event, SampleDue) and now - self.due > 5:
            self.due += 5
        elif not isinstance(event, SampleSent | SampleDropped) or self.due > now:
            self.due = plan.due or now
        return plan if self.due > now else Plan(self.due, "catching up")


class Sleeper(Sound):
    """Waits as long as the sleep after a clock jump."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, SampleDue) and plan.due is not None and 10 < now - self.last < 1e6:
            return evolve(plan, due=now + (now - self.last))
        return plan


class Spendthrift(Sound):
    """Ignores its budget during an alert."""

    @property
    def promise(self) -> Promise:
        return evolve(self.inner.promise, budget=Budget(samples_per_minute=12, burst_seconds=10))


@define
class Phoenix(Sound):
    """Refills its budget by crashing."""

    inner: SamplingPolicy = field(factory=small_budget)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        plan = self.inner.on(event, now)
        if isinstance(event, Started) and event.last_due is not None:
            assert isinstance(self.inner, Budgeted)
            self.inner._buckets = TokenBuckets(self.inner.budget, max(event.last_due - 300, 0.0))
            return self.inner._bounded(self.inner._plan, now)
        return plan


@define
class Miser(Sound):
    """Waits for five samples' worth once its budget is spent."""

    inner: SamplingPolicy = field(factory=small_budget)

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, due=plan.due + 12) if plan.due is not None and "spent" in plan.reason else plan


@define
class Unrepaid(Sound):
    """Pays for samples that were not sent."""

    inner: SamplingPolicy = field(factory=small_budget)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return self.inner.on(SampleSent(0) if isinstance(event, SampleDropped) else event, now)


@define
class Resigned(Sound):
    """Stops planning once its budget is spent."""

    inner: SamplingPolicy = field(factory=small_budget)

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return Plan(None, "resigned") if "spent" in plan.reason else plan


class LateRiser(Sound):
    """Waits a whole interval after an unmute."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, due=now + 5) if isinstance(event, Resumed) and plan.due is not None else plan


class Shy(Sound):
    """Waits a whole interval before the first sample of a new track."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        is_new = isinstance(event, Started) and event.last_due is None and not event.level.elevated
        return evolve(plan, due=now + 5) if is_new else plan


class Reborn(Sound):
    """Samples at once after a crash, however recent the last sample."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return self.inner.on(Started(event.level) if isinstance(event, Started) else event, now)


@define
class Flicker(Sound):
    """Samples at once when unmuted, so muting and unmuting yields extra samples."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        if isinstance(event, Resumed):
            self.inner, event = AdaptiveSampling(0.2, 1.0), Started()
        return self.inner.on(event, now)


class Ditherer(Sound):
    """Restarts the interval at every alarm, so a stream of alarms delays the answer."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        alarmed = isinstance(event, Verdict) and event.level.elevated and plan.due is not None
        return evolve(plan, due=now + 1) if alarmed else plan


@define
class Unhurried(Sound):
    """Changes the rate only after the next sample."""

    due: float = 0.0

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, Verdict | SampleSent) and plan.due is not None and self.due > plan.due:
            return evolve(plan, due=self.due)
        self.due = plan.due or 0.0
        return plan


class AlertIsNormal(Sound):
    """Bursts while suspicious, but returns to normal at an alert."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        alert = isinstance(event, Verdict) and event.level is Level.ALERT
        return self.inner.on(Verdict(Level.CLEAR) if alert else event, now)


class Drifter(Sound):
    """Counts the interval from the late sample, so lateness adds up."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, SampleDue) and plan.due is not None and plan.fps is not None:
            assert isinstance(self.inner, AdaptiveSampling)
            self.inner._grid._origin = None
            self.inner._grid._due = now + 1 / plan.fps
            return evolve(plan, due=now + 1 / plan.fps)
        return plan


class Halver(Sound):
    """Makes up for only half of each delay."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, SampleDue) and plan.due is not None and plan.fps is not None:
            assert isinstance(self.inner, AdaptiveSampling)
            grid = self.inner._grid
            due = (plan.due + now + 1 / plan.fps) / 2
            grid._origin, grid._due = None, due
            return evolve(plan, due=due)
        return plan


@define
class Lingering(Sound):
    """Needs a minute to settle after an alarm, and promises five seconds."""

    inner: SamplingPolicy = field(factory=lambda: DecayingSampling(0.2, 1.0, hold=60))

    @property
    def promise(self) -> Promise:
        return evolve(self.inner.promise, settles_within=5.0)


class Grudge(Sound):
    """Stays at burst forever once alarmed."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        clears = isinstance(event, Verdict) and not event.level.elevated
        return self.inner.on(SampleSent() if clears else event, now)


class Alarmist(Sound):
    """Treats an error of the service as an alarm."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        error = isinstance(event, Verdict) and event.level is Level.ERROR
        return self.inner.on(Verdict(Level.SUSPICIOUS) if error else event, now)


@define
class Discouraged(Sound):
    """Doubles the wait after every lost sample."""

    lost: int = 0

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        self.lost += isinstance(event, SampleDropped)
        return plan if plan.due is None or not self.lost else evolve(plan, due=max(now, self.last) + 5 * 2**self.lost)


@define
class Waiting(Sound):
    """Plans the next sample only when the last one was sent, so a lost one stops it."""

    lost: bool = False

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        match event:
            case SampleDropped():
                self.lost = True
            case SampleSent() | Started() | Resumed():
                self.lost = False
            case _:
                pass
        return Plan(None, "waiting for the last sample") if self.lost else plan


class Interrupted(Sound):
    """Postpones the next sample at each start or end of speech."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, Speaking) and plan.due is not None:
            return evolve(plan, due=now + 4.9)
        return plan


@define
class Hoarder(Sound):
    """Compensates for a mute with a burst above its ceiling."""

    owed: int = 0

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        if isinstance(event, Resumed):
            self.owed = 3
        if isinstance(event, SampleDue) and self.owed:
            self.owed -= 1
            return Plan(now + 0.25, "making up for the mute")
        return plan


class Relieved(Sound):
    """Takes an error of the service for a clearing."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        error = isinstance(event, Verdict) and event.level is Level.ERROR
        return self.inner.on(Verdict(Level.CLEAR) if error else event, now)


@define
class Forgetful(Sound):
    """Forgets the alarm when it is muted."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        if isinstance(event, Paused):
            self.inner.on(Verdict(Level.CLEAR), now)
        return self.inner.on(event, now)


class Disinherited(Sound):
    """Ignores the level at a start, so that a crash during an alarm slows sampling."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return self.inner.on(Started(Level.UNKNOWN, event.last_due) if isinstance(event, Started) else event, now)


@define
class Jaded(Sound):
    """Does not burst from the fifth alarm of a call on."""

    alarms: int = 0

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        if isinstance(event, Verdict) and event.level.is_verdict:
            self.alarms += event.level.elevated and not self.level.elevated
            self.level = event.level
            tired = self.alarms >= 5 and event.level.elevated
            return self.inner.on(SampleSent() if tired else event, now)
        return self.inner.on(event, now)


class Stunned(Sound):
    """Pauses for a minute after a sample of more than a megabyte."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        heavy = isinstance(event, SampleSent) and event.size > 1_000_000 and plan.due is not None
        return evolve(plan, due=now + 60) if heavy else plan


class Pretender(Sound):
    """Shows twice the rate that it plans during an alarm."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, fps=plan.fps * 2) if self.level.elevated and plan.fps is not None else plan


class Modest(Sound):
    """Shows the normal rate during an alarm, whatever it plans."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, fps=0.2)


class Smudger(Sound):
    """Asks for quality 1 during an alarm."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, quality=1) if self.level.elevated else plan


class Pinhole(Sound):
    """Asks for 8 pixels during an alarm."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, max_side=8) if self.level.elevated else plan


class Coarse(Sound):
    """Keeps times with seven digits, and so loses precision once the clock is large."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return plan if plan.due is None or now < 1e6 else evolve(plan, due=float(f"{plan.due:.7g}"))


class Fledgling(Sound):
    """Does not sample at burst rate while the clock is below 500 s, as after the machine started."""

    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return plan if plan.due is None or now >= 500 else evolve(plan, due=plan.due + 3)


_shared = AdaptiveSampling(0.2, 1.0)


def one_for_all() -> SamplingPolicy:
    """All tracks share one object."""
    return _shared


BROKEN: dict[Callable[[], SamplingPolicy], str] = {
    one_for_all: "own",
    remembering: "own",
    Impossible: "promise",
    HalfThere: "crash",
    Surprised: "crash",
    Fickle: "promise",
    Fragile: "crash",
    Clockwatcher: "replay",
    Gossip: "replay",
    Silent: "plan",
    Overdone: "plan",
    Microscopist: "plan",
    Boaster: "plan",
    Voyeur: "pause",
    Parting: "pause",
    CatchUp: "jump",
    Sleeper: "jump",
    Spendthrift: "budget",
    Phoenix: "budget",
    Miser: "idle",
    Unrepaid: "idle",
    LateRiser: "resume",
    Shy: "resume",
    Ditherer: "escalation",
    Unhurried: "escalation",
    AlertIsNormal: "escalation",
    Discouraged: "floor",
    Resigned: "floor",
    Waiting: "floor",
    Interrupted: "floor",
    Reborn: "ceiling",
    Flicker: "ceiling",
    Hoarder: "ceiling",
    Drifter: "drift",
    Halver: "drift",
    Relieved: "error",
    Alarmist: "error",
    Forgetful: "memory",
    Disinherited: "memory",
    Jaded: "escalation",
    Stunned: "floor",
    Pretender: "honest",
    Modest: "honest",
    Smudger: "picture",
    Pinhole: "picture",
    Coarse: "shift",
    Fledgling: "shift",
    Grudge: "settling",
    Lingering: "settling",
}
"""Each fault, and the law that has to name it."""
