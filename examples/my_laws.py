"""A law of your own: an alarm is sampled at a quality that the service can judge.

python my_laws.py
"""

from attrs import define, evolve, field

from ds_actors.detection import AdaptiveSampling, Level, Plan, Promise
from ds_actors.detection.sampling import SamplingEvent, Started, Verdict
from ds_actors.testing import LawBroken, check_sampling_policy
from ds_actors.testing.laws import History, Law, Violation


def sharp_alarms(history: History) -> Violation | None:
    level = Level.UNKNOWN
    for at, moment in history.numbered():
        if isinstance(moment.event, Started) or (isinstance(moment.event, Verdict) and moment.event.level.is_verdict):
            level = moment.event.level
        if level.elevated and (moment.plan.quality or 0) < 85:
            return Violation(at, f"at {level.value} the quality is {moment.plan.quality}")
    return None


SHARP = Law("sharp", "while the level is elevated, the quality is at least 85", sharp_alarms)


@define
class Sharp:
    """Adaptive, at quality 90."""

    inner: AdaptiveSampling = field(factory=AdaptiveSampling)

    @property
    def promise(self) -> Promise:
        return self.inner.promise

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return evolve(self.inner.on(event, now), quality=90)


if __name__ == "__main__":
    check_sampling_policy(Sharp, laws=[SHARP])
    try:
        check_sampling_policy(AdaptiveSampling, laws=[SHARP])
    except LawBroken as error:
        print(error)  # prints at alert the quality is None
