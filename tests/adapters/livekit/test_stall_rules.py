"""When frames are asked for, in time without a clock."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from livekit.plugins.dataspike._stall_rules import REQUESTS, STALLED_AFTER, StallRules


def captures(rules: StallRules, begin: float, end: float, every: float = 5.0, lasts: float = 2.0) -> list[float]:
    """Make captures without a frame from `begin` to `end`; return when frames were asked for."""
    asked: list[float] = []
    while begin < end:
        rules.capture_began(begin)
        if rules.no_frame(begin + lasts):
            asked.append(begin + lasts)
        begin += every
    return asked


def test_a_stalled_track_is_asked_for_less_and_less_often_and_then_no_more() -> None:
    """At the second capture without a frame, then after 5, 10, 20, 40 and 80 s."""
    rules = StallRules()
    assert captures(rules, 0, 3_600) == [7, 12, 22, 42, 82, 162]


def test_a_frame_ends_the_stall() -> None:
    """The next one begins anew, and the number of requests is told."""
    rules = StallRules()
    assert captures(rules, 0, 15) == [7, 12]
    assert rules.frame() == 2
    assert rules.frame() == 0
    assert captures(rules, 100, 110) == [107]


def test_a_stall_is_one_from_four_seconds_on_by_captures_of_one_second() -> None:
    """The bounds belong to what counts."""
    rules = StallRules()
    rules.capture_began(10.0)
    assert not rules.no_frame(13.9)
    assert rules.no_frame(14.0)
    short = StallRules()
    short.capture_began(10.0)
    assert not short.no_frame(11.0)
    short.capture_began(13.5)
    assert short.no_frame(14.5)
    ended_at_once = StallRules()
    ended_at_once.capture_began(10.0)
    assert not ended_at_once.no_frame(10.9)
    ended_at_once.capture_began(13.0)
    assert not ended_at_once.no_frame(14.5)


def test_a_single_capture_without_a_frame_is_no_stall() -> None:
    """Many that are ended at once, as by muting, are none either."""
    rules = StallRules()
    assert captures(rules, 0, 5) == []
    rules.frame()
    assert captures(rules, 10, 1_000, lasts=0.5) == []


def test_a_capture_that_waits_long_is_a_stall_by_itself() -> None:
    """As of a screen share, whose captures wait for 10 s."""
    assert captures(StallRules(), 0, 1, lasts=10) == [10]


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 12), st.booleans()), max_size=200))
def test_the_requests_of_a_stall_are_bounded_and_apart(history: list[tuple[float, float, bool]]) -> None:
    """At most six without a frame in between, none before 4 s, each wait twice as long as the one before."""
    rules, now = StallRules(), 0.0
    asked: list[float] = []
    since: float | None = None
    for wait, lasts, frame in history:
        now += wait
        rules.capture_began(now)
        began, now = now, now + lasts
        if frame:
            rules.frame()
            asked, since = [], None
        elif rules.no_frame(now):
            assert since is not None or lasts >= STALLED_AFTER
            assert now - (began if since is None else since) >= STALLED_AFTER
            asked.append(now)
        if not frame and since is None and lasts >= 1.0:
            since = began
        assert len(asked) <= REQUESTS
        assert all(b - a >= 5 * 2**n for n, (a, b) in enumerate(itertools.pairwise(asked)))
