"""What the policies that follow speech and scenes plan, case by case."""

from __future__ import annotations

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    Promise,
    SampleDue,
    SampleSent,
    Scene,
    SceneSampling,
    SpeakerSampling,
    Speaking,
    Started,
    Verdict,
)


def shade(level: int) -> Scene:
    return Scene(bytes([level]) * 64)


def test_their_promises_are_their_rates() -> None:
    """A scene settles once it has been held; jitter is part of the promise."""
    assert SpeakerSampling(0.25, 2.0).promise == Promise(2.0, 0.25, 4.0, 4.0)
    assert SpeakerSampling(0.25, 2.0, jitter=0.5).promise == Promise(2.0, 0.25, 4.0, 4.0).jittered(0.5)
    scene = Promise(2.0, 0.25, 4.0, 7.0, frames_between=True)
    assert SceneSampling(0.25, 2.0, hold=3.0).promise == scene
    assert SceneSampling(0.25, 2.0, hold=3.0, jitter=0.5).promise == scene.jittered(0.5)


def test_neither_answers_an_alert() -> None:
    """They are combined with a policy that does."""
    for policy in (SpeakerSampling(0.2, 0.5), SceneSampling(0.2, 1.0)):
        policy.on(Started(Level.ALERT), 0.0)
        assert policy.on(Verdict(Level.ALERT), 1.0).fps == 0.2


def test_a_track_that_starts_again_is_taken_for_silent() -> None:
    """Who still speaks says so anew."""
    policy = SpeakerSampling(0.2, 0.5)
    policy.on(Started(), 0.0)
    assert policy.on(Speaking(active=True), 1.0).fps == 0.5
    assert policy.on(SampleDue(), 1.0).fps == 0.5
    assert policy.on(Started(), 2.0).fps == 0.2


def test_a_new_scene_counts_for_as_long_as_it_is_held() -> None:
    """From the change on; a further change begins anew."""
    policy = SceneSampling(0.2, 1.0, threshold=24.0, hold=3.0)
    policy.on(Started(), 0.0)
    assert policy.on(shade(100), 1.0).fps == 0.2
    assert policy.on(shade(123), 2.0).fps == 0.2
    assert policy.on(shade(124), 4.0).fps == 1.0
    assert policy.on(SampleSent(), 6.9).reason == "new scene: 1 fps"
    assert policy.on(SampleSent(), 7.0).reason == "same scene: 0.2 fps"
    assert policy.on(shade(148), 8.0).fps == 1.0
    assert policy.on(shade(100), 10.0).fps == 1.0
    assert policy.on(SampleSent(), 12.9).fps == 1.0


@pytest.mark.parametrize(("scene", "other", "changed"), [(b"\0", b"\x18", True), (b"\0", b"\x17", False)])
def test_a_signature_of_any_length_is_compared_by_its_mean(scene: bytes, other: bytes, *, changed: bool) -> None:
    """One of another length is another scene."""
    policy = SceneSampling(0.2, 1.0, threshold=24.0)
    policy.on(Started(), 0.0)
    policy.on(Scene(scene), 0.0)
    assert policy.on(Scene(other), 0.1).fps == (1.0 if changed else 0.2)
    assert policy.on(Scene(other * 2), 0.2).fps == 1.0


def test_a_threshold_may_be_any_difference_of_brightness() -> None:
    """From just above 0 to 255: only white where all was black, or another size. A scene is held for some time."""
    policy = SceneSampling(0.2, 1.0, threshold=255)
    policy.on(shade(0), 0.0)
    assert policy.on(shade(254), 0.1).fps == 0.2
    assert policy.on(shade(255), 0.1).fps == 1.0
    policy = SceneSampling(0.2, 1.0, threshold=255)
    policy.on(shade(0), 0.0)
    assert policy.on(Scene(b""), 0.1).fps == 1.0
    assert SceneSampling(threshold=0.5).threshold == 0.5
    with pytest.raises(ValueError, match="hold must be"):
        SceneSampling(hold=0.0)
    with pytest.raises(ValueError, match="threshold must be above 0 and at most 255"):
        SceneSampling(threshold=255.5)
