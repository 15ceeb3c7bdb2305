"""What each policy plans, case by case; their laws are in tests/laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ds_actors.detection import (
    Budget,
    Budgeted,
    DecayingSampling,
    EvidenceSampling,
    Fastest,
    Frame,
    SceneSampling,
    SpeakerSampling,
)
from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Plan,
    Promise,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.detection.tracks.scene import luma_signature


def test_after_a_clearing_the_rate_holds_and_then_halves_down_to_normal() -> None:
    """1 fps for ten seconds, a half after ten more, a quarter after the next, then 0.2."""
    policy = DecayingSampling(0.2, 1.0, hold=10, half_life=10)
    policy.on(Started(Level.ALERT), 0.0)
    policy.on(SampleDue(), 0.0)
    rates = [policy.on(Verdict(Level.CLEAR), now).fps for now in (0.5, 10.5, 20.5, 30.5, 40.5)]
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.2]
    assert policy.on(SampleSent(), 41.0).reason == "clear: 0.2 fps"
    assert policy.on(Verdict(Level.SUSPICIOUS), 41.0).fps == 1.0
    assert policy.promise.settles_within == pytest.approx(10 + 10 * np.log2(5) + 5)


def test_while_undecided_the_third_sample_waits_for_the_verdicts_on_two() -> None:
    """An error is none; without any the alert's rate goes on, and a new doubt begins anew."""
    policy = EvidenceSampling(0.2, 20.0, 0.5, unanswered=2)
    policy.on(Started(Level.CLEAR), 0.0)
    policy.on(SampleDue(), 0.0)
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.3).due == pytest.approx(0.3)
    assert policy.on(SampleDue(), 0.3).due == pytest.approx(0.35)
    waiting = policy.on(SampleDue(), 0.35)
    assert waiting.due == pytest.approx(2.35)
    assert waiting.reason == "suspicious: 0.5 fps until the verdicts"
    assert policy.on(Verdict(Level.ERROR), 0.4) == waiting
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.6) == waiting
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.65).due == pytest.approx(0.65)
    again = policy.on(SampleDue(), 0.65).due or 0.0
    assert policy.on(SampleDue(), again).due == pytest.approx(2.7)
    assert policy.on(Verdict(Level.CLEAR), 0.95).due == pytest.approx(5.7)
    assert policy.on(Verdict(Level.SUSPICIOUS), 1.0).fps == 20.0


def test_a_verdict_that_is_lost_delays_the_decision_by_one_interval_of_the_alerts_rate() -> None:
    """The verdict on the sample that follows ends the wait."""
    policy = EvidenceSampling(0.2, 20.0, 0.5, unanswered=2)
    policy.on(Started(Level.SUSPICIOUS), 0.0)
    policy.on(SampleDue(), 0.0)
    policy.on(SampleDue(), 0.05)
    assert policy.on(Verdict(Level.SUSPICIOUS), 0.3).due == pytest.approx(2.05)
    assert policy.on(SampleDue(), 2.05).due == pytest.approx(4.05)
    assert policy.on(Verdict(Level.SUSPICIOUS), 2.35).due == pytest.approx(2.35)


@pytest.mark.parametrize("unanswered", [0, -1, 1.5, True])
def test_unanswered_is_a_whole_number_above_0(unanswered: Any) -> None:
    """The error names it."""
    with pytest.raises(ValueError, match="unanswered must be a whole number above 0"):
        EvidenceSampling(unanswered=unanswered)


def test_speech_quickens_and_silence_slows() -> None:
    """Both count from the last sample."""
    policy = SpeakerSampling(0.2, 0.5)
    policy.on(Started(), 0.0)
    assert policy.on(SampleDue(), 0.0) == Plan(5.0, "silent: 0.2 fps", fps=0.2)
    assert policy.on(Speaking(active=True), 1.0) == Plan(2.0, "speaking: 0.5 fps", fps=0.5)
    assert policy.on(Speaking(active=False), 1.5).due == 5.0


def test_a_new_scene_quickens_for_a_while_and_a_slow_change_is_one_too() -> None:
    """Each signature is compared with that of the scene, not with the last one."""
    policy = SceneSampling(0.2, 1.0, threshold=24, hold=3)
    policy.on(Started(), 0.0)
    policy.on(SampleDue(), 0.0)
    assert [policy.on(Scene(bytes([level]) * 64), 1.0).fps for level in (100, 110, 120, 124)] == [0.2, 0.2, 0.2, 1.0]
    assert policy.on(Scene(bytes([110]) * 64), 2.0).reason == "new scene: 1 fps"
    assert policy.on(SampleSent(), 4.1).fps == 0.2
    assert policy.on(Scene(b"short"), 5.0).fps == 1.0
    assert "0x" not in repr(Scene(bytes(64)))
    assert "signature" not in repr(Scene(bytes(64)))


