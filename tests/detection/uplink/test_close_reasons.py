"""What the end of a connection means, without a network."""

from __future__ import annotations

import pytest

from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.uplink.close_reasons import closed, leaves, parse_head, rejected

WALL = 1_800_000_000.0


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
    """A service that takes the upgrade and then refuses the key is a refusal too, which names the key's variable."""
    error = closed(code, "bad key")
    assert isinstance(error, Refused)
    assert "DATASPIKE_API_KEY" in str(error)


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


def test_an_unreachable_says_its_message_only() -> None:
    """The text fits a log; the wait is an attribute."""
    error: UplinkError = Unreachable("gone", 3.0)
    assert str(error) == "gone"


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(None, None, "no code"), (1011, None, "1011"), (1011, "", "1011"), (1011, "x", "1011: x")],
)
def test_an_end_says_the_code_and_the_reason_that_there_were(code: int | None, reason: str | None, said: str) -> None:
    """And nothing where there was none."""
    assert str(closed(code, reason)) == f"the connection was closed ({said})"


def test_the_leaves_of_a_group_are_its_errors_at_any_depth() -> None:
    """In their order; an error that is no group is its own leaf."""
    first, second, third = ValueError(), KeyError(), OSError()
    group = ExceptionGroup("", [first, ExceptionGroup("", [ExceptionGroup("", [second]), third])])
    assert list(leaves(group)) == [first, second, third]
    assert list(leaves(first)) == [first]
