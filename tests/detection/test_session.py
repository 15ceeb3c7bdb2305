"""The uplink's rules, without a network."""

from __future__ import annotations

import pytest

from ds_actors._backoff import Failure
from ds_actors.detection.session import (
    Close,
    Refused,
    SendPing,
    Session,
    Unreachable,
    UplinkBackoff,
    UplinkError,
    closed,
    parse_head,
    rejected,
)

WALL = 1_800_000_000.0


def failure(error: BaseException | None) -> Failure:
    return Failure(error=error, at=0.0, lived=0.0, healthy=False)


def test_pings_when_nothing_was_received_for_ten_seconds() -> None:
    """One ping is asked for at ten seconds of silence, not sooner and not twice."""
    session = Session(100.0)
    assert session.due() == 110.0
    assert session.tick(109.5) is None
    assert session.tick(110.0) == SendPing()
    assert session.tick(111.0) is None


def test_any_received_byte_delays_the_ping() -> None:
    """Ten seconds count from the last received byte."""
    session = Session(0.0)
    session.received(8.0)
    assert session.tick(17.0) is None
    assert session.tick(18.0) == SendPing()


def test_dead_ten_seconds_after_the_pings_own_send_returned() -> None:
    """A ping that waits behind a slow sample is not held against the other side."""
    session = Session(0.0)
    assert session.tick(10.0) == SendPing()
    assert session.tick(30.0) is None
    session.ping_sent(30.0)
    assert session.due() == 40.0
    assert session.tick(39.5) is None
    assert isinstance(session.tick(40.0), Close)


def test_a_byte_during_the_pings_send_answers_it() -> None:
    """A ping whose answer overtook the return of its send condemns nobody."""
    session = Session(0.0)
    assert session.tick(10.0) == SendPing()
    session.received(11.0)
    session.ping_sent(12.0)
    assert session.tick(20.5) is None
    assert session.tick(21.0) == SendPing()


def test_a_send_that_moves_no_byte_for_ten_seconds_is_dead() -> None:
    """Progress, however small, keeps a slow link alive; its standstill does not."""
    session = Session(0.0)
    session.send_started(1.0)
    for second in (9.0, 18.0):
        session.received(second)
        session.send_progress(second)
    session.received(25.0)
    assert session.tick(27.5) is None
    assert isinstance(session.tick(28.0), Close)


def test_a_send_longer_than_ten_seconds_is_counted_slow() -> None:
    """The next sample can be made smaller."""
    session = Session(0.0)
    session.send_started(0.0)
    session.send_progress(9.0)
    session.send_ended(10.5)
    session.send_started(11.0)
    session.send_ended(21.0)
    assert session.slow_sends == 1


def test_nothing_is_due_while_a_pings_send_waits() -> None:
    """Without a clock running, there is no time to wake up for."""
    session = Session(0.0)
    session.tick(10.0)
    assert session.due() == float("inf")


def test_a_hundred_malformed_messages_in_a_row_close() -> None:
    """Ninety-nine do not, and a good one in between starts the row again."""
    session = Session(0.0)
    assert [session.malformed() for _ in range(99)] == [None] * 99
    session.wellformed()
    assert [session.malformed() for _ in range(99)] == [None] * 99
    assert isinstance(session.malformed(), Close)
    assert session.malformed_total == 199


@pytest.mark.parametrize("status", [401, 403])
def test_these_statuses_refuse(status: int) -> None:
    """401 and 403 are about the key, and the message names its variable."""
    error = rejected(status, [], WALL)
    assert isinstance(error, Refused)
    assert "DATASPIKE_API_KEY" in str(error)


