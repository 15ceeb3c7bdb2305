"""What the policy for evidence plans, case by case; its laws are in tests/laws."""

from __future__ import annotations

from typing import Any

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import EvidenceSampling, Plan, Promise, SampleDue, SampleSent, Started, Verdict


def sampled(level: Level, *times: float, unanswered: int | None = None) -> EvidenceSampling:
    """Return a policy of 0.2, 4 and 0.5 fps that started at that level, whose samples were taken at these times."""
    policy = EvidenceSampling(0.2, 4.0, 0.5, unanswered=unanswered)
    policy.on(Started(level), 0.0)
    for now in times:
        policy.on(SampleDue(), now)
    return policy


@pytest.mark.parametrize(
    ("level", "plan"),
    [
        (Level.UNKNOWN, Plan(5.0, "unknown: 0.2 fps", fps=0.2)),
        (Level.CLEAR, Plan(5.0, "clear: 0.2 fps", fps=0.2)),
        (Level.SUSPICIOUS, Plan(0.25, "suspicious: 4 fps to decide", 90, fps=4.0)),
        (Level.ALERT, Plan(2.0, "alert: 0.5 fps", fps=0.5)),
    ],
)
def test_each_level_has_its_rate_and_doubt_a_better_picture(level: Level, plan: Plan) -> None:
    """Samples decide most while a track is suspicious."""
    assert sampled(level, 0.0).on(SampleSent(), 0.1) == plan


def test_its_promise_goes_from_the_rate_of_doubt_to_the_normal_one() -> None:
    """It answers within an interval of the alert's rate, and settles within a normal one."""
    assert EvidenceSampling(0.2, 4.0, 0.5).promise == Promise(4.0, 0.2, 2.0, 5.0)
    assert EvidenceSampling(0.2, 4.0, 0.5, jitter=0.5).promise == Promise(4.0, 0.2, 2.0, 5.0).jittered(0.5)


def test_a_sample_that_is_planned_when_doubt_becomes_an_alert_keeps_its_time() -> None:
    """Further alerts before it change nothing; the ones after it have the alert's rate."""
    policy = sampled(Level.SUSPICIOUS, 0.0)
    hurried = Plan(0.25, "alert: 4 fps to decide", 90, fps=4.0)
    assert policy.on(Verdict(Level.ALERT), 0.1) == hurried
    assert policy.on(Verdict(Level.ALERT), 0.2) == hurried
    assert policy.on(SampleDue(), 0.25) == Plan(2.25, "alert: 0.5 fps", fps=0.5)
    assert policy.on(Verdict(Level.ALERT), 0.3).due == 2.25


def test_an_alert_without_a_doubt_before_it_has_its_own_rate_at_once() -> None:
    """Also one that goes on, that returns after a clear answer, or that is read back after a crash."""
    assert sampled(Level.CLEAR, 0.0).on(Verdict(Level.ALERT), 0.1).due == 2.0
    assert sampled(Level.ALERT, 0.0).on(Verdict(Level.ALERT), 0.1).due == 2.0
    policy = sampled(Level.SUSPICIOUS, 0.0)
    policy.on(Verdict(Level.ALERT), 0.1)
    assert policy.on(Verdict(Level.CLEAR), 0.15).fps == 0.2
    assert policy.on(Verdict(Level.ALERT), 0.2).fps == 0.5
    policy = sampled(Level.SUSPICIOUS, 0.0)
    policy.on(Verdict(Level.ALERT), 0.1)
    assert policy.on(Started(Level.ALERT), 0.15).fps == 0.5


def test_a_doubt_that_is_dispelled_ends_the_hurry() -> None:
    """The next sample is put back."""
    assert sampled(Level.SUSPICIOUS, 0.0).on(Verdict(Level.CLEAR), 0.1) == Plan(5.0, "clear: 0.2 fps", fps=0.2)


def test_only_samples_of_the_present_doubt_are_waited_for() -> None:
    """Those that were taken while the track was clear, or before a crash, may never be answered."""
    policy = sampled(Level.CLEAR, 0.0, 5.0, 10.0, unanswered=1)
    assert policy.on(Verdict(Level.SUSPICIOUS), 10.1).fps == 4.0
    assert policy.on(SampleDue(), 10.25).fps == 0.5
    assert policy.on(Started(Level.SUSPICIOUS), 10.3).fps == 4.0


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"normal_fps": 1.0, "alert_fps": 0.5}, "alert_fps"),
        ({"undecided_fps": 31.0}, "undecided_fps must be"),
        ({"undecided_fps": 0.4, "alert_fps": 0.5}, "must not be below alert_fps"),
        ({"undecided_quality": 101}, "quality must be"),
    ],
)
def test_figures_out_of_range_are_refused_by_name(figures: dict[str, Any], words: str) -> None:
    """The error says which."""
    with pytest.raises(ValueError, match=words):
        EvidenceSampling(**figures)


def test_equal_rates_and_a_quality_that_the_monitor_chooses_are_allowed() -> None:
    """Doubt may be sampled as an alert is."""
    policy = EvidenceSampling(0.5, 0.5, 0.5, undecided_quality=None)
    assert policy.on(Started(Level.SUSPICIOUS), 0.0) == Plan(0.0, "suspicious: 0.5 fps to decide", fps=0.5)
