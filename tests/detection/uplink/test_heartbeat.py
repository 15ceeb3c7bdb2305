"""When a connection is dead, and when it has proven itself, without a network."""

from __future__ import annotations

from ds_actors.detection.uplink.heartbeat import Close, Heartbeat, SendPing


def test_a_thousand_control_frames_within_ten_seconds_are_too_many() -> None:
    """Each ping is answered; a service that pings as often as once in 10 ms for ever is not."""
    heartbeat = Heartbeat(0.0)
    for n in range(5_000):
        assert heartbeat.control_frames(1, n / 90) is None
    heartbeat = Heartbeat(0.0)
    assert heartbeat.control_frames(999, 9.0) is None
    assert isinstance(heartbeat.control_frames(1, 9.9), Close)
    # Each ten seconds are counted on their own.
    heartbeat = Heartbeat(0.0)
    for began in (20.0, 30.0, 45.0):
        assert heartbeat.control_frames(999, began) is None
        assert heartbeat.control_frames(0, began + 9.9) is None
    assert isinstance(heartbeat.control_frames(1, 54.9), Close)


def test_pings_when_nothing_was_received_for_ten_seconds() -> None:
    """One ping is asked for at ten seconds of silence, not sooner and not twice."""
    heartbeat = Heartbeat(100.0)
    assert heartbeat.due() == 110.0
    assert heartbeat.tick(109.5) is None
    assert heartbeat.tick(110.0) == SendPing()
    assert heartbeat.tick(111.0) is None


def test_a_send_that_was_cut_off_ends_the_connection_at_once() -> None:
    """Whatever is received meanwhile: the service would read the next message as the rest of that one."""
    heartbeat = Heartbeat(100.0)
    heartbeat.send_started(100.0)
    heartbeat.send_cut_off()
    heartbeat.send_ended()
    heartbeat.received(101.0)
    assert heartbeat.due() <= 101.0
    assert heartbeat.tick(101.0) == Close("a send was cut off")


def test_any_received_byte_delays_the_ping() -> None:
    """Ten seconds count from the last received byte."""
    heartbeat = Heartbeat(0.0)
    heartbeat.received(8.0)
    assert heartbeat.tick(17.0) is None
    assert heartbeat.tick(18.0) == SendPing()


def test_dead_ten_seconds_after_the_pings_own_send_returned() -> None:
    """A ping that waits behind a slow sample is not held against the other side."""
    heartbeat = Heartbeat(0.0)
    assert heartbeat.tick(10.0) == SendPing()
    assert heartbeat.tick(30.0) is None
    heartbeat.ping_sent(30.0)
    assert heartbeat.due() == 40.0
    assert heartbeat.tick(39.5) is None
    assert isinstance(heartbeat.tick(40.0), Close)


def test_a_byte_during_the_pings_send_answers_it() -> None:
    """A ping whose answer overtook the return of its send closes nothing."""
    heartbeat = Heartbeat(0.0)
    assert heartbeat.tick(10.0) == SendPing()
    heartbeat.received(11.0)
    heartbeat.ping_sent(12.0)
    assert heartbeat.tick(20.5) is None
    assert heartbeat.tick(21.0) == SendPing()


def test_a_send_that_moves_no_byte_for_ten_seconds_is_dead() -> None:
    """Progress, however small, keeps a slow link alive; its standstill does not."""
    heartbeat = Heartbeat(0.0)
    heartbeat.send_started(1.0)
    for second in (9.0, 18.0):
        heartbeat.received(second)
        heartbeat.send_progress(second)
    heartbeat.received(25.0)
    assert heartbeat.tick(27.5) is None
    assert isinstance(heartbeat.tick(28.0), Close)


def test_a_send_in_progress_brings_a_deadline_of_its_own() -> None:
    """Ten seconds from the last byte that moved, until it ends."""
    heartbeat = Heartbeat(0.0)
    sending = [heartbeat.sending]
    heartbeat.send_started(1.0)
    sending.append(heartbeat.sending)
    heartbeat.received(5.0)
    assert heartbeat.due() == 11.0
    heartbeat.send_progress(3.0)
    assert heartbeat.due() == 13.0
    heartbeat.send_ended()
    assert [*sending, heartbeat.sending] == [False, True, False]
    assert heartbeat.due() == 15.0
    assert heartbeat.tick(14.0) is None


