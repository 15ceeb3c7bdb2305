"""Laws of the uplink's rules, for any history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ds_actors._backoff import Failure
from ds_actors.detection.errors import Refused, Unreachable
from ds_actors.detection.uplink.backoff import UplinkBackoff
from ds_actors.detection.uplink.close_reasons import parse_head, rejected
from ds_actors.detection.uplink.heartbeat import Close, Heartbeat, SendPing

steps = st.lists(st.tuples(st.sampled_from(["received", "tick", "sent"]), st.integers(0, 12)), max_size=60)
errors = st.one_of(
    st.none(),
    st.just(OSError("down")),
    st.just(Refused("no")),
    st.floats(0, 300).map(lambda seconds: Unreachable("busy", seconds)),
)
failures = st.lists(
    errors.map(lambda error: Failure(error=error, at=0.0, lived=0.0, healthy=False)), min_size=1, max_size=40
)
chance = st.floats(0, 1, exclude_max=True)


@given(steps)
def test_no_connection_dies_that_was_heard_of_in_the_last_twenty_seconds(history: list[tuple[str, int]]) -> None:
    """A close needs ten silent seconds, a ping, and ten more after the ping's send returned."""
    now = heard = 0.0
    heartbeat = Heartbeat(now)
    pinged: float | None = None
    for what, seconds in history:
        now += seconds
        if what == "received":
            heartbeat.received(now)
            heard, pinged = now, None
        elif what == "sent":
            heartbeat.ping_sent(now)
        else:
            match heartbeat.tick(now):
                case SendPing():
                    assert pinged is None
                    assert now - heard >= 10
                    pinged = now
                case Close():
                    assert pinged is not None
                    assert now - pinged >= 10
                    assert now - heard >= 20
                    return
                case None:
                    assert now < heartbeat.due()


@given(failures, chance)
def test_delays_are_bounded_and_obey_the_service(history: list[Failure], u: float) -> None:
    """Never over 5 min, a refusal never under 24 s, anything else never under what the service asked."""
    delay = UplinkBackoff().delay(history, u)
    error = history[-1].error
    assert 0 <= delay <= 300
    if isinstance(error, Refused):
        assert delay >= 24
    elif isinstance(error, Unreachable) and error.retry_after:
        assert delay >= error.retry_after
    else:
        assert delay <= 15


@given(st.binary(max_size=200), st.sampled_from([429, 503, 401, 500]))
def test_no_header_breaks_the_classification(value: bytes, status: int) -> None:
    """For any bytes of the service there is a result, with a wait within its limits."""
    error = rejected(status, [(b"retry-after", value)], 1e9)
    if isinstance(error, Unreachable) and error.retry_after is not None:
        assert 0 <= error.retry_after <= 300


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    """A head is a status of three digits, or nothing."""
    for head in (data, b"HTTP/1.1 " + data + b"\r\n\r\n"):
        answer = parse_head(head)
        assert answer is None or 0 <= answer[0] <= 999