@pytest.mark.parametrize("layout", ["i420", "nv12", "rgb24", "rgba"])
def test_a_signature_is_the_brightness_of_eight_by_eight_fields(layout: str) -> None:
    """The left half black, the right half white, in every layout."""
    gray = np.zeros((48, 64), np.uint8)
    gray[:, 32:] = 255
    chroma = np.full(2 * 24 * 32, 128, np.uint8)
    data = {
        "i420": np.concatenate([gray.ravel(), chroma]),
        "nv12": np.concatenate([gray.ravel(), chroma]),
        "rgb24": np.repeat(gray[:, :, None], 3, axis=2),
        "rgba": np.repeat(gray[:, :, None], 4, axis=2),
    }[layout]
    assert luma_signature(Frame(64, 48, layout, data.tobytes())) == bytes([0, 0, 0, 0, 255, 255, 255, 255] * 8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "frame",
    [Frame(640, 480, "i420", bytes(7)), Frame(0, 0, "nv12", b""), Frame(2, 2, "odd", bytes(99))],  # type: ignore[arg-type]
)
def test_what_is_no_frame_has_no_signature(frame: Frame) -> None:
    """It is the encoder's to refuse."""
    assert luma_signature(frame) == b""


def test_the_fastest_part_sets_the_rate_and_says_why() -> None:
    """Rates do not add up, and the promise is that of the whole."""
    policy = Fastest(AdaptiveSampling(0.2, 1.0), SpeakerSampling(0.1, 0.5))
    assert policy.promise == Promise(1.0, 0.2, 1.0, 10.0)
    policy.on(Started(), 0.0)
    assert policy.on(SampleDue(), 0.0) == Plan(5.0, "unknown: 0.2 fps", fps=0.2)
    assert policy.on(Speaking(active=True), 0.1) == Plan(2.0, "speaking: 0.5 fps", fps=0.5)
    assert policy.on(Verdict(Level.ALERT), 0.2) == Plan(1.0, "alert: 1 fps", fps=1.0)
    assert policy.on(Verdict(Level.CLEAR), 0.3).reason == "speaking: 0.5 fps"


class _NoRate:
    promise = Promise(1.0, 0.2, 1.0, 5.0)

    def on(self, _event: SamplingEvent, now: float, /) -> Plan:
        return Plan(now, "whenever")


def test_what_cannot_be_combined_says_so() -> None:
    """No parts, a budget inside, no rate, a budget in a budget."""
    budget = Budget(samples_per_minute=6)
    with pytest.raises(ValueError, match="at least one"):
        Fastest()
    with pytest.raises(ValueError, match="put Budgeted around it"):
        Fastest(AdaptiveSampling(), Budgeted(SpeakerSampling(), budget))
    with pytest.raises(ValueError, match="_NoRate plans no fps"):
        Fastest(_NoRate()).on(Started(), 0.0)
    with pytest.raises(ValueError, match="budget already"):
        Budgeted(Budgeted(AdaptiveSampling(), budget), budget)


def test_a_spent_budget_puts_samples_off_and_says_so() -> None:
    """Two at once, then one in five seconds; what was not sent is given back."""
    policy = Budgeted(AdaptiveSampling(0.2, 1.0), Budget(samples_per_minute=12, burst_seconds=10))
    assert policy.promise == Promise(1.0, 0.2, 1.0, 5.0, Budget(12, None, 10))
    policy.on(Started(Level.ALERT), 0.0)
    policy.on(SampleDue(), 0.0)
    assert policy.on(SampleSent(70_000), 0.0).due == 1.0
    assert policy.on(SampleDue(), 1.0) == Plan(5.0, "budget is spent; alert: 1 fps", fps=0.2)
    assert policy.on(SampleDropped("no_frame"), 1.0) == Plan(2.0, "alert: 1 fps", fps=1.0)


def test_bytes_are_paid_once_they_are_known() -> None:
    """A sample larger than was set aside is paid before the next one."""
    budget = Budget(bytes_per_second=10_000, burst_seconds=10, sample_bytes=50_000)
    policy = Budgeted(AdaptiveSampling(1.0, 1.0), budget)
    policy.on(Started(), 0.0)
    assert policy.on(SampleDue(), 0.0).due == 1.0
    assert policy.on(SampleSent(120_000), 0.0).due == 7.0


def test_a_crash_fills_no_budget() -> None:
    """A new incarnation has what accrued since the last sample."""
    policy = Budgeted(AdaptiveSampling(0.2, 1.0), Budget(samples_per_minute=12, burst_seconds=60))
    assert policy.on(Started(Level.ALERT, last_due=100.0), 101.0).due == 105.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "samples_per_minute, bytes_per_second or both"),
        ({"samples_per_minute": 0}, "samples_per_minute must be"),
        ({"bytes_per_second": float("nan")}, "bytes_per_second must be"),
        ({"samples_per_minute": 6, "burst_seconds": 5}, "make burst_seconds 10 at least"),
        ({"bytes_per_second": 100, "burst_seconds": 10}, "never make sample_bytes"),
    ],
)
def test_a_budget_that_holds_nothing_is_refused(options: dict[str, float], words: str) -> None:
    """The error names the figure, and what would do."""
    with pytest.raises(ValueError, match=words):
        Budget(**options)  # type: ignore[arg-type]


def test_figures_out_of_range_are_named() -> None:
    """Of every policy."""
    for make, name in (
        (lambda: DecayingSampling(hold=0), "hold"),
        (lambda: SpeakerSampling(0.5, 0.2), "speaking_fps"),
        (lambda: SceneSampling(threshold=0), "threshold"),
        (lambda: SceneSampling(changed_fps=31), "changed_fps"),
    ):
        with pytest.raises(ValueError, match=name):
            make()
