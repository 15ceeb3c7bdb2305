"""What a track's policy is told, and what the sampler does with its plans."""

from __future__ import annotations

import math

import pytest

from ds_actors.detection import Level, Plan, Promise, Sample, TrackInfo
from ds_actors.detection.sampling import (
    SHORTEST_GAP,
    Paused,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.detection.tracks.sampler import (
    CAPTURE_IS_LATE,
    LATE_AFTER,
    Begin,
    BeginCapture,
    CancelCapture,
    Captured,
    Effects,
    FellDue,
    FrameArrived,
    MutedChanged,
    RefusedMessage,
    SamplerEvent,
    TrackSampler,
)
from ds_actors.detection.turns import CaptureLate, Deliver, GiveUp, Granted, Relevel, RequestTurn, Withdraw

INFO = TrackInfo("alice", "TR_1")


class Recorder:
    """A policy that keeps what it is told, and plans what it is set to."""

    promise = Promise(1.0, 1.0, 10.0, 10.0)

    def __init__(self) -> None:
        self.told: list[SamplingEvent] = []
        self.due: float | None = None

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        self.told.append(event)
        return Plan(self.due, "as set")


class Track:
    """A sampler with that policy."""

    def __init__(self, *, muted: bool = False) -> None:
        self.policy = Recorder()
        self.sampler = TrackSampler(INFO, self.policy, "the actor", muted)
        self._effects: Effects = ()

    def effects(self) -> Effects:
        """Return what the last event led to."""
        return self._effects

    def told(self, event: SamplerEvent, now: float = 0.0) -> list[SamplingEvent]:
        """Handle an event, and return what the policy is told of it."""
        self.policy.told.clear()
        self._effects = self.sampler.handle(event, now)
        return list(self.policy.told)

    def request(self, level: Level = Level.CLEAR) -> RequestTurn:
        self.told(FellDue(level))
        (request,) = self.effects()
        assert isinstance(request, RequestTurn)
        return request

    def capture(self) -> int:
        self.told(Granted(self.request()))
        (begin,) = self.effects()
        assert isinstance(begin, BeginCapture)
        return begin.turn


SAMPLE = Sample("alice", "TR_1", 0, b"jpeg", 0.0)


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("speaking", [False, True])
def test_a_policy_begins_with_the_level_the_last_sample_and_who_speaks(muted: bool, speaking: bool) -> None:
    """A muted track is paused from the beginning."""
    track = Track(muted=muted)
    told = track.told(Begin(Level.ALERT, 4.0, speaking))
    assert told == [Started(Level.ALERT, 4.0), *[Speaking(active=True)] * speaking, *[Paused()] * muted]
    assert track.effects() == (Withdraw("TR_1", "restarted"),)


@pytest.mark.parametrize("event", [SampleSent(), Speaking(active=True), Speaking(active=False), Scene(b"x")])
def test_what_concerns_the_policy_alone_is_passed_on(event: SampleSent | Speaking | Scene) -> None:
    """Nothing else follows."""
    track = Track()
    assert track.told(event) == [event]
    assert track.effects() == ()


def test_a_sample_that_falls_due_asks_for_a_turn_at_its_level() -> None:
    """A verdict that confirms the level ranks nothing anew; another does."""
    track = Track()
    assert track.told(FellDue(Level.SUSPICIOUS)) == [SampleDue()]
    assert track.effects() == (RequestTurn("TR_1", "alice", Level.SUSPICIOUS, "the actor"),)
    assert track.told(Verdict(Level.SUSPICIOUS)) == [Verdict(Level.SUSPICIOUS)]
    assert track.effects() == ()
    track.told(Verdict(Level.ALERT))
    assert track.effects() == (Relevel("TR_1", Level.ALERT),)
    track.told(FellDue(Level.ALERT))
    track.told(Verdict(Level.ALERT))
    assert track.effects() == ()


def test_whatever_is_planned_samples_are_five_milliseconds_apart() -> None:
    """Counted from when the last one was due; before the first, there is no bound."""
    track = Track()
    track.policy.due = -100.0
    track.told(Begin(Level.CLEAR))
    assert track.sampler.due_at == -100.0
    track.told(FellDue(Level.CLEAR), 10.0)
    assert track.sampler.due_at == 10.0 + SHORTEST_GAP
    track.policy.due = 20.0
    track.told(SampleSent(), 10.0)
    assert track.sampler.due_at == 20.0
    track.policy.due = None
    track.told(SampleSent(), 10.0)
    assert track.sampler.due_at == math.inf


def test_it_wakes_for_whichever_comes_first() -> None:
    """The next sample, or the moment at which the capture is late."""
    track = Track()
    track.policy.due = 5.0
    track.capture()
    assert track.sampler.wake_at() == LATE_AFTER
    track.policy.due = 0.1
    track.told(SampleSent())
    assert track.sampler.wake_at() == 0.1
    track.policy.due = 5.0
    track.told(SampleSent())
    assert track.told(CAPTURE_IS_LATE, 0.3) == []
    assert track.effects() == (CaptureLate("TR_1"),)
    assert track.sampler.wake_at() == 5.0


def test_a_capture_ends_once_and_counts() -> None:
    """Its number is the next one's no more; its lateness, its frame and its request are over."""
    track = Track()
    turn = track.capture()
    assert turn == 1
    assert track.told(FrameArrived(turn), 0.1) == []
    assert (track.effects(), track.sampler.late_at) == ((), math.inf)
    assert track.told(Captured(turn, SAMPLE, signature=b"scene"), 0.2) == [Scene(b"scene")]
    assert track.effects() == (Deliver("TR_1", SAMPLE),)
    assert track.sampler.wake_at() == math.inf
    for late in (Captured(turn, SAMPLE), Captured(turn + 1, SAMPLE)):
        assert track.told(late, 0.3) == []
        assert track.effects() == ()
    assert track.capture() == 3
    assert track.told(MutedChanged(muted=True)) == [SampleDropped("muted"), Paused()]


def test_a_frame_of_an_earlier_capture_does_not_keep_the_next_from_being_late() -> None:
    """Its end does not either."""
    track = Track()
    turn = track.capture()
    track.told(Captured(turn, None, "no_frame"), 0.1)
    newer = track.capture()
    for old in (FrameArrived(turn), Captured(turn, SAMPLE)):
        assert track.told(old, 0.2) == []
        assert track.effects() == ()
    assert track.sampler.late_at == LATE_AFTER
    assert newer > turn


def test_a_capture_without_a_sample_is_told_with_its_reason() -> None:
    """Without a frame there is no scene either."""
    track = Track()
    assert track.told(Captured(track.capture(), None, "no_frame"), 0.1) == [SampleDropped("no_frame")]
    assert track.effects() == (GiveUp("TR_1", "no_frame"),)
    assert track.sampler.late_at == math.inf
    assert track.told(MutedChanged(muted=True)) == [Paused()]


def test_muting_drops_what_waits_and_unmuting_resumes() -> None:
    """Once each: the same again is nothing new."""
    track = Track()
    turn = track.capture()
    assert track.told(MutedChanged(muted=False)) == []
    assert track.effects() == ()
    assert track.told(MutedChanged(muted=True), 0.1) == [SampleDropped("muted"), Paused()]
    assert track.effects() == (CancelCapture(), Withdraw("TR_1", "muted"))
    assert (track.sampler.muted, track.sampler.late_at) == (True, math.inf)
    assert track.told(MutedChanged(muted=True), 0.2) == []
    assert track.told(Captured(turn, SAMPLE), 0.3) == []
    assert track.told(MutedChanged(muted=False), 0.4) == [Resumed()]
    assert (track.effects(), track.sampler.muted) == ((), False)


def test_what_the_outbox_refuses_is_told_as_dropped() -> None:
    """A request as superseded, a sample as stale, and a late capture ends for want of a frame."""
    track = Track()
    first = track.request()
    second = track.request()
    assert track.told(RefusedMessage(second)) == [SampleDropped("superseded")]
    assert track.effects() == ()
    track.told(Granted(second))
    assert track.effects() == ()
    track.told(Granted(first))
    assert track.effects() == (BeginCapture(1),)
    assert track.told(RefusedMessage(Deliver("TR_1", SAMPLE))) == [SampleDropped("stale")]
    assert track.effects() == ()
    assert track.told(RefusedMessage(CaptureLate("TR_1"))) == [SampleDropped("no_frame")]
    assert track.effects() == (CancelCapture(),)
    assert track.told(Captured(1, SAMPLE)) == []
    assert track.told(MutedChanged(muted=True)) == [Paused()]
    assert track.told(RefusedMessage(Withdraw("TR_1"))) == []
    assert track.effects() == ()
