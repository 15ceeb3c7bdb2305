"""What is known of tracks beside their levels, and which are within the limits."""

from __future__ import annotations

from typing import cast

import pytest

from ds_actors.detection import AdaptiveSampling, FrameSource, Level, SamplingPolicy, SceneSampling, TrackInfo
from ds_actors.detection.coverage import Coverage, Facts
from ds_actors.detection.sampling import Plan
from ds_actors.detection.status import TrackStatus
from ds_actors.detection.tracks import registry
from ds_actors.detection.tracks.registry import RegisteredTrack, TrackRegistry, UnwatchedTrack


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


class Camera:
    """A source that learns when the next frame is needed, and asks for frames."""

    def __init__(self) -> None:
        self.expected: list[tuple[float | None, bool]] = []
        self.frame_requests = 3

    def expect(self, due: float | None, *, steady: bool) -> None:
        self.expected.append((due, steady))


def registered(
    sid: str = "TR_1",
    participant: str = "alice",
    policy: SamplingPolicy | None = None,
    source: object = None,
    facts: Facts | None = None,
) -> RegisteredTrack:
    """Return a track, by default of 0.2 and 1 fps, that was published at 0."""
    return RegisteredTrack(
        TrackInfo(participant, sid),
        cast("FrameSource", source),
        policy or AdaptiveSampling(0.2, 1.0),
        facts or Facts(due_since=0.0),
    )


def unwatched(sid: str, *, wanted: bool = True, why: str = "", facts: Facts | None = None) -> UnwatchedTrack:
    return UnwatchedTrack(TrackInfo("alice", sid), facts or Facts(monitored=False), why, wanted)


def test_a_sample_counts_for_ten_seconds_to_the_moment() -> None:
    """What is older counts no more."""
    track = registered()
    track.sample_sent(5.0)
    assert [track.status(Level.CLEAR, now).actual_fps for now in (5.0, 15.0, 15.1)] == [0.2, 0.1, 0.0]


def test_empty_captures_are_counted_until_a_frame_comes() -> None:
    """A frame also shows that the track can be decrypted."""
    track = registered(facts=Facts(encrypted=True))
    track.captured(frame=False)
    track.captured(frame=False)
    assert (track.facts.empty_captures, track.facts.encrypted) == (2, True)
    track.captured(frame=True)
    assert (track.facts.empty_captures, track.facts.encrypted) == (0, False)


def test_small_pictures_are_counted_until_one_is_large_enough() -> None:
    """Captures without a frame in between say nothing of the size."""
    track = registered()
    for frame, too_small in ((True, True), (False, False), (True, True)):
        track.captured(frame=frame, too_small=too_small)
    assert track.facts.small_captures == 2
    track.captured(frame=True)
    assert track.facts.small_captures == 0


def test_an_answer_that_is_no_verdict_is_a_result_only() -> None:
    """So that a service that answers with errors alone is seen."""
    track = registered()
    track.answered(3.0, verdict=True)
    track.answered(5.0, verdict=False)
    assert (track.facts.last_result, track.facts.last_verdict) == (5.0, 3.0)


@pytest.mark.parametrize(
    ("level", "policy", "steady"),
    [
        (Level.CLEAR, AdaptiveSampling(), True),
        (Level.ALERT, AdaptiveSampling(), False),
        (Level.CLEAR, SceneSampling(), False),
    ],
)
def test_a_source_learns_when_the_next_frame_is_needed(level: Level, policy: SamplingPolicy, *, steady: bool) -> None:
    """And whether it may spare what comes in between: not at burst rate, nor for a policy that looks at it."""
    camera = Camera()
    track = registered(policy=policy, source=camera)
    track.planned(Plan(7.0, "why", fps=0.5), level)
    assert camera.expected == [(7.0, steady)]
    assert track.plan == Plan(7.0, "why", fps=0.5)


def test_a_source_that_only_gives_frames_is_told_nothing() -> None:
    """Nor asked how often it asked for frames."""
    track = registered(source=object())
    track.planned(Plan(7.0, "why"), Level.CLEAR)
    assert track.status(Level.CLEAR, 0.0).frame_requests == 0


