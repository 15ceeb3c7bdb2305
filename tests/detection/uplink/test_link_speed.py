"""The estimate of a link's speed, at its edges; the laws are in tests/laws."""

from __future__ import annotations

import math

import pytest

from ds_actors.detection.uplink.link_speed import START_BYTES, WRITE_OFF, LinkSpeed


def passed(speed: LinkSpeed, size: int, began: float, takes: float) -> float:
    """Send a message at `began`, whose pong comes `takes` seconds later; return when."""
    speed.send_began(size, began)
    number = speed.sent(began)
    assert number is not None
    speed.confirmed(number, began + takes)
    return began + takes


def test_before_the_first_measurement_the_link_counts_as_slow() -> None:
    """A second per START_BYTES, and it is not known."""
    speed = LinkSpeed()
    assert (speed.known, speed.rate(0.0), speed.seconds(START_BYTES, 0.0)) == (False, START_BYTES, 1.0)


def test_the_round_trip_of_an_idle_link_is_not_counted_as_sending() -> None:
    """10,000 bytes that are confirmed after 0.6 s, on a link whose pings take 0.1 s, took half a second."""
    speed = LinkSpeed()
    speed.idle_pong(0.1)
    passed(speed, 10_000, 0.0, 0.6)
    assert speed.rate(1.0) == pytest.approx(20_000)
    assert speed.delay(1.0) == 0.1


def test_a_message_that_waits_for_another_is_measured_from_when_the_link_is_free() -> None:
    """Two of 10,000 bytes, sent at once: the second is confirmed a second after the first."""
    speed = LinkSpeed()
    speed.idle_pong(0.2)
    speed.send_began(10_000, 0.0)
    first = speed.sent(0.0)
    speed.send_began(10_000, 0.01)
    second = speed.sent(0.01)
    assert first is not None
    assert second is not None
    speed.confirmed(first, 1.2)
    assert speed.left(1.2) == pytest.approx(1.0)
    speed.confirmed(second, 2.2)
    assert speed.rate(2.2) == pytest.approx(10_000)
    assert speed.left(2.2) == 0.0


def test_a_message_behind_others_without_a_probe_is_measured_with_them() -> None:
    """Ten of 10,000 bytes in a row at 1 MB/s, of which the last is probed: it waited for nine."""
    speed = LinkSpeed()
    speed.idle_pong(0.05)
    passed(speed, 10_000, 0.0, 0.06)
    for n in range(9):
        speed.send_began(10_000, 0.95 + n / 1_000)
        assert speed.sent(0.95 + n / 1_000) is None
    speed.send_began(10_000, 1.02)
    probe = speed.sent(1.02)
    assert probe is not None
    speed.confirmed(probe, 0.95 + 0.1 + 0.05)
    assert speed.rate(2.0) == pytest.approx(1_000_000)
    # From then on the link was free: what follows is measured on its own again.
    passed(speed, 10_000, 2.1, 0.15)
    assert speed.rate(3.0) == pytest.approx(100_000)


def test_a_pong_confirms_all_that_was_sent_before_it() -> None:
    """A peer may answer the last of several pings only (RFC 6455, 5.5.3)."""
    speed = LinkSpeed()
    speed.send_began(10_000, 0.0)
    first = speed.sent(0.0)
    speed.send_began(10_000, 0.0)
    second = speed.sent(0.0)
    assert first is not None
    assert second is not None
    speed.confirmed(second, 1.0)
    assert speed.left(1.0) == 0.0
    rate = speed.rate(1.0)
    speed.confirmed(first, 1.0)
    assert speed.rate(1.0) == rate


def test_a_small_message_says_nothing_about_the_rate() -> None:
    """Its time is the scheduler's."""
    speed = LinkSpeed()
    passed(speed, 1_023, 0.0, 5.0)
    assert not speed.known
    passed(speed, 1_024, 5.0, 1.0)
    assert speed.rate(6.0) == 1_024


def test_a_pong_that_does_not_come_stalls_the_link_and_is_not_waited_for_forever() -> None:
    """Until 10 s after it was expected; what comes later is still measured."""
    speed = LinkSpeed()
    passed(speed, 10_000, -1.0, 1.0)
    speed.send_began(10_000, 0.0)
    number = speed.sent(0.0)
    assert number is not None
    assert speed.left(0.5) == 0.5
    assert speed.left(1.3) == 0.0
    assert speed.left(1.31) == math.inf
    assert speed.awaits_until(5.0) == 1.0 + WRITE_OFF
    assert speed.left(1.0 + WRITE_OFF) == 0.0
    assert speed.awaits_until(20.0) == 20.0
    speed.confirmed(number, 20.0)
    assert speed.rate(20.0) == 500


def test_nothing_follows_the_first_message_of_all_before_its_pong() -> None:
    """How long it takes is not known."""
    speed = LinkSpeed()
    speed.send_began(START_BYTES, 0.0)
    assert speed.left(0.0) == 1.0
    number = speed.sent(0.0)
    assert number is not None
    assert (speed.left(0.9), speed.awaits_until(0.9)) == (math.inf, 1.0 + WRITE_OFF)
    speed.confirmed(number, 1.5)
    assert speed.left(1.5) == 0.0


