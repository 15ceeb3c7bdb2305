"""What is known of a wanted track beside its level."""

from __future__ import annotations

from typing import cast

import pytest

from ds_actors.detection import AdaptiveSampling, FrameSource, Level, TrackInfo
from ds_actors.detection.coverage import Facts
from ds_actors.detection.tracks.registry import RegisteredTrack


def sending(fps: float, seconds: float, began: float = 100.0) -> float:
    """Return the actual rate of a track that has sent its samples on time for so long."""
    policy = AdaptiveSampling(normal_fps=fps)
    track = RegisteredTrack(TrackInfo("alice", "TR_1"), cast("FrameSource", None), policy, Facts(published_at=began))
    for number in range(int(seconds * fps) + 1):
        track.sample_sent(began + number / fps)
    return track.status(Level.CLEAR, began + seconds).actual_fps


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.4, 3.3, 7.9, 30.0, 1_000.0])
def test_a_track_that_sends_on_time_has_the_rate_it_should_have_from_its_beginning(seconds: float) -> None:
    """Within the one sample more or less that a short time shows."""
    assert abs(sending(1.0, seconds) - 1.0) <= 1.001 / max(1.0, min(10.0, seconds))


def test_one_that_has_stopped_sending_comes_down_to_nothing() -> None:
    """Ten seconds after its last sample."""
    track = RegisteredTrack(TrackInfo("alice", "TR_1"), cast("FrameSource", None), AdaptiveSampling(), Facts())
    track.sample_sent(0.0)
    assert [track.status(Level.CLEAR, now).actual_fps for now in (2.0, 5.0, 10.5)] == [0.5, 0.2, 0.0]


def test_captures_without_a_frame_count_in_a_row_and_small_ones_since_the_last_that_was_large_enough() -> None:
    """A frame ends the first; only one that can be judged ends the second."""
    track = RegisteredTrack(TrackInfo("alice", "TR_1"), cast("FrameSource", None), AdaptiveSampling(), Facts())
    counts: list[tuple[int, int]] = []
    for frame, too_small in ((False, False), (True, True), (False, False), (True, True), (True, False), (True, True)):
        track.captured(frame=frame, too_small=too_small)
        counts.append((track.facts.empty_captures, track.facts.small_captures))
    assert counts == [(1, 0), (0, 1), (1, 1), (0, 2), (0, 0), (0, 1)]