def test_the_rate_of_a_track_without_a_plan_is_the_promised_one() -> None:
    """At its level."""
    track = registered()
    assert [track.target(level) for level in (Level.UNKNOWN, Level.CLEAR, Level.SUSPICIOUS)] == [0.2, 0.2, 1.0]
    track.planned(Plan(7.0, "why", fps=0.5), Level.SUSPICIOUS)
    assert track.target(Level.SUSPICIOUS) == 0.5


def test_coverage_knows_of_mute_failing_and_the_rate() -> None:
    """At 0.1 fps a track is stale after three intervals, which are 30 s."""
    track = registered(policy=AdaptiveSampling(0.1, 1.0))
    assert [track.coverage(Level.CLEAR, now) for now in (29.9, 30.0)] == [Coverage.WAITING, Coverage.STALE]
    track.backoff.failing = True
    assert track.coverage(Level.CLEAR, 0.0) is Coverage.FAILING
    track.muted = True
    assert track.coverage(Level.CLEAR, 0.0) is Coverage.MUTED


def test_a_track_that_sends_is_not_failing() -> None:
    """The number of samples that it has sent is kept."""
    track = registered()
    track.backoff.failing = True
    track.sample_sent(0.0)
    track.sample_sent(1.0)
    assert (track.backoff.failing, track.sent) == (False, 2)


def test_a_status_says_all_that_is_known_of_a_track() -> None:
    """Its plan, its samples, its last verdict, and how often its source asked for frames."""
    track = registered(source=Camera())
    track.planned(Plan(7.0, "why", fps=0.5), Level.CLEAR)
    track.sample_sent(2.0)
    track.answered(3.0, verdict=True)
    assert track.status(Level.CLEAR, 5.0) == TrackStatus(
        "alice", "TR_1", "video", "camera", Level.CLEAR, Coverage.CHECKED, 0.5, 0.2, "why", 1, True, 2.0, 3
    )
    track.muted = True
    status = registered().status(Level.UNKNOWN, 0.0)
    assert (status.reason, status.wanted, status.seconds_since_verdict, status.frame_requests) == (
        "not started",
        True,
        None,
        0,
    )
    assert not track.status(Level.CLEAR, 5.0).wanted


def test_an_unwatched_track_says_why() -> None:
    """In its own words or those of its coverage; it has no rate, and a muted one need not be checked."""
    assert unwatched("TR_1", why="over the limit").status(Level.CLEAR, 0.0) == TrackStatus(
        "alice", "TR_1", "video", "camera", Level.CLEAR, Coverage.NOT_MONITORED, 0.0, 0.0, "over the limit", 0, True
    )
    status = unwatched("TR_1", facts=Facts(muted=True)).status(Level.CLEAR, 0.0)
    assert (status.reason, status.wanted) == ("muted", False)
    assert not unwatched("TR_1", wanted=False).status(Level.CLEAR, 0.0).wanted


def test_tracks_are_found_by_their_sid_until_they_are_removed() -> None:
    """Removing one while going through all of them is safe."""
    tracks, first, second = TrackRegistry(), registered("TR_1"), registered("TR_2")
    tracks.add(first)
    tracks.add(second)
    assert ("TR_1" in tracks, "TR_3" in tracks, tracks.get("TR_2"), tracks.get("TR_3")) == (True, False, second, None)
    assert [tracks.pop(track.info.track) for track in tracks] == [first, second]
    assert (tracks.pop("TR_1"), list(tracks)) == (None, [])


def test_a_participant_has_room_for_64_tracks_and_a_room_for_2000() -> None:
    """One more is refused."""
    tracks = TrackRegistry()
    for number in range(64):
        assert tracks.has_room(TrackInfo("alice", f"TR_{number}"))
        tracks.add(registered(f"TR_{number}"))
    assert tracks.has_room(TrackInfo("alice", "TR_64")) is False
    for number in range(64, 2_000):
        tracks.add(registered(f"TR_{number}", f"participant {number // 64}"))
    assert not tracks.has_room(TrackInfo("bob", "TR_2000"))
    tracks.pop("TR_100")
    assert tracks.has_room(TrackInfo("bob", "TR_2000"))