def test_without_pongs_the_sends_themselves_are_measured() -> None:
    """A service that leaves pings unanswered is not asked again on this connection, but on the next."""
    speed = LinkSpeed()
    speed.send_began(START_BYTES, 0.0)
    assert speed.sent(0.5) == 1
    assert speed.left(11.0) == 0.0
    speed.send_began(20_000, 12.0)
    assert speed.sent(14.0) is None
    assert speed.rate(14.0) == 10_000
    assert speed.left(14.0) == 0.0
    speed.connection_ended(14.5)
    speed.send_began(20_000, 15.0)
    assert speed.sent(15.0) == 2


def test_an_answer_confirms_a_message_where_pings_are_left_unanswered() -> None:
    """Only there, and only when it is clear which message it is about."""
    speed = LinkSpeed()
    for began in (0.0, 10.0):
        speed.send_began(10_000, began)
        assert speed.sent(began) is not None
        assert speed.answered(began + 2.0)
        assert not speed.answered(began + 2.0)
        assert speed.left(began + 2.0) == 0.0
    assert speed.rate(20.0) == 5_000
    speed.send_began(10_000, 20.0)
    speed.send_began(10_000, 20.0)
    assert speed.sent(20.0) is not None
    speed.idle_pong(0.0)
    assert not speed.answered(20.1)
    assert speed.left(20.1) > 3.0


def test_one_message_a_second_is_probed_on_a_fast_link() -> None:
    """Each ping costs; on a slow link every message is."""
    speed = LinkSpeed()
    passed(speed, 100_000, 0.0, 0.01)
    probes = 0
    for number in range(30):
        now = 1.0 + number / 10
        speed.send_began(100_000, now)
        probe = speed.sent(now)
        if probe is not None:
            probes += 1
            speed.confirmed(probe, now + 0.01)
    assert probes == 3


def test_probes_are_bounded() -> None:
    """However many are under way at once."""
    speed = LinkSpeed()
    speed.idle_pong(5.0)
    for number in range(1_000):
        speed.send_began(2_000, number / 500)
        assert speed.sent(number / 500) is not None
    assert len(speed._probes) == 64


def test_after_three_pongs_that_never_came_the_sends_are_measured_until_one_comes() -> None:
    """Answers keep a connection alive whose pings were answered once and never again; each would cost ten seconds."""
    speed = LinkSpeed()
    speed.idle_pong(0.1)
    for number in range(3):
        speed.send_began(2_000, number * 20.0)
        assert speed.sent(number * 20.0) is not None
    for number in range(3, 10):
        speed.send_began(2_000, number * 20.0)
        assert speed.sent(number * 20.0 + 1.0) is None
        assert speed.left(number * 20.0 + 1.0) == 0.0
    assert speed.rate(200.0) == pytest.approx(2_000)
    speed.confirmed(3, 200.0)
    speed.send_began(2_000, 201.0)
    assert speed.sent(201.0) is not None


def test_a_new_connection_has_nothing_under_way_and_keeps_the_estimate() -> None:
    """What was sent on the old one is not waited for, nor measured by a late pong."""
    speed = LinkSpeed()
    passed(speed, 10_000, 0.0, 1.0)
    speed.send_began(50_000, 2.0)
    number = speed.sent(2.0)
    assert number is not None
    assert speed.left(2.0) == pytest.approx(5.0)
    speed.connection_ended(2.0)
    assert speed.left(2.0) == 0.0
    speed.confirmed(number, 2.1)
    assert speed.rate(3.0) == 10_000
    assert speed.known  # or else its first sample would be as small as on an unknown link


@pytest.mark.parametrize(("seconds", "rate"), [(1.9, 10_000), (10.0, 5_000)])
def test_a_send_that_the_end_of_the_connection_cut_off_is_measured(seconds: float, rate: float) -> None:
    """If it was under way for seconds: a link that is too slow for it would be given as much again."""
    speed = LinkSpeed()
    passed(speed, 10_000, 0.0, 1.0)
    speed.send_began(50_000, 2.0)
    speed.connection_ended(2.0 + seconds)
    assert speed.rate(20.0) == rate


def test_what_is_refused_makes_the_estimate_hopeful_until_something_is_measured() -> None:
    """It doubles every 5 s, and the delay halves: only a send can correct them. After that, every 10 and 20 s."""
    speed = LinkSpeed()
    speed.idle_pong(4.0)
    passed(speed, 4_000, 0.0, 8.0)
    speed.refused(4_000, 10.0)
    speed.refused(4_000, 14.0)
    assert (speed.rate(10.0), speed.rate(15.0), speed.rate(20.0)) == (1_000, 2_000, 4_000)
    assert (speed.delay(10.0), speed.delay(20.0)) == (4.0, 1.0)
    assert math.isfinite(speed.rate(1e9))
    passed(speed, 4_000, 20.0, 8.0)
    assert (speed.rate(60.0), speed.delay(60.0)) == (1_000, 4.0)
    for doubles_every in (10.0, 20.0, 20.0):
        speed.refused(4_000, 100.0)
        assert speed.rate(100.0 + doubles_every) == 2_000
        passed(speed, 4_000, 100.0, 8.0)
    passed(speed, 4_000, 120.0, 8.0)
    speed.refused(4_000, 200.0)
    assert speed.rate(205.0) == 2_000


