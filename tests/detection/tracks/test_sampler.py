"""What a track decides, without a clock, a thread or a socket."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import AdaptiveSampling, Level, Plan, Promise, Sample, TrackInfo
from ds_actors.detection.sampling import SamplingEvent, Verdict
from ds_actors.detection.tracks.sampler import (
    CAPTURE_IS_LATE,
    LATE_AFTER,
    Begin,
    BeginCapture,
    CancelCapture,
    Captured,
    Effect,
    FellDue,
    FrameArrived,
    MutedChanged,
    RefusedMessage,
    TrackSampler,
)
from ds_actors.detection.turns import CaptureLate, Deliver, GiveUp, Granted, Relevel, RequestTurn, Withdraw

INFO = TrackInfo("alice", "TR_1")
FELL_DUE = FellDue(Level.UNKNOWN)


def begun() -> TrackSampler:
    sampler = TrackSampler(INFO, AdaptiveSampling(0.2, 1.0), "the actor")
    assert sampler.handle(Begin(Level.UNKNOWN), 0.0) == (Withdraw("TR_1", "restarted"),)
    return sampler


def requested(sampler: TrackSampler, now: float = 0.0) -> RequestTurn:
    (request,) = sampler.handle(FELL_DUE, now)
    assert isinstance(request, RequestTurn)
    return request


def capturing() -> tuple[TrackSampler, int]:
    sampler = begun()
    (begin,) = sampler.handle(Granted(requested(sampler)), 0.0)
    assert isinstance(begin, BeginCapture)
    return sampler, begin.turn


def sample(now: float = 0.0) -> Sample:
    return Sample("alice", "TR_1", 0, b"jpeg", now)


def test_a_new_track_is_due_at_once_and_then_at_its_rate() -> None:
    """0.2 fps: five seconds later."""
    sampler = begun()
    assert sampler.due_at == 0.0
    requested(sampler)
    assert sampler.due_at == 5.0


def test_a_granted_turn_captures_and_delivers() -> None:
    """The sample goes to the outbox, and the turn is over."""
    sampler, turn = capturing()
    made = sample()
    assert sampler.handle(Captured(turn, made), 0.1) == (Deliver("TR_1", made),)
    assert sampler.handle(Captured(turn, made), 0.2) == ()


def test_a_capture_without_a_frame_gives_its_turn_up() -> None:
    """With the reason, which the outbox counts."""
    sampler, turn = capturing()
    assert sampler.handle(Captured(turn, None, "no_frame"), 2.0) == (GiveUp("TR_1", "no_frame"),)


def test_a_grant_of_a_request_that_was_withdrawn_is_ignored() -> None:
    """Muting withdraws it, and the grant may be on its way already."""
    sampler = begun()
    request = requested(sampler)
    assert sampler.handle(MutedChanged(muted=True), 0.1) == (CancelCapture(), Withdraw("TR_1", "muted"))
    assert sampler.handle(Granted(request), 0.2) == ()
    assert sampler.due_at == math.inf


def test_a_refused_request_leaves_the_earlier_one_in_force() -> None:
    """The outbox keeps one turn a track: the grant of the earlier request still counts."""
    sampler = begun()
    earlier, later = requested(sampler), requested(sampler, 5.0)
    assert sampler.handle(RefusedMessage(later), 5.0) == ()
    assert sampler.handle(Granted(later), 5.1) == ()
    assert isinstance(sampler.handle(Granted(earlier), 5.1)[0], BeginCapture)


def test_a_late_capture_gives_its_turn_back_and_goes_on() -> None:
    """Its frame is delivered all the same; when too many are late, the capture is cancelled."""
    sampler, turn = capturing()
    assert sampler.late_at == LATE_AFTER
    late = sampler.handle(CAPTURE_IS_LATE, LATE_AFTER)
    assert late == (CaptureLate("TR_1"),)
    assert sampler.late_at == math.inf
    made = sample(1.0)
    assert sampler.handle(Captured(turn, made), 1.0) == (Deliver("TR_1", made),)
    sampler, turn = capturing()
    assert sampler.handle(RefusedMessage(CaptureLate("TR_1")), LATE_AFTER) == (CancelCapture(),)
    assert sampler.handle(Captured(turn, made), 1.0) == ()


def test_a_capture_with_its_frame_is_not_late_while_it_encodes() -> None:
    """The report of an older turn changes nothing."""
    sampler, turn = capturing()
    sampler.handle(FrameArrived(turn - 1), 0.1)
    assert sampler.late_at == LATE_AFTER
    sampler.handle(FrameArrived(turn), 0.1)
    assert sampler.late_at == math.inf


def test_a_verdict_that_changes_the_level_ranks_the_waiting_turn_anew() -> None:
    """The same level again tells the outbox nothing."""
    sampler = begun()
    requested(sampler)
    assert sampler.handle(Verdict(Level.ALERT), 0.5) == (Relevel("TR_1", Level.ALERT),)
    assert sampler.handle(Verdict(Level.ALERT), 0.6) == ()
    assert sampler.due_at == 1.0


def test_a_policy_that_plans_for_nan_is_refused() -> None:
    """NaN compares with nothing: the track would never be due again, in silence."""

    @define
    class Lost:
        promise: Promise = Promise(1.0, 1.0, 1.0, 1.0)  # noqa: RUF009 - frozen

        def on(self, event: SamplingEvent, now: float, /) -> Plan:
            return Plan(math.nan, "lost")

    with pytest.raises(ValueError, match="planned a sample for NaN"):
        TrackSampler(INFO, Lost(), None).handle(Begin(Level.UNKNOWN), 0.0)


STEPS: dict[str, Callable[[TrackSampler, list[RequestTurn], list[int], float], tuple[Effect, ...]]] = {
    "due": lambda sampler, _r, _t, now: sampler.handle(FELL_DUE, now),
    "grant": lambda sampler, r, _t, now: sampler.handle(Granted(r[-1]), now) if r else (),
    "grant an old one": lambda sampler, r, _t, now: sampler.handle(Granted(r[0]), now) if r else (),
    "captured": lambda sampler, _r, t, now: sampler.handle(Captured(t[-1], sample(now)), now) if t else (),
    "captured earlier": lambda sampler, _r, t, now: sampler.handle(Captured(t[0], sample(now)), now) if t else (),
    "no frame": lambda sampler, _r, t, now: sampler.handle(Captured(t[-1], None, "no_frame"), now) if t else (),
    "late": lambda sampler, _r, _t, now: sampler.handle(CAPTURE_IS_LATE, now),
    "late refused": lambda sampler, _r, _t, now: sampler.handle(RefusedMessage(CaptureLate("TR_1")), now),
    "mute": lambda sampler, _r, _t, now: sampler.handle(MutedChanged(muted=True), now),
    "unmute": lambda sampler, _r, _t, now: sampler.handle(MutedChanged(muted=False), now),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=60))
def test_each_capture_ends_at_most_once_and_never_after_it_was_cancelled(steps: list[str]) -> None:
    """Whatever comes in whatever order: one Deliver or GiveUp a capture, while it is the newest."""
    sampler = begun()
    requests: list[RequestTurn] = []
    turns: list[int] = []
    open_captures = 0
    for number, step in enumerate(steps):
        for effect in STEPS[step](sampler, requests, turns, float(number)):
            match effect:
                case RequestTurn():
                    requests.append(effect)
                case BeginCapture(turn):
                    assert turn not in turns
                    turns.append(turn)
                    open_captures = 1
                case CancelCapture():
                    open_captures = 0
                case Deliver() | GiveUp():
                    open_captures -= 1
                    assert open_captures == 0
                case _:
                    pass
