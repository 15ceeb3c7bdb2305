"""Laws of adaptive sampling, judged against its own promise."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Due,
    Paused,
    Plan,
    Resumed,
    Started,
    Verdict,
    check_quality,
)

levels = st.sampled_from(list(Level))
rates = st.tuples(st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([1.0, 2.0, 5.0]))
steps = st.one_of(
    st.tuples(st.just("verdict"), levels),
    st.tuples(st.just("advance"), st.floats(0.01, 20)),
    st.tuples(st.sampled_from(["pause", "resume"]), st.none()),
)


class Track:
    """A policy in the hands of a punctual track actor."""

    def __init__(self, policy: AdaptiveSampling, level: Level = Level.UNKNOWN) -> None:
        self.policy = policy
        self.now = 1_000.0
        self.dues: list[float] = []
        self.plan = policy.on(Started(level), self.now)
        self.run_until(self.now)

    def on(self, event: Any) -> Plan:
        self.plan = self.policy.on(event, self.now)
        self.run_until(self.now)
        return self.plan

    def run_until(self, end: float) -> None:
        while self.plan.due is not None and self.plan.due <= end:
            self.now = max(self.now, self.plan.due)
            self.dues.append(self.now)
            self.plan = self.policy.on(Due(), self.now)
        self.now = max(self.now, end)

    def do(self, step: tuple[str, Any]) -> None:
        match step:
            case ("verdict", level):
                self.on(Verdict(level))
            case ("advance", seconds):
                self.run_until(self.now + seconds)
            case ("pause", _):
                self.on(Paused())
            case _:
                self.on(Resumed())


@settings(max_examples=200)
@given(rates, st.lists(steps, max_size=40))
def test_never_above_the_ceiling(rate: tuple[float, float], script: list[tuple[str, Any]]) -> None:
    """Two samples are never closer than one burst interval, whatever happens."""
    track = Track(AdaptiveSampling(*rate))
    for step in script:
        track.do(step)
    interval = 1 / track.policy.promise.ceiling_fps
    assert all(b - a >= interval - 1e-6 for a, b in zip(track.dues, track.dues[1:], strict=False))


@settings(max_examples=200)
@given(rates, st.lists(steps, max_size=40))
def test_the_next_sample_is_never_further_than_the_floor_allows(
    rate: tuple[float, float], script: list[tuple[str, Any]]
) -> None:
    """While not paused, the plan is within one normal interval."""
    track = Track(AdaptiveSampling(*rate))
    for step in script:
        track.do(step)
        assert track.plan.due is None or track.plan.due <= track.now + 1 / rate[0] + 1e-6


@given(rates, st.lists(steps, max_size=20), st.sampled_from([Level.SUSPICIOUS, Level.ALERT]))
def test_an_escalation_never_lengthens_the_wait_and_is_answered_in_time(
    rate: tuple[float, float], script: list[tuple[str, Any]], level: Level
) -> None:
    """The due time does not move back, and lies within one burst interval."""
    track = Track(AdaptiveSampling(*rate))
    for step in script:
        track.do(step)
    before = track.plan.due
    plan = track.policy.on(Verdict(level), track.now)
    if before is not None:
        assert plan.due is not None
        assert plan.due <= before
        assert plan.due <= track.now + track.policy.promise.answers_within + 1e-6


@given(rates)
def test_there_is_no_drift_over_a_day(rate: tuple[float, float]) -> None:
    """floor(T * fps), give or take one, also when each due time is met a little late."""
    policy, fps = AdaptiveSampling(*rate), rate[0]
    seconds = 86_400
    now, count = 0.0, 0
    plan = policy.on(Started(), now)
    while plan.due is not None and plan.due <= seconds:
        now = plan.due + 0.003
        count += 1
        plan = policy.on(Due(), now)
    assert abs(count - math.floor(seconds * fps)) <= 1


@given(rates, st.floats(60, 1e6))
def test_after_a_jump_of_the_clock_one_sample_is_due_at_once(rate: tuple[float, float], jump: float) -> None:
    """And the next within one interval of forward time, not all that were missed."""
    policy = AdaptiveSampling(*rate)
    policy.on(Started(), 0.0)
    plan = policy.on(Due(), 0.0)
    assert plan.due is not None
    plan = policy.on(Due(), jump)
    assert plan.due is not None
    assert jump < plan.due <= jump + 1 / rate[0] + 1e-6


@given(rates, st.lists(steps, max_size=30))
def test_a_history_replayed_gives_the_same_plans(rate: tuple[float, float], script: list[tuple[str, Any]]) -> None:
    """No hidden clock, no hidden chance."""
    one, two = Track(AdaptiveSampling(*rate)), Track(AdaptiveSampling(*rate))
    for step in script:
        one.do(step)
        two.do(step)
        assert one.plan == two.plan


def test_new_is_due_at_once_and_unmuted_not_sooner_than_one_burst_interval() -> None:
    """Muting and unmuting is no way to have more samples made."""
    policy = AdaptiveSampling(0.2, 1.0)
    assert policy.on(Started(), 5.0).due == 5.0
    policy.on(Due(), 5.0)
    assert policy.on(Paused(), 5.1).due is None
    assert policy.on(Resumed(), 5.2).due == 6.0
    policy.on(Due(), 6.0)
    policy.on(Paused(), 6.1)
    assert policy.on(Resumed(), 100.0).due == 100.0


def test_an_error_changes_no_rate() -> None:
    """Only verdicts do."""
    policy = AdaptiveSampling(0.2, 1.0)
    policy.on(Started(Level.ALERT), 0.0)
    plan = policy.on(Due(), 0.0)
    assert policy.on(Verdict(Level.ERROR), 0.1) == plan
    assert plan.due == 1.0


@pytest.mark.parametrize("bad", [0, -1, 31, math.nan, math.inf, True])
def test_rates_outside_the_contract_are_refused(bad: float) -> None:
    """The error names the parameter."""
    with pytest.raises(ValueError, match="normal_fps"):
        AdaptiveSampling(normal_fps=bad)
    with pytest.raises(ValueError, match="burst_fps"):
        AdaptiveSampling(burst_fps=bad)


def test_burst_is_never_below_normal_and_quality_is_an_integer() -> None:
    """Figures that contradict each other are refused."""
    with pytest.raises(ValueError, match="below"):
        AdaptiveSampling(2.0, 1.0)
    for bad in (-1, 101, 7.5, True):
        with pytest.raises(ValueError, match="quality"):
            check_quality(bad)  # type: ignore[arg-type]