@pytest.mark.parametrize("status", [200, 301, 302, 404, 429, 500, 502, 503])
def test_other_statuses_are_unreachable(status: int) -> None:
    """Everything else may pass, a redirect included: it is not followed."""
    error = rejected(status, [(b"location", b"wss://elsewhere.example")], WALL)
    assert isinstance(error, Unreachable)
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        (429, b"7", 7.0),
        (503, b" 12 ", 12.0),
        (429, b"301", 300.0),
        (429, b"9" * 5_000, 300.0),
        (503, b"Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        (503, b"Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        (503, b"Fri, 15 Jan 2037 07:00:00 GMT", 300.0),
        (429, b"-3", None),
        (429, b"soon", None),
        (429, b"\xff\xfe", None),
        (500, b"7", None),
    ],
)
def test_retry_after(status: int, value: bytes, expected: float | None) -> None:
    """429 and 503 are obeyed, seconds and dates alike, 5 min at most; nonsense is ignored."""
    error = rejected(status, [(b"Retry-After", value)], WALL)
    assert isinstance(error, Unreachable)
    assert error.retry_after == expected


@pytest.mark.parametrize("code", [1008, 3000, 4001, 4003, 4401, 4403])
def test_these_close_codes_refuse(code: int) -> None:
    """A service that takes the upgrade and then refuses the key is a refusal too."""
    assert isinstance(closed(code, "bad key"), Refused)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1009, 1011, 4000, 4404, None])
def test_other_close_codes_are_unreachable(code: int | None) -> None:
    """Any other early close is ordinary backoff."""
    assert isinstance(closed(code, None), Unreachable)


def test_a_close_reason_is_a_strangers_text() -> None:
    """Control characters go and the length is bounded."""
    text = str(closed(1011, "\x1b[31mbad\n" + "x" * 10_000))
    assert text.isprintable()
    assert len(text) < 300


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 401 No\r\nA: b\r\n\r\nhalf a body", 401),
        (b"HTTP/1.1 503\r\nRetry-After: 5\r\n\r\n", 503),
        (b"HTTP/1.1 401 No\r\nA: b\r\n", None),
        (b"SSH-2.0-x 401\r\n\r\n", None),
        (b"HTTP/1.1 abc\r\n\r\n", None),
        (b"\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_head_of_an_answer(head: bytes, status: int | None) -> None:
    """An answer counts from its whole head on, whatever becomes of its body."""
    answer = parse_head(head)
    assert (None if answer is None else answer[0]) == status


def test_unreachable_waits_with_full_jitter() -> None:
    """Base 0.5 s, cap 15 s."""
    backoff = UplinkBackoff()
    failures = [failure(OSError())] * 9
    assert [backoff.delay(failures[:n], 0.5) for n in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert backoff.delay(failures, 0.5) == 7.5
    assert backoff.delay([failure(None)], 0.0) == 0.0


def test_refused_is_probed_rarely() -> None:
    """30 s x (0.8 to 1.2), doubling, 5 min at most, also when the refusal comes inside a group."""
    backoff = UplinkBackoff()
    refused = failure(ExceptionGroup("tasks", [ValueError(), ExceptionGroup("", [Refused("no")])]))
    assert backoff.delay([refused], 0.0) == 24.0
    assert backoff.delay([refused], 0.5) == 30.0
    assert backoff.delay([refused] * 2, 0.5) == 60.0
    assert backoff.delay([refused] * 9, 0.999) == 300.0


def test_retry_after_is_the_least_wait() -> None:
    """What the service asked for, and the jitter on top, so that not everybody comes back at once."""
    backoff = UplinkBackoff()
    assert backoff.delay([failure(Unreachable("429", 60.0))], 0.0) == 60.0
    assert backoff.delay([failure(Unreachable("429", 60.0))], 0.5) == 60.25
    assert backoff.delay([failure(Unreachable("429", 300.0))], 0.9) == 300.0
    assert backoff.delay([failure(Unreachable("429", 60.0)), failure(OSError())], 0.0) == 0.0


def test_an_unreachable_says_its_message_only() -> None:
    """The text fits a log; the wait is an attribute."""
    error: UplinkError = Unreachable("gone", 3.0)
    assert str(error) == "gone"


def test_a_connection_is_healthy_ten_seconds_after_its_upgrade_with_an_answer() -> None:
    """The time that connecting took does not count, nor does a connection that nobody answers on."""
    session = Session(0.0)
    session.answered()
    assert not session.is_healthy(100.0)
    session.opened(100.0)
    assert not session.is_healthy(109.9)
    assert session.is_healthy(110.0)
    silent = Session(0.0)
    silent.opened(1.0)
    assert not silent.is_healthy(1_000.0)
