"""A policy with a common fault, and the report of the check."""

from attrs import define, evolve

from ds_actors.detection import AdaptiveSampling, Plan
from ds_actors.detection.sampling import SamplingEvent, Verdict
from ds_actors.testing import LawBroken, check_sampling_policy


@define
class Ditherer(AdaptiveSampling):
    """Restarts the interval at every alarm, so a stream of alarms delays the sample forever."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        plan = AdaptiveSampling.on(self, event, now)
        if isinstance(event, Verdict) and event.level.elevated and plan.due is not None:
            return evolve(plan, due=now + 1 / self.burst_fps)
        return plan


try:
    check_sampling_policy(Ditherer)
except LawBroken as broken:
    print(broken)  # prints Ditherer breaks the law 'escalation'
