"""What policies of policies plan, case by case; their laws are in tests/laws."""

from __future__ import annotations

import pytest
from attrs import define, field

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    Fastest,
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Started,
    Verdict,
)

# Two samples at once, then one every 2.4 s.
TWO = Budget(samples_per_minute=25, burst_seconds=4.8)


@define
class Fixed:
    """Always plans the same, and keeps what it was told."""

    plan: Plan
    told: list[SamplingEvent] = field(factory=list[SamplingEvent])

    @property
    def promise(self) -> Promise:
        return Promise(1.0, 0.2, 1.0, 5.0)

    def on(self, event: SamplingEvent, _now: float, /) -> Plan:
        self.told.append(event)
        return self.plan


def every_second(budget: Budget = TWO, *times: float) -> Budgeted:
    """Return a policy of 1 fps within a budget, whose samples were taken at these times."""
    policy = Budgeted(AdaptiveSampling(1.0, 1.0), budget)
    policy.on(Started(), 0.0)
    for now in times:
        policy.on(SampleDue(), now)
    return policy


def test_of_equally_fast_parts_the_first_one_decides_reason_and_picture() -> None:
    """And of others the fastest."""
    first, second = Plan(0.0, "first", 70, 640, 0.5), Plan(0.0, "second", 80, 320, 0.5)
    plan = Fastest(Fixed(first), Fixed(second)).on(Started(), 0.0)
    assert (plan.reason, plan.quality, plan.max_side, plan.fps) == ("first", 70, 640, 0.5)
    plan = Fastest(Fixed(first), Fixed(Plan(0.0, "third", 90, None, 0.6))).on(Started(), 0.0)
    assert (plan.reason, plan.quality, plan.max_side, plan.fps) == ("third", 90, None, 0.6)


def test_parts_that_all_plan_no_sample_at_all_are_refused() -> None:
    """A rate of 0 is none."""
    with pytest.raises(ValueError, match="no part of Fastest plans an fps above 0"):
        Fastest(Fixed(Plan(0.0, "never", fps=0.0))).on(Started(), 0.0)


def test_a_spent_budget_delays_a_sample_until_the_next_one_is_affordable() -> None:
    """The plan says so, with the rate of the budget; the policy is not told of a sample that it cannot have."""
    policy = every_second(TWO, 0.0, 1.0)
    for event, now in ((SampleSent(), 1.1), (SampleDue(), 2.0)):
        plan = policy.on(event, now)
        assert plan.due == pytest.approx(2.4)
        assert (plan.reason, plan.fps) == ("budget is spent; unknown: 1 fps", 25 / 60)
    assert policy.on(SampleDue(), 2.41).due == pytest.approx(4.8)


def test_an_overdue_sample_keeps_its_time_and_its_reason() -> None:
    """Whatever comes before it is taken; so the lateness of one sample does not delay the next."""
    policy = every_second(TWO, 0.0)
    for event, now in ((SampleSent(), 1.2), (Verdict(Level.CLEAR), 1.3)):
        plan = policy.on(event, now)
        assert (plan.due, "budget" in plan.reason) == (1.0, False)
    policy = every_second(Budget(samples_per_minute=600), 0.0)
    policy.on(SampleSent(), 1.2)
    plan = policy.on(SampleDue(), 1.2)
    assert (plan.due, plan.reason) == (2.0, "unknown: 1 fps")


def test_an_overdue_sample_that_the_budget_delayed_keeps_that_time_and_reason() -> None:
    """The budget was spent when it was due, and has been enough for it since the planned time."""
    policy = every_second(TWO, 0.0, 1.0)
    planned = policy.on(SampleSent(), 1.1)
    assert planned.due == pytest.approx(2.4)
    assert policy.on(Verdict(Level.UNKNOWN), 3.0) == planned


def test_a_drop_makes_a_sample_that_waits_for_the_budget_due_now() -> None:
    """It returns what the sample waits for; the policy's own time has passed."""
    policy = every_second(TWO, 0.0, 1.0)
    assert policy.on(SampleDropped("no_frame"), 2.2).due == 2.2
    assert policy.on(SampleDue(), 2.3).due == pytest.approx(3.2)


def test_a_delayed_sample_keeps_the_ceilings_distance_from_the_next() -> None:
    """Also where the policy itself would have the next one sooner, and a drop has made it affordable."""
    policy = Budgeted(AdaptiveSampling(2.0, 2.0), Budget(samples_per_minute=54, burst_seconds=2.25))
    policy.on(Started(), 0.0)
    policy.on(SampleDue(), 0.0)
    due = policy.on(SampleDue(), 0.5).due
    assert due is not None
    assert 1.0 < due < 1.25
    policy.on(SampleDue(), due)
    assert policy.on(SampleDropped("no_frame"), due).due == pytest.approx(due + 0.5)


