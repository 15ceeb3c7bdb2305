"""A day at one level: the law that lateness does not add up. Pure."""

from __future__ import annotations

import math
from typing import Final

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Plan, SampleDue, SampleSent, SamplingPolicy, Started
from ds_actors.testing._timeline import BEGIN

DAY: Final = 86_400.0
_MOST_STEADY: Final = 20_000


def drifts(policy: SamplingPolicy, level: Level) -> str:
    """Run a policy for a day at one level, each sample slightly late; return the error in the count, or "".

    A rate that makes more than 20,000 samples a day is run for as many.
    """
    promise = policy.promise
    late = min(0.003, 0.05 / promise.ceiling_fps)
    size = 50_000 if promise.budget is None else min(50_000, promise.budget.sample_bytes)
    plan = policy.on(Started(level), BEGIN)
    settled = BEGIN + promise.settles_within  # a policy may begin at a higher rate
    for _ in range(_MOST_STEADY):
        if plan.due is None or plan.due >= settled:
            break
        plan = _sampled(policy, plan.due + late, size)
    fps = plan.fps if level.elevated else promise.floor_fps
    if plan.due is None or fps is None or (promise.budget is not None and promise.budget.fps < fps):
        return ""  # the budget determines the rate then, and has its own law
    seconds = min(DAY, _MOST_STEADY / fps)
    end, count, due = plan.due + seconds, 0, plan.due
    while due <= end and count <= 2 * _MOST_STEADY:
        count += 1
        due = _sampled(policy, due + late, size).due or math.inf
    expected = math.floor(seconds * fps)
    # With jitter the count varies: by 0.58 x spread x the root of the count, of which this is more than five times.
    if abs(count - expected) <= 1 + 3 * promise.spread * math.sqrt(expected):
        return ""
    return f"{count} samples in {seconds:.0f} s at {level.value}, where {fps:g} fps make {expected}, give or take one"


def _sampled(policy: SamplingPolicy, now: float, size: int) -> Plan:
    policy.on(SampleDue(), now)
    return policy.on(SampleSent(size), now)
