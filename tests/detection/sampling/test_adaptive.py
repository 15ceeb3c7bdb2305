"""What the policies that follow the verdicts plan, case by case; their laws are in tests/laws."""

from __future__ import annotations

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    DecayingSampling,
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Scene,
    Speaking,
    Started,
    Verdict,
    check_fps,
    check_quality,
)


def sampled(level: Level = Level.UNKNOWN) -> AdaptiveSampling:
    """A policy of 0.2 and 1 fps whose first sample was due at 0."""
    policy = AdaptiveSampling(0.2, 1.0)
    policy.on(Started(level), 0.0)
    policy.on(SampleDue(), 0.0)
    return policy


def test_its_promise_is_its_two_rates() -> None:
    """What the laws are judged against."""
    assert AdaptiveSampling(0.5, 4.0).promise == Promise(4.0, 0.5, 0.25, 2.0)


@pytest.mark.parametrize(
    ("level", "due"),
    [(Level.UNKNOWN, 5.0), (Level.CLEAR, 5.0), (Level.ERROR, 5.0), (Level.SUSPICIOUS, 1.0), (Level.ALERT, 1.0)],
)
def test_the_level_it_starts_from_sets_the_rate(level: Level, due: float) -> None:
    """An inherited suspicion is sampled at burst from the first sample on."""
    assert sampled(level).on(SampleSent(), 0.1).due == due


def test_lateness_does_not_add_up() -> None:
    """The grid stays where it was, however late each sample is taken."""
    policy = sampled()
    assert [policy.on(SampleDue(), late).due for late in (5.9, 12.0, 15.4)] == [10.0, 15.0, 20.0]


def test_a_due_time_is_consumed_once_and_not_early() -> None:
    """A wake-up before the time changes nothing."""
    policy = sampled()
    assert policy.on(SampleDue(), 4.9).due == 5.0
    assert policy.on(SampleDue(), 5.0).due == 10.0
    assert policy.on(SampleDue(), 5.0).due == 10.0


def test_a_suspicion_brings_the_next_sample_forward_and_a_clear_puts_it_back() -> None:
    """Both count from the last sample."""
    policy = sampled()
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.4).due == 1.0
    assert policy.on(Verdict(Level.ALERT), 0.5).due == 1.0
    assert policy.on(Verdict(Level.CLEAR), 0.6).due == 5.0
    assert policy.on(Verdict(Level.ALERT), 3.0).due == 3.0


@pytest.mark.parametrize("event", [SampleSent(), SampleDropped("stale"), Speaking(active=True), Scene(b"x"), Resumed()])
def test_what_is_no_verdict_moves_nothing(event: SamplingEvent) -> None:
    """A resume without a pause moves nothing either: it would be a way to have more samples made."""
    policy = sampled()
    assert policy.on(event, 2.0).due == 5.0


def test_an_answer_that_is_no_verdict_keeps_the_rate_of_an_alert() -> None:
    """An error is not a clearing."""
    for level in (Level.ERROR, Level.UNKNOWN):
        assert sampled(Level.ALERT).on(Verdict(level), 0.4).due == 1.0


def test_before_its_start_a_policy_plans_nothing() -> None:
    """Whatever comes."""
    assert AdaptiveSampling(0.2, 1.0).on(SampleDue(), 0.0) == Plan(None, "not started", fps=0.2)


def test_a_verdict_that_comes_while_muted_counts_when_unmuted() -> None:
    """A late ALERT is not lost to the mute."""
    policy = sampled()
    assert policy.on(Paused(), 0.1).due is None
    assert policy.on(Verdict(Level.ALERT), 0.2).due is None
    assert policy.on(SampleDue(), 0.3).due is None
    assert policy.on(Resumed(), 0.4).due == 1.0
    assert policy.on(SampleDue(), 1.0).due == 2.0


def test_being_started_again_does_not_exceed_the_ceiling() -> None:
    """A policy that outlives its track's crash remembers when the last sample was."""
    policy = sampled()
    assert policy.on(Started(), 0.3).due == 1.0
    policy.on(SampleDue(), 1.0)
    assert policy.on(Started(), 60.0).due == 60.0