def test_before_its_start_a_policy_plans_nothing() -> None:
    """Whatever comes."""
    assert Budgeted(AdaptiveSampling(1.0, 1.0), TWO).on(SampleSent(), 0.0) == Plan(None, "not started", fps=1.0)


def test_a_budget_smaller_than_a_policys_rate_is_the_rate_that_is_planned() -> None:
    """And where it is larger, or the policy has no rate, that stays as it is."""
    for fps, planned in ((0.2, 0.2), (1.0, 25 / 60), (None, None)):
        policy = Budgeted(Fixed(Plan(0.0, "why", 70, 640, fps)), TWO)
        policy.on(Started(last_due=0.0), 0.0)
        assert policy.on(SampleSent(), 0.0) == Plan(4.8, "budget is spent; why", 70, 640, planned)


def test_a_long_reason_is_cut_to_the_length_of_a_reason() -> None:
    """100 characters."""
    policy = Budgeted(Fixed(Plan(0.0, "x" * 100, fps=1.0)), TWO)
    reason = policy.on(Started(last_due=0.0), 0.0).reason
    assert reason == "budget is spent; " + "x" * 83


def test_each_drop_returns_one_sample() -> None:
    """Two were taken, and two can be taken again."""
    policy = every_second(TWO, 0.0, 1.0)
    policy.on(SampleDropped("no_frame"), 1.0)
    assert policy.on(SampleDropped("no_frame"), 1.0).due == 2.0
    assert policy.on(SampleDue(), 2.0).due == 3.0
    assert policy.on(SampleDue(), 3.0).due == pytest.approx(4.4)


def test_a_sample_that_was_sent_cannot_be_returned() -> None:
    """Nor one that was returned already: what was dropped before it was due would fill the budget."""
    policy = every_second(TWO, 0.0, 1.0)
    policy.on(SampleSent(), 1.0)
    policy.on(SampleSent(), 1.0)
    assert policy.on(SampleDropped("no_frame"), 1.0).due == pytest.approx(2.4)
    policy = every_second(TWO, 0.0, 1.0)
    policy.on(SampleSent(), 1.0)
    for _ in range(2):
        assert policy.on(SampleDropped("no_frame"), 1.0).due == 2.0
    assert policy.on(SampleDue(), 2.0).due == 3.0
    assert policy.on(SampleDue(), 3.0).due == pytest.approx(4.8)


def test_a_sample_of_an_earlier_incarnation_is_spent_when_it_is_sent() -> None:
    """It was taken before the crash; what is dropped of that time returns nothing."""
    policy = every_second(TWO, 0.0, 1.0)
    plan = policy.on(Started(last_due=1.0), 3.5)
    assert (plan.due, policy.on(SampleDropped("gone"), 3.5)) == (3.5, plan)
    assert policy.on(SampleSent(), 3.5).due == pytest.approx(1.0 + 2 * 2.4)


def test_a_start_counts_from_the_policys_own_time() -> None:
    """The distance from a sample before it is the policy's to keep, which knows when that was."""
    policy = every_second(Budget(samples_per_minute=600), 5.0)
    assert policy.on(Started(), 5.1).due == 6.0
    inner = Fixed(Plan(5.5, "why", fps=1.0))
    policy = Budgeted(inner, Budget(samples_per_minute=600))
    policy.on(Started(), 5.0)
    assert policy.on(SampleDue(), 5.5).due == 6.5
    inner.plan = Plan(6.0, "why", fps=1.0)
    assert policy.on(Started(), 5.6).due == 6.0


def test_nothing_is_spent_while_muted() -> None:
    """A sample that falls due then is not taken, and the policy does not learn of it."""
    policy = every_second(TWO, 0.0)
    assert policy.on(Paused(), 0.5) == Plan(None, "muted", fps=1.0)
    for now in (1.0, 2.0, 3.0):
        assert policy.on(SampleDue(), now).due is None
    assert policy.on(Resumed(), 3.1).due == 3.1
    assert policy.on(SampleDue(), 3.1).due == 4.1
    assert policy.on(SampleDue(), 4.1).due == pytest.approx(5.5)


def test_a_policy_receives_every_event_but_samples_that_it_cannot_have() -> None:
    """In order."""
    inner = Fixed(Plan(0.0, "why", fps=1.0))
    policy = Budgeted(inner, TWO)
    events: list[SamplingEvent] = [Started(), SampleDue(), SampleSent(), Verdict(Level.ALERT), SampleDropped("stale")]
    for event in events:
        policy.on(event, 0.0)
    policy.on(SampleDue(), 0.5)
    assert inner.told == events