def test_a_track_over_the_limit_counts_once_however_often_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is gone, or there are too many of them to remember."""
    monkeypatch.setattr(registry, "TRACKS", 0)
    monkeypatch.setattr(registry, "TRACKS_UNWATCHED", 2)
    tracks = TrackRegistry()
    for sid in ("TR_1", "TR_2", "TR_1", "TR_2"):
        assert not tracks.has_room(TrackInfo("alice", sid))
    assert tracks.refused == {"limit": 2}
    for _ in range(2):
        tracks.has_room(TrackInfo("alice", "TR_3"))
    assert tracks.refused == {"limit": 4}
    tracks.remove_unwatched("TR_1")
    tracks.has_room(TrackInfo("alice", "TR_1"))
    assert tracks.refused == {"limit": 5}


def test_unwatched_tracks_are_listed_up_to_a_number_and_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed one may change, and keeps its time of publication; one that is watched after all is listed no more."""
    monkeypatch.setattr(registry, "TRACKS_UNWATCHED", 2)
    tracks = TrackRegistry()
    for sid in ("TR_1", "TR_2", "TR_3"):
        tracks.add_unwatched(unwatched(sid, facts=Facts(subscribed=False, published_at=1.0)))
    tracks.add_unwatched(unwatched("TR_2", why="changed", facts=Facts(muted=True, published_at=9.0)))
    assert [track.info.track for track in tracks.unwatched()] == ["TR_1", "TR_2"]
    assert tracks.refused == {"not_listed": 1}
    assert tracks.find_unwatched("TR_2") == unwatched("TR_2", why="changed", facts=Facts(muted=True, published_at=1.0))
    tracks.add(registered("TR_2"))
    tracks.remove_unwatched("TR_1")
    assert (tracks.find_unwatched("TR_2"), tracks.find_unwatched("TR_3"), tracks.unwatched()) == (None, None, ())


def test_blind_are_the_tracks_that_should_be_checked_and_are_not() -> None:
    """Watched or not; muted ones should not be, nor those that the host left out."""
    tracks = TrackRegistry()
    tracks.add(registered("checked"))
    tracks.add(registered("fails"))
    tracks.add(registered("muted"))
    for sid, track in zip(("checked", "fails", "muted"), tracks, strict=True):
        track.answered(9.0, verdict=True)
        track.muted, track.backoff.failing = sid == "muted", sid == "fails"
    tracks.add_unwatched(unwatched("over the limit"))
    tracks.add_unwatched(unwatched("muted too", facts=Facts(muted=True)))
    tracks.add_unwatched(unwatched("filtered out", wanted=False))
    blind, wanted = tracks.blind(lambda _sid: Level.CLEAR, 10.0)
    assert blind == {"fails": Coverage.FAILING, "over the limit": Coverage.NOT_MONITORED}
    assert wanted == 3


def test_whether_a_track_is_stale_depends_on_its_own_level() -> None:
    """At burst rate it is sooner than at 0.1 fps."""
    tracks = TrackRegistry()
    for sid in ("clear", "alert"):
        tracks.add(registered(sid, policy=AdaptiveSampling(0.1, 1.0)))
    levels = {"clear": Level.CLEAR, "alert": Level.ALERT}
    assert tracks.blind(levels.__getitem__, 20.0) == ({"alert": Coverage.STALE}, 2)


def test_captures_without_a_frame_count_in_a_row_and_small_ones_since_the_last_that_was_large_enough() -> None:
    """A frame ends the first; only one that can be judged ends the second."""
    track = RegisteredTrack(TrackInfo("alice", "TR_1"), cast("FrameSource", None), AdaptiveSampling(), Facts())
    counts: list[tuple[int, int]] = []
    for frame, too_small in ((False, False), (True, True), (False, False), (True, True), (True, False), (True, True)):
        track.captured(frame=frame, too_small=too_small)
        counts.append((track.facts.empty_captures, track.facts.small_captures))
    assert counts == [(1, 0), (0, 1), (1, 1), (0, 2), (0, 0), (0, 1)]