def test_refusing_a_large_message_says_nothing_while_smaller_ones_arrive() -> None:
    """As with sound, which cannot be made smaller; when nothing was measured for a minute, it does."""
    speed = LinkSpeed()
    passed(speed, 8_000, 0.0, 1.0)
    speed.refused(96_000, 5.0)
    assert speed.rate(30.0) == 8_000
    speed.refused(96_000, 61.0)
    assert speed.rate(66.0) == 16_000


def measured(rate: int, at: float = 0.0) -> LinkSpeed:
    """Return a link that carried a message of an eighth of a second at that rate, in bytes per second."""
    speed = LinkSpeed()
    passed(speed, rate // 8, at, 0.125)
    assert speed.rate(at + 1) == rate
    return speed


def test_a_send_that_lasts_says_that_the_link_is_slower_than_it_was() -> None:
    """From the second second on; without one, nothing lasts."""
    speed = measured(65_536)
    assert speed.send_lasts(5.0) == 0.0
    speed.send_began(10_000, 10.0)
    assert (speed.rate(11.5), speed.send_lasts(11.5)) == (65_536, 1.5)
    assert (speed.rate(12.0), speed.rate(14.0)) == (5_000, 2_500)
    slow = measured(8_192)
    slow.send_began(1_000_000, 10.0)
    assert slow.rate(13.0) == 8_192  # what it carried before is slower


def test_a_message_of_a_twentieth_of_a_second_is_always_probed_and_any_other_once_a_second() -> None:
    """On the second."""
    speed = LinkSpeed()
    passed(speed, 10_000, 0.0, 0.1)
    speed.send_began(5_000, 0.5)
    assert speed.sent(0.5) is not None
    fast = measured(1_048_576)
    fast.send_began(2_000, 10.0)
    assert fast.sent(10.0) is not None
    for at, probed in ((10.5, False), (11.0, True)):
        fast.send_began(2_000, at)
        assert (fast.sent(at) is not None) is probed


def test_the_third_pong_is_written_off_on_time() -> None:
    """Ten seconds after it was expected."""
    speed = measured(65_536, -100.0)
    for _ in range(3):
        speed.send_began(8_192, 0.0)
        assert speed.sent(0.0) is not None
    speed.send_began(8_192, 0.375 + WRITE_OFF)
    assert speed.sent(0.375 + WRITE_OFF) is None


def test_a_pong_is_expected_after_the_message_and_the_delay_of_the_link() -> None:
    """Until 0.3 s later, the link does not stall."""
    speed = measured(65_536, -100.0)
    speed.idle_pong(0.5)
    speed.send_began(8_192, 0.0)
    assert speed.sent(0.0) is not None
    assert (speed.left(0.9), speed.left(0.95)) == (0.0, math.inf)


def test_the_delay_is_at_most_that_of_the_fastest_message() -> None:
    """A ping that took longer had waited for something."""
    speed = LinkSpeed()
    speed.idle_pong(0.5)
    passed(speed, 2_000, 0.0, 0.25)
    assert speed.delay(1.0) == 0.25


def test_a_message_is_not_measured_with_what_was_confirmed_before_it() -> None:
    """The first of two took half a second, the second a whole one."""
    speed = LinkSpeed()
    numbers: list[int | None] = []
    for began in (0.0, 0.25):
        speed.send_began(10_000, began)
        numbers.append(speed.sent(began))
    first, second = numbers
    assert first is not None
    assert second is not None
    speed.confirmed(first, 0.5)
    speed.confirmed(second, 1.5)
    assert speed.rate(2.0) == 10_000


def test_a_measurement_of_a_second_ago_is_fresh_whatever_the_clock_says() -> None:
    """So a refusal of something larger says nothing new."""
    speed = measured(65_536, 40.0)
    speed.refused(100_000, 41.0)
    assert speed.rate(100.0) == 65_536


def test_a_send_that_the_end_of_the_connection_cut_off_counts_from_two_seconds_on() -> None:
    """A shorter one says nothing, however little it carried."""
    for seconds, rate in ((1.75, 65_536), (2.0, 1_000)):
        speed = measured(65_536)
        speed.send_began(2_000, 10.0)
        speed.connection_ended(10.0 + seconds)
        assert speed.rate(20.0) == rate


def test_a_pong_of_the_connection_before_is_not_waited_for() -> None:
    """The new one is free."""
    speed = measured(65_536)
    speed.send_began(8_192, 10.0)
    assert speed.sent(10.0) is not None
    speed.connection_ended(10.0)
    assert speed.left(15.0) == 0.0