def test_the_limits_themselves_are_allowed() -> None:
    """30 fps, two equal rates, quality 0 and 100."""
    assert AdaptiveSampling(30, 30).promise.ceiling_fps == 30.0
    assert [check_quality(quality) for quality in (0, 100)] == [0, 100]
    with pytest.raises(ValueError, match="burst_fps"):
        check_fps("burst_fps", 10**400)


@pytest.mark.parametrize("policy", [AdaptiveSampling, DecayingSampling])
def test_a_burst_below_the_normal_rate_is_refused(policy: type[AdaptiveSampling | DecayingSampling]) -> None:
    """As is a rate that is none; of a decay, so is a time that is none."""
    with pytest.raises(ValueError, match=r"burst_fps \(0\.5\) must not be below normal_fps \(1\.0\)"):
        policy(1.0, 0.5)
    with pytest.raises(ValueError, match="normal_fps must be"):
        policy(normal_fps=0.0)
    with pytest.raises(ValueError, match="half_life must be"):
        DecayingSampling(half_life=0.0)


def test_a_plan_says_the_level_and_its_rate() -> None:
    """As views show it."""
    policy = AdaptiveSampling(0.25, 2.0)
    assert policy.on(Started(), 0.0).reason == "unknown: 0.25 fps"
    assert policy.on(Verdict(Level.ALERT), 0.0).reason == "alert: 2 fps"
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.0).reason == "suspicious: 2 fps"


def test_a_decaying_policy_promises_to_settle_after_its_halvings() -> None:
    """From 4 fps to a half: three of five seconds after the hold, and one interval."""
    policy = DecayingSampling(0.5, 4.0, hold=10.0, half_life=5.0)
    assert policy.promise == Promise(4.0, 0.5, 0.25, 27.0)
    jittered = DecayingSampling(0.5, 4.0, hold=10.0, half_life=5.0, jitter=0.5)
    assert jittered.promise == Promise(4.0, 0.5, 0.25, 27.0).jittered(0.5)
    assert AdaptiveSampling(0.5, 4.0, jitter=0.5).promise == Promise(4.0, 0.5, 0.25, 2.0).jittered(0.5)


def test_a_decaying_rate_is_held_from_the_clearing_on_and_then_falls_steadily() -> None:
    """A second clear answer, or an error, begins no other hold."""
    policy = DecayingSampling(0.5, 4.0, hold=10.0, half_life=5.0)
    policy.on(Started(Level.SUSPICIOUS), 0.0)
    assert policy.on(Verdict(Level.ERROR), 1.0).fps == 4.0
    rates = [
        policy.on(Verdict(Level.CLEAR), 100.0 + seconds).fps for seconds in (0.0, 10.0, 10.5, 15.0, 20.0, 25.0, 30.0)
    ]
    assert rates == [4.0, 4.0, pytest.approx(4 * 0.5**0.1), 2.0, 1.0, 0.5, 0.5]
    assert policy.on(SampleSent(), 31.0 + 100.0).reason == "clear: 0.5 fps"
    policy.on(Verdict(Level.ALERT), 200.0)
    policy.on(Verdict(Level.CLEAR), 201.0)
    assert policy.on(Verdict(Level.ERROR), 213.5).reason == "clear after an alarm: 2.8 fps"
    assert policy.on(Started(), 214.0).reason == "unknown after an alarm: 2.6 fps"


def test_a_decaying_policy_without_an_alarm_samples_at_its_normal_rate() -> None:
    """From the start, at any time, also at its first clear answer."""
    policy = DecayingSampling(0.5, 4.0)
    assert policy.on(Started(), 0.0).reason == "unknown: 0.5 fps"
    assert policy.on(Verdict(Level.CLEAR), 0.1).reason == "clear: 0.5 fps"
    assert policy.on(Verdict(Level.ALERT), 0.2).reason == "alert: 4 fps"
