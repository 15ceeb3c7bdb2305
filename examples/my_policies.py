"""Three sampling policies: proven, then compared with a built-in one in a simulated room.

python my_policies.py
ds-actors simulate adaptive my_policies.py:BySeverity my_policies.py:Newcomers my_policies.py:Economical
"""

from attrs import define, evolve, field

from ds_actors.detection import AdaptiveSampling, Budget, Budgeted, Fastest, Level, Plan, Promise, SpeakerSampling
from ds_actors.detection.sampling import Grid, SampleDue, SamplingEvent, SamplingPolicy, Started, Verdict
from ds_actors.testing import check_sampling_policy


@define
class BySeverity:
    """A higher rate at every step: clear, suspicious, alert."""

    level: Level = Level.UNKNOWN
    grid: Grid = field(factory=lambda: Grid(ceiling_fps=2.0))

    @property
    def promise(self) -> Promise:
        return Promise(ceiling_fps=2.0, floor_fps=0.2, answers_within=1.0, settles_within=5.0)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        match event:
            case Started(level):
                self.level = level
            case Verdict(level) if level.is_verdict:
                self.level = level
            case _:
                pass
        fps = {Level.SUSPICIOUS: 1.0, Level.ALERT: 2.0}.get(self.level, 0.2)
        return self.grid.on(event, now, fps, f"{self.level.value}: {fps:g} fps")


@define
class Newcomers:
    """Samples a track's first half minute faster. It ignores alerts: combine it with a policy that answers them."""

    began: float = 0.0
    fps: float = 1.0
    grid: Grid = field(factory=lambda: Grid(ceiling_fps=1.0))

    @property
    def promise(self) -> Promise:
        return Promise(ceiling_fps=1.0, floor_fps=0.2, answers_within=5.0, settles_within=30.0 + 5.0)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        if isinstance(event, Started):
            self.began = now
        if isinstance(event, Started | SampleDue):  # at another event, a lower rate would lengthen the wait
            self.fps = 1.0 if now - self.began < 30 else 0.2
        return self.grid.on(event, now, self.fps, "new: 1 fps" if self.fps == 1.0 else "known: 0.2 fps")


@define
class Economical:
    """Small pictures normally, full-size ones in an alarm: another policy decides when, this one how."""

    inner: AdaptiveSampling = field(factory=AdaptiveSampling)
    level: Level = Level.UNKNOWN

    @property
    def promise(self) -> Promise:
        return self.inner.promise

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        plan = self.inner.on(event, now)
        if isinstance(event, Started | Verdict) and (event.level.is_verdict or isinstance(event, Started)):
            self.level = event.level
        return plan if self.level.elevated else evolve(plan, quality=60, max_side=640)


def sampling() -> SamplingPolicy:
    """The three combined for one track, within twelve samples per minute: a factory for Monitor(sampling=...)."""
    return Budgeted(Fastest(BySeverity(), Newcomers(), SpeakerSampling()), Budget(samples_per_minute=12))


if __name__ == "__main__":
    # prints BySeverity is proven
    # prints Newcomers is proven
    # prints Economical is proven
    # prints sampling is proven
    for factory in (BySeverity, Newcomers, Economical, sampling):
        check_sampling_policy(factory, examples=100)
        print(factory.__name__, "is proven")
