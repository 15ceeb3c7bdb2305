"""Policies composed of policies; each computes the promise of the whole. Pure."""

from __future__ import annotations

import math
from typing import Final

from attrs import define, evolve, field

from ds_actors.detection.budget import Budget, TokenBuckets
from ds_actors.detection.sampling.grid import Grid
from ds_actors.detection.sampling.jitter import Jitter
from ds_actors.detection.sampling.protocol import (
    Plan,
    Promise,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    Started,
)

_NOTHING: Final = 1e-9
"""Seconds of rounding that binary fractions may cause."""


@define(init=False)
class Fastest:
    """Samples on one grid at the highest rate that any part asks for; rates do not add up.

    Every part receives every event. The `fps` of its plan counts, and its reason is shown.

    Args:
        policies: the parts; each plans an `fps`.
        jitter: the share by which an interval differs from its mean; that of the parts has no effect.

    Raises:
        ValueError: without parts, or when a part has a budget: put Budgeted around the whole.
    """

    policies: tuple[SamplingPolicy, ...]
    _grid: Grid = field(init=False)

    def __init__(self, *policies: SamplingPolicy, jitter: float | Jitter = 0.0) -> None:
        if not policies:
            raise ValueError("Fastest needs at least one policy")
        if any(policy.promise.budget is not None for policy in policies):
            raise ValueError(
                "a part of Fastest has a budget, which the other parts would exceed: put Budgeted around it"
            )
        self.policies = policies
        self._grid = Grid(self._fastest().ceiling_fps, jitter)

    @property
    def promise(self) -> Promise:
        """The highest ceiling and floor, the soonest answer, the latest settling."""
        return self._fastest().jittered(self._grid.spread)

    def _fastest(self) -> Promise:
        parts = [policy.promise for policy in self.policies]
        return Promise(
            max(promise.ceiling_fps for promise in parts),
            max(promise.floor_fps for promise in parts),
            min(promise.answers_within for promise in parts),
            max(promise.settles_within for promise in parts),
            frames_between=any(promise.frames_between for promise in parts),
            settles_after=max(promise.settles_after for promise in parts),
        )

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on.

        Raises:
            ValueError: when a part plans no `fps`.
        """
        chosen: Plan | None = None
        fastest = 0.0
        for policy in self.policies:
            plan = policy.on(event, now)
            if plan.fps is None:
                raise ValueError(f"{type(policy).__name__} plans no fps, but Fastest compares the fps of its parts")
            if plan.fps > fastest:
                chosen, fastest = plan, plan.fps
        if chosen is None:
            raise ValueError("no part of Fastest plans an fps above 0")
        return self._grid.on(event, now, fastest, chosen.reason, quality=chosen.quality, max_side=chosen.max_side)


@define
class Budgeted:
    """A policy that pauses when its budget is spent, and continues as the budget fills again.

    The cost of a sample is reserved when it is due, and returned when the track is notified of its drop; one
    that becomes too old on its way out counts as spent. A track that crashed begins with what accrued since its last
    sample, so a crash does not fill a budget.

    Args:
        policy: the policy without a bound.
        budget: the budget of this one track.

    Raises:
        ValueError: when the policy has a budget already.
    """

    policy: SamplingPolicy
    budget: Budget
    _buckets: TokenBuckets = field(init=False)
    _reserved: int = field(default=0, init=False)
    _due: float | None = field(default=None, init=False)
    _plan: Plan = field(default=Plan(None, "not started"), init=False)
    """The policy's own plan, regardless of the budget."""
    _ready: float = field(default=-math.inf, init=False)
    """Since when the next sample is affordable, or when it will be; -inf: since the start."""
    _taken: float = field(default=-math.inf, init=False)
    """The planned time of the last sample: a sample that the budget delayed keeps its distance from the next."""

    def __attrs_post_init__(self) -> None:
        if self.policy.promise.budget is not None:
            raise ValueError("the policy has a budget already; give it the smaller one")
        self._buckets = TokenBuckets(self.budget)

    @property
    def promise(self) -> Promise:
        """The policy's own promise, while the budget lasts."""
        return evolve(self.policy.promise, budget=self.budget)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        """Handle an event and return the plan from now on."""
        match event:
            case Started(_, last_due):
                self._buckets, self._reserved = TokenBuckets(self.budget, last_due), 0
                self._ready = self._taken = -math.inf
            case SampleDue() if self._due is not None and now >= self._due:
                self._reserved += 1
                self._taken = self._due
                self._buckets.reserve(now)
            case SampleSent(size):
                if self._reserved:
                    self._reserved -= 1
                else:  # from an earlier incarnation
                    self._buckets.reserve(now)
                self._buckets.settle(size)
            case SampleDropped() if self._reserved:
                self._reserved -= 1
                self._buckets.give_back()
            case _:
                pass
        # The policy's due time does not count while it is not affordable.
        early = isinstance(event, SampleDue) and (self._due is None or now < self._due)
        plan = self._plan if early else self.policy.on(event, now)
        return self._bounded(plan, now)

    def _bounded(self, plan: Plan, now: float) -> Plan:
        self._plan = plan
        if plan.due is None:
            self._due = None
            return plan
        affordable = self._buckets.ready_at(now)
        if max(affordable, self._ready) > now:
            self._ready = affordable
        # Otherwise it has been affordable since then: an overdue sample keeps its time and reason.
        ready = max(self._ready, self._taken + 1 / self.policy.promise.ceiling_fps)
        if ready <= plan.due + _NOTHING:
            self._due = plan.due
            return plan
        self._due = ready
        fps = None if plan.fps is None else min(plan.fps, self.budget.fps)
        return Plan(ready, f"budget is spent; {plan.reason}"[:100], plan.quality, plan.max_side, fps)