def test_the_last_byte_counts_from_the_accepted_upgrade_on() -> None:
    """Before that, no connection was lost."""
    heartbeat = Heartbeat(0.0)
    heartbeat.received(1.0)
    heard = [heartbeat.heard]
    heartbeat.opened(2.0)
    heard.append(heartbeat.heard)
    heartbeat.received(3.0)
    assert [*heard, heartbeat.heard] == [None, 1.0, 3.0]


def test_nothing_is_due_while_a_pings_send_waits() -> None:
    """Without a clock running, there is no time to wake up for."""
    heartbeat = Heartbeat(0.0)
    heartbeat.tick(10.0)
    assert heartbeat.due() == float("inf")


def test_a_connection_is_as_old_as_its_accepted_upgrade() -> None:
    """Before that it has no age."""
    heartbeat = Heartbeat(0.0)
    assert not heartbeat.is_older_than(1.0, 100.0)
    heartbeat.opened(100.0)
    assert not heartbeat.is_older_than(1.0, 101.0)
    assert heartbeat.is_older_than(1.0, 101.1)


def test_a_hundred_malformed_messages_in_a_row_close() -> None:
    """Ninety-nine do not, and a good one in between starts the row again."""
    heartbeat = Heartbeat(0.0)
    assert [heartbeat.malformed() for _ in range(99)] == [None] * 99
    heartbeat.wellformed()
    assert [heartbeat.malformed() for _ in range(99)] == [None] * 99
    assert isinstance(heartbeat.malformed(), Close)


def test_a_connection_is_healthy_ten_seconds_after_its_upgrade_with_an_answer() -> None:
    """The time that connecting took does not count, and a connection without an answer does not either."""
    heartbeat = Heartbeat(0.0)
    heartbeat.answered()
    assert not heartbeat.is_healthy(100.0)
    heartbeat.opened(100.0)
    assert not heartbeat.is_healthy(109.9)
    assert heartbeat.is_healthy(110.0)
    silent = Heartbeat(0.0)
    silent.opened(1.0)
    assert not silent.is_healthy(1_000.0)


def test_a_service_that_answers_none_of_the_samples_of_60_seconds_is_dead() -> None:
    """Although bytes arrive; an answer begins the 60 s anew, and fewer than three samples may stay unanswered."""
    heartbeat = Heartbeat(0)
    for now in range(0, 60, 5):
        heartbeat.received(now)
        heartbeat.sample_sent(now)
        assert heartbeat.tick(now) is None
    heartbeat.received(59.9)
    assert heartbeat.tick(59.9) is None
    assert heartbeat.due() == 60
    assert heartbeat.tick(60) == Close("the service answered none of the 12 samples of the last 60 s")
    heartbeat.sample_answered()
    assert heartbeat.tick(60) is None
    for now in (100, 150):
        heartbeat.sample_sent(now)
    heartbeat.received(155)
    assert heartbeat.due() == 165
    assert heartbeat.tick(155) is None
    heartbeat.sample_sent(155)
    assert heartbeat.due() == 160
    heartbeat.received(170)
    assert isinstance(heartbeat.tick(170), Close)


def test_a_message_that_does_not_end_within_ten_seconds_closes() -> None:
    """Although bytes arrive all the time."""
    heartbeat = Heartbeat(0)
    heartbeat.message_began(2)
    heartbeat.message_ended()
    heartbeat.received(5)
    assert heartbeat.due() == 15
    assert heartbeat.tick(13) is None
    heartbeat.message_began(7)
    heartbeat.received(16.9)
    assert heartbeat.due() == 17
    assert heartbeat.tick(16.9) is None
    assert heartbeat.tick(17) == Close("a message of the service did not end within 10 s")
