"""What a link may carry, in figures; the laws are in tests/laws."""

from __future__ import annotations

import math

import pytest

from ds_actors.detection.turns import Allowance
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.link_speed import START_BYTES, WRITE_OFF


def measured(rate: int, delay: float = 0.0) -> LinkPace:
    """Return the pace of a link that is measured at so many bytes per second, and free at 0 s."""
    pace = LinkPace()
    pace.speed.idle_pong(delay)
    send(pace, rate, -10.0, confirmed_at=-9.0 + delay)
    return pace


def send(pace: LinkPace, size: int, at: float, confirmed_at: float | None = None) -> None:
    pace.send_began(size, at)
    probe = pace.speed.sent(at)
    assert probe is not None
    if confirmed_at is not None:
        pace.speed.confirmed(probe, confirmed_at)


@pytest.mark.parametrize(("waiting", "seconds"), [(0, 1.0), (1, 0.5), (3, 0.25), (4, 0.2), (1_000, 0.2)])
def test_a_picture_takes_its_share_of_a_second(waiting: int, seconds: float) -> None:
    """Half of one when another turn waits, and a fifth at least."""
    assert measured(10_000).allowance(0.0, waiting, 0.0).wish == pytest.approx(10_000 * seconds)


def test_what_is_left_of_the_time_bounds_both() -> None:
    """1.75 s, less the age, the round trip, and what is still under way."""
    pace = measured(10_000, delay=0.25)
    assert pace.allowance(0.0, 0, 0.5) == Allowance(10_000, 10_000)
    assert pace.allowance(0.0, 0, 1.0) == Allowance(5_000, 5_000)
    send(pace, 2_000, 1.0)
    assert pace.allowance(1.0, 0, 1.0).most == pytest.approx(13_000)
    assert pace.allowance(0.0, 0, 1.5).most == 0


def test_a_stalled_link_is_no_reason_for_a_smaller_picture() -> None:
    """It waits, and is dropped when it is too old."""
    pace = measured(10_000)
    send(pace, 2_000, 0.0)
    assert pace.speed.left(1.0) == math.inf
    assert pace.allowance(1.0, 0, 1.0) == Allowance(10_000, 17_500)


def test_the_first_picture_of_all_should_be_small_and_may_be_large() -> None:
    """Without a first one, nothing is ever known."""
    pace = LinkPace()
    assert pace.allowance(0.0, 20, 0.5) == Allowance(START_BYTES, math.inf, measured=False)
    assert not pace.arrives_late(10_000_000, 0.0, 1.0)


def test_the_link_is_free_shortly_before_what_was_sent_has_left() -> None:
    """0.3 s, and later when something is being made that will take as long as the last sample did."""
    pace = measured(10_000)
    send(pace, 8_000, 0.0)
    assert not pace.is_free(0.49)
    assert pace.is_free(0.51)
    assert pace.free_at(0.0) == pytest.approx(0.501)
    assert pace.free_at(0.6) == pytest.approx(0.601)
    assert not pace.is_free(0.8, made=1)
    assert pace.free_at(0.8, made=1) is None
    send(pace, 1_000, 0.8, confirmed_at=0.9)
    assert pace.is_free(0.9, made=2)
    assert not pace.is_free(0.9, made=4)
    send(pace, 1_000, 1.0)
    assert pace.is_free(1.0, made=1)
    assert pace.speed.left(1.0) == pytest.approx(0.1)
    send(pace, 1_000, 1.0)
    assert not pace.is_free(1.0, made=2)
    assert pace.free_at(1.0, made=2) == pytest.approx(1.101)


def test_the_link_is_free_exactly_that_long_before() -> None:
    """What is being made may take all of it: then nothing else may be under way."""
    pace = measured(10_000)
    send(pace, 3_000, 0.0)
    assert pace.is_free(0.0)
    assert not pace.is_free(0.0, made=1)
    assert pace.free_at(0.0, made=1) == pytest.approx(0.301)


def test_a_stalled_link_is_asked_again_when_its_pong_is_not_waited_for_any_longer() -> None:
    """A pong asks sooner."""
    pace = measured(10_000)
    send(pace, 5_000, 0.0)
    assert not pace.is_free(1.0)
    assert pace.free_at(1.0) == 0.5 + WRITE_OFF
    assert pace.is_free(0.5 + WRITE_OFF)


@pytest.mark.parametrize(("captured_at", "late"), [(0.4, False), (0.25, False), (0.2, True)])
def test_a_sample_is_late_when_it_would_arrive_after_two_seconds(captured_at: float, late: bool) -> None:
    """What is under way, its own sending and the round trip count: here 0.5, 0.5 and 0.25 s from the time 1 on."""
    pace = measured(10_000, delay=0.25)
    send(pace, 5_000, 1.0)
    assert pace.arrives_late(5_000, captured_at, 1.0) is late


def test_a_picture_that_is_shrunk_or_refused_limits_the_link() -> None:
    """A refused one also makes the estimate hope for better."""
    pace = measured(10_000)
    for now in (0.0, 20.0):
        pace.shrunk(now)
    assert pace.look(20.0) is not None
    pace = measured(10_000)
    for now in (0.0, 20.0):
        pace.refused(1_000, now)
    assert pace.look(20.0) is not None
    assert pace.speed.rate(25.0) > 10_000


def test_a_send_that_does_not_return_limits_the_link() -> None:
    """Before it returns, after two seconds."""
    pace = measured(10_000)
    pace.send_began(100_000, 0.0)
    assert [now for now in range(0, 30, 2) if pace.look(float(now)) is not None] == [14]
