"""The rules of forwarding on demand: examples, and a law over histories of every kind."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.plugins.dataspike._forwarding_rules import (
    AIM,
    FIRST_LEAD,
    KEY_FRAMES,
    LATE_LIMIT,
    LONGEST_LEAD,
    MINUTE,
    PAUSE_OVER,
    SHORTEST_LEAD,
    SLOW_AFTER,
    ForwardingRules,
)

NORMAL = 5.0


def permitted() -> ForwardingRules:
    rules = ForwardingRules()
    rules.permit(permitted=True, now=0.0)
    return rules


def sample(rules: ForwardingRules, due: float, *, waits: float = 0.0) -> None:
    """Let a sample fall due, be captured after `waits` seconds, and the next one be planned."""
    rules.advance(due)
    rules.expect(due + NORMAL, steady=True, now=due)
    rules.capture_began(due)
    rules.capture_ended(due + waits, frame=True)


def paused() -> ForwardingRules:
    rules = permitted()
    sample(rules, 0.0)
    assert rules.paused
    return rules


def paused_at(rules: ForwardingRules, now: float) -> bool:
    rules.advance(now)
    return rules.paused


def test_a_track_is_forwarded_until_its_first_frame_is_taken() -> None:
    """The first sample may wait for a turn for as long as it likes."""
    rules = permitted()
    rules.expect(0.0, steady=True, now=0.0)
    rules.expect(NORMAL, steady=True, now=0.0)
    rules.advance(4.0)
    assert not rules.paused


def test_a_track_is_paused_after_its_sample_and_resumed_the_lead_before_the_next() -> None:
    """At the moment that `wake_at` names, not later."""
    rules = paused()
    assert rules.wake_at() == NORMAL - FIRST_LEAD
    assert [paused_at(rules, NORMAL - lead) for lead in (FIRST_LEAD + 0.01, FIRST_LEAD)] == [True, False]
    assert rules.wake_at() == math.inf


def test_a_track_stays_forwarded_when_its_next_sample_is_due_soon() -> None:
    """A key frame costs more than the pause would save."""
    rules = permitted()
    rules.expect(PAUSE_OVER, steady=True, now=0.0)
    rules.capture_began(0.0)
    rules.capture_ended(0.0, frame=True)
    assert not rules.paused


def test_burst_rate_resumes_a_paused_track_at_once() -> None:
    """However far away the next sample is."""
    rules = paused()
    rules.expect(NORMAL, steady=False, now=1.0)
    assert not rules.paused


def test_a_sample_that_falls_due_sooner_resumes_a_paused_track() -> None:
    """As after an unmuting."""
    rules = paused()
    rules.expect(1.0, steady=True, now=1.0)
    assert not rules.paused


def test_a_sample_that_waits_for_its_turn_keeps_the_track_forwarded() -> None:
    """The plan names the sample after it; the outage may last."""
    rules = paused()
    rules.advance(NORMAL)
    for n in range(2, 6):
        rules.expect(n * NORMAL, steady=True, now=(n - 1) * NORMAL)
        assert not rules.paused


def test_a_due_time_that_passed_before_the_timer_ran_counts() -> None:
    """The loop may be late: the plan for the next sample arrives first."""
    rules = paused()
    rules.expect(2 * NORMAL, steady=True, now=NORMAL)
    assert not rules.paused


def test_a_capture_without_a_frame_keeps_the_track_forwarded() -> None:
    """A dead publisher costs nothing, and whether one is dead shows only while it is forwarded."""
    rules = paused()
    rules.advance(NORMAL)
    rules.expect(2 * NORMAL, steady=True, now=NORMAL)
    rules.capture_began(NORMAL)
    rules.capture_ended(NORMAL + 2.0, frame=False)
    assert not rules.paused


def test_no_permission_resumes_and_permission_alone_pauses_nothing_that_is_due() -> None:
    """A host that begins to show the track gets it at once."""
    rules = paused()
    rules.permit(permitted=False, now=1.0)
    assert not rules.paused
    rules.permit(permitted=True, now=NORMAL)
    assert not rules.paused


def test_a_track_without_a_plan_is_forwarded() -> None:
    """A muted track costs nothing, and its end is not known in advance."""
    rules = paused()
    rules.expect(math.inf, steady=True, now=1.0)
    assert not rules.paused


def test_the_lead_follows_slow_first_frames_up_and_fast_ones_down() -> None:
    """A slow frame brings it halfway to what that one took; many fast ones bring the lead down to its least."""
    rules = paused()
    rules.advance(NORMAL - FIRST_LEAD)
    sample(rules, NORMAL, waits=0.35)
    assert rules.lead == pytest.approx(FIRST_LEAD + (0.35 - AIM) / 2)
    for n in range(2, 20):
        rules.advance(rules.wake_at())
        sample(rules, n * NORMAL)
    assert rules.lead == SHORTEST_LEAD


@pytest.mark.parametrize("takes", [0.09, 0.11, 0.25, 0.7])
def test_captures_wait_a_little_for_a_first_frame_that_always_takes_as_long(takes: float) -> None:
    """Frames that arrive before the capture would be decoded in vain, so hardly any may; a long wait makes it late."""
    rules = paused()
    waits: list[float] = []
    for n in range(1, 60):
        resumed = rules.wake_at()
        rules.advance(resumed)
        waits.append(max(0.0, resumed + takes - n * NORMAL))
        sample(rules, n * NORMAL, waits=waits[-1])
    settled = waits[20:]
    assert max(settled) <= SLOW_AFTER + 0.25 * takes
    assert sum(settled) / len(settled) > 0.2 * AIM


def test_the_lead_is_bounded() -> None:
    """It stays below the shortest pause."""
    rules = paused()
    rules.advance(NORMAL - FIRST_LEAD)
    for n in range(1, 20):
        rules.late = 0  # or else it is paused no more
        rules.advance(rules.wake_at())
        sample(rules, n * NORMAL, waits=1.9)
    assert rules.lead == LONGEST_LEAD < PAUSE_OVER


@pytest.mark.parametrize("every", [1.6, 1.9, 2.0, 2.1, 5.0])
def test_a_publisher_pays_for_thirty_key_frames_a_minute_at_most(every: float) -> None:
    """A track that is sampled more often stays forwarded for the rest of the minute."""
    rules = permitted()
    resumed: list[float] = []
    for n in range(200):
        due = n * every
        was_paused = rules.paused
        rules.advance(due)
        if was_paused and not rules.paused:
            resumed.append(due)
        rules.expect(due + every, steady=True, now=due)
        rules.capture_began(due)
        rules.capture_ended(due, frame=True)
    most = max(sum(at <= later < at + MINUTE for later in resumed) for at in resumed)
    assert most <= KEY_FRAMES
    assert most > 0.8 * min(KEY_FRAMES, MINUTE / every)


def test_a_track_whose_key_frames_come_late_is_paused_no_more() -> None:
    """After three in a row."""
    rules = paused()
    for n in range(1, LATE_LIMIT + 1):
        assert rules.paused
        rules.advance(rules.wake_at())
        sample(rules, n * NORMAL, waits=1.5)
    assert rules.gave_up
    assert not rules.paused


def late_by(rules: ForwardingRules, due: float, took: float, waits: float) -> int:
    """Take a frame so long after the track was resumed, for which the capture waited; return the late ones in a row."""
    rules.advance(due - rules.lead)
    assert rules.resumed
    rules.expect(due + 100.0, steady=True, now=due)
    rules.capture_began(due - rules.lead + took - waits)
    rules.capture_ended(due - rules.lead + took, frame=True)
    return rules.late


def test_a_frame_is_late_after_more_than_a_second_of_which_the_capture_waited_for_some() -> None:
    """One that was there when the capture began says nothing of the key frame; one in time ends the row."""
    for took, waits, late in ((1.5, 0.5, 1), (1.0, 0.5, 0), (1.5, 0.125, 1), (1.5, 0.0625, 0), (0.5, 0.25, 0)):
        rules = permitted()
        sample(rules, 100.0)
        rules.expect(200.0, steady=True, now=100.0)
        assert rules.paused
        assert late_by(rules, 200.0, took, waits) == late
    rules = permitted()
    sample(rules, 100.0)
    rules.expect(200.0, steady=True, now=100.0)
    assert late_by(rules, 200.0, 1.5, 1.0) == 1
    assert late_by(rules, 300.0, 0.3, 0.2) == 0


def test_a_capture_that_waited_for_a_tenth_of_a_second_says_nothing_of_the_key_frame() -> None:
    """The bound is not late yet; the lead shrinks as for a frame that was there."""
    rules = permitted()
    sample(rules, -100.0)
    rules.expect(-1.25, steady=True, now=-100.0)
    rules.advance(-1.25 - rules.lead)
    lead = rules.lead
    rules.capture_began(0.0)
    rules.capture_ended(0.1, frame=True)
    assert (rules.late, rules.lead < lead) == (0, True)


def test_a_track_is_paused_for_more_than_a_second_and_a_half_only() -> None:
    """Counted from now, whenever that is."""
    rules = permitted()
    rules.capture_began(1_000.0)
    rules.expect(1_000.0 + PAUSE_OVER, steady=True, now=1_000.0)
    rules.capture_ended(1_000.0, frame=True)
    assert not rules.paused
    rules.expect(1_000.1 + PAUSE_OVER, steady=True, now=1_000.0)
    assert rules.paused


def test_a_small_layer_is_enough_at_normal_rate_for_the_detector_alone() -> None:
    """Not at burst rate, not where another may need the track, and not where its key frames come late."""
    rules = ForwardingRules()
    rules.expect(10.0, steady=True, now=0.0)
    small = [rules.small]
    rules.permit(permitted=True, now=0.0)
    small.append(rules.small)
    rules.expect(10.0, steady=False, now=0.0)
    small.append(rules.small)
    rules.expect(10.0, steady=True, now=0.0)
    rules.late = LATE_LIMIT
    assert [*small, rules.small] == [False, True, False, False]


def test_a_sample_that_fell_due_while_the_loop_was_held_up_is_wanted() -> None:
    """Whatever is reported first afterwards: the end of a capture, or the beginning of one."""
    rules = permitted()
    rules.expect(5.0, steady=True, now=0.0)
    rules.capture_began(0.0)
    rules.capture_ended(6.0, frame=True)
    rules.expect(20.0, steady=True, now=6.0)
    assert not rules.paused  # the sample of 5 s has no frame yet
    rules.capture_began(6.0)
    rules.capture_ended(6.0, frame=True)
    assert rules.paused


def test_a_capture_keeps_the_track_forwarded_from_its_beginning_on() -> None:
    """A paused one is resumed, because its frame must come."""
    rules = paused()
    rules.capture_began(1.0)
    assert not rules.paused
    assert rules.resumed


Step = tuple[str, float, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "plan", "burst", "no plan", "begin", "frame", "no frame", "permit", "forbid"]),
        st.floats(0.0, 3.0),
        st.floats(-1.0, 12.0),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_law_a_paused_track_is_not_needed_now_and_is_resumed_in_time(steps: list[Step], awake: bool) -> None:
    """Whatever happens, in whatever order, and whether or not the timer runs in time."""
    rules, now, due, steady, allowed, outstanding, capturing = (
        ForwardingRules(),
        0.0,
        math.inf,
        False,
        False,
        True,
        False,
    )
    for what, passes, until_due in steps:
        end = now + passes
        if awake and rules.wake_at() <= end:
            now = max(now, rules.wake_at())
            rules.advance(now)
            assert not rules.paused
        now = end
        outstanding = outstanding or now >= due - rules.lead
        before, lead = rules.paused, rules.lead
        match what:
            case "plan" | "burst" | "no plan":
                due, steady = math.inf if what == "no plan" else now + until_due, what != "burst"
                rules.expect(due, steady=steady, now=now)
            case "begin":
                outstanding, capturing = False, True
                rules.capture_began(now)
            case "frame" | "no frame" if capturing:
                capturing, outstanding = False, outstanding or what == "no frame"
                rules.capture_ended(now, frame=what == "frame")
            case "permit" | "forbid":
                allowed = what == "permit"
                rules.permit(permitted=allowed, now=now)
            case _:
                rules.advance(now)
        outstanding = outstanding or now >= due - lead
        if rules.paused:
            assert allowed
            assert steady
            assert not capturing
            assert not outstanding
            assert now < rules.wake_at() < due < math.inf
            assert before or due - now > PAUSE_OVER
        assert SHORTEST_LEAD <= rules.lead <= LONGEST_LEAD


def test_a_capture_that_waited_for_more_than_a_frame_teaches_nothing() -> None:
    """Neither a longer lead nor a late key frame; the track is paused as after any other frame."""
    rules = paused()
    for n in range(1, LATE_LIMIT + 2):
        due = n * NORMAL
        rules.advance(due - rules.lead)
        assert rules.resumed
        rules.advance(due)
        rules.expect(due + NORMAL, steady=True, now=due)
        rules.capture_began(due)
        rules.capture_ended(due + 2.0, frame=True, learn=False)
        assert rules.paused
        assert not rules.resumed
    assert rules.lead == FIRST_LEAD


def test_a_track_that_cost_its_key_frames_is_a_burden_until_a_minute_after_the_first() -> None:
    """Not a moment longer; one key frame fewer is none."""
    rules = paused()
    rules.expect(1_000.0, steady=True, now=0.0)
    for number in range(KEY_FRAMES):
        assert rules.paused
        assert not rules.burdens(0.1 * number)
        rules.permit(permitted=False, now=0.1 * number)
        rules.permit(permitted=True, now=0.1 * number)
    assert not rules.paused
    assert rules.burdens(MINUTE - 0.01)
    assert not rules.burdens(MINUTE)
