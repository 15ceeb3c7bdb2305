"""The built-in sampling policies keep every law, and their own promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection import Dataspike, Monitor
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
    EvidenceSampling,
    Fastest,
    Jitter,
    Paused,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    SceneSampling,
    SpeakerSampling,
    Speaking,
    Started,
    Verdict,
    check_quality,
)
from ds_actors.testing import check_sampling_policy, strategies

OURS: dict[str, Callable[[], SamplingPolicy]] = {
    "adaptive": AdaptiveSampling,
    "adaptive, fast": lambda: AdaptiveSampling(1.0, 5.0),
    "adaptive, at the limit": lambda: AdaptiveSampling(30.0, 30.0),
    "decaying": DecayingSampling,
    "evidence": EvidenceSampling,
    "evidence, slow alert": lambda: EvidenceSampling(0.1, 10.0, 0.1, None),
    "adaptive, jittered": lambda: AdaptiveSampling(jitter=0.9),
    "adaptive, jittered at the limit": lambda: AdaptiveSampling(30.0, 30.0, jitter=0.5),
    "decaying, jittered": lambda: DecayingSampling(jitter=Jitter(0.3, b"key")),
    "evidence, jittered": lambda: EvidenceSampling(jitter=0.5),
    "evidence, two looks": lambda: EvidenceSampling(0.2, 20.0, 0.2, unanswered=2),
    "budget around jitter": lambda: Budgeted(AdaptiveSampling(jitter=0.5), Budget(samples_per_minute=20)),
    "fastest, jittered": lambda: Fastest(AdaptiveSampling(), SpeakerSampling(jitter=0.2), SceneSampling(), jitter=0.5),
    "speaker": SpeakerSampling,
    "scene": SceneSampling,
    "fastest of three": lambda: Fastest(DecayingSampling(), SpeakerSampling(), SceneSampling()),
    "fastest of unequal": lambda: Fastest(AdaptiveSampling(0.5, 1), SpeakerSampling(0.1, 2), SceneSampling(0.2, 1)),
    "budget of samples": lambda: Budgeted(AdaptiveSampling(), Budget(samples_per_minute=20)),
    "budget under the floor": lambda: Budgeted(AdaptiveSampling(), Budget(samples_per_minute=6)),
    "budget of bytes": lambda: Budgeted(AdaptiveSampling(), Budget(bytes_per_second=20_000)),
    "budget of both around all": lambda: Budgeted(
        Fastest(DecayingSampling(), SpeakerSampling(), SceneSampling()),
        Budget(samples_per_minute=15, bytes_per_second=30_000, burst_seconds=20),
    ),
}


@pytest.mark.parametrize("policy", OURS)
def test_our_policies_keep_every_law(policy: str) -> None:
    """Each by its own promise, combined ones by the promise of the whole."""
    check_sampling_policy(OURS[policy], examples=settings().max_examples)


EVENTS: list[SamplingEvent] = [
    *[SampleDue()] * 3,
    SampleSent(50_000),
    SampleDropped("no_frame"),
    Paused(),
    Resumed(),
    Speaking(True),
    Speaking(False),
    *(Verdict(level) for level in Level),
]


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(EVENTS)), max_size=40))
def test_a_budget_that_is_never_spent_changes_no_plan(story: list[tuple[int, SamplingEvent]]) -> None:
    """Neither a time nor a reason, however late samples are taken, and whatever comes before that."""
    policy = Fastest(AdaptiveSampling(0.5, 1.0), SpeakerSampling(0.5, 2.0))
    bounded = Budgeted(Fastest(AdaptiveSampling(0.5, 1.0), SpeakerSampling(0.5, 2.0)), Budget(samples_per_minute=1e6))
    assert bounded.on(Started(), 0.0) == policy.on(Started(), 0.0)
    now = 0.0
    for quarters, event in story:
        now += quarters / 4
        assert bounded.on(event, now) == policy.on(event, now)


@pytest.mark.parametrize(
    ("factory", "words"),
    [(AdaptiveSampling(), r"lambda: AdaptiveSampling\(\.\.\.\)"), (object, "object is not a sampling policy")],
)
def test_what_makes_no_policy_is_said_and_what_to_pass(factory: Any, words: str) -> None:
    """By the proof and by the monitor alike."""
    with pytest.raises(TypeError, match=words):
        check_sampling_policy(factory)
    with pytest.raises(TypeError, match=words):
        Monitor(service=Dataspike("k"), sampling=factory)


@given(strategies.verdict_timelines(), strategies.tracks())
def test_the_strategies_give_what_they_say(verdicts: list[tuple[float, Level]], track: TrackInfo) -> None:
    """Seconds above zero and levels; tracks whose sid is one."""
    assert all(seconds > 0 and isinstance(level, Level) for seconds, level in verdicts)
    assert track.track.startswith("TR_")


def test_new_is_due_at_once_and_unmuted_not_sooner_than_one_burst_interval() -> None:
    """Muting and unmuting cannot yield extra samples."""
    policy = AdaptiveSampling(0.2, 1.0)
    assert policy.on(Started(), 5.0).due == 5.0
    policy.on(SampleDue(), 5.0)
    assert policy.on(Paused(), 5.1).due is None
    assert policy.on(Resumed(), 5.2).due == 6.0
    policy.on(SampleDue(), 6.0)
    policy.on(Paused(), 6.1)
    assert policy.on(Resumed(), 100.0).due == 100.0


def test_an_error_changes_no_rate() -> None:
    """Only verdicts do."""
    policy = AdaptiveSampling(0.2, 1.0)
    policy.on(Started(Level.ALERT), 0.0)
    plan = policy.on(SampleDue(), 0.0)
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
