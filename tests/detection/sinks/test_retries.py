"""When a webhook posts again, and what an answer says about that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.sinks._retries import PostFailure, failure_of, retry_delay

WALL = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, 0), ("7", 7), ("soon", 0), ("Fri, 02 Jan 2026 03:04:35 GMT", 30)]
)
def test_a_failure_knows_how_long_the_server_asks_to_wait(header: str | None, seconds: float) -> None:
    """A header that is absent, or cannot be read, asks for no wait."""
    assert failure_of(503, header, WALL).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "temporary"), [(408, True), (429, True), (500, True), (599, True), (600, False), (302, False)]
)
def test_which_statuses_are_temporary(status: int, temporary: bool) -> None:
    """The failure names its status."""
    assert failure_of(status, None, WALL) == PostFailure(f"it answered HTTP {status}", temporary)


def test_the_delays_double_up_to_a_cap() -> None:
    """Half of each is fixed, the other half is drawn."""
    refused = PostFailure("ConnectError")
    assert [retry_delay(refused, posts, 0, 20, 0.0) for posts in range(1, 7)] == [0.25, 0.5, 1.0, 2.0, 2.5, 2.5]
    assert retry_delay(refused, 6, 0, 20, 0.5) == 3.75


def test_an_order_to_wait_is_obeyed_or_ends_the_delivery() -> None:
    """Within the bound the wait is what the server says; a longer one is not shortened."""
    assert retry_delay(PostFailure("", retry_after=7), 1, 1, 20, 0.5) == 7
    assert retry_delay(PostFailure("", retry_after=19), 1, 1, 20, 0.5) == 19
    assert retry_delay(PostFailure("", retry_after=20), 1, 1, 20, 0.5) is None


@given(st.integers(1, 10_000), st.floats(0, 100), st.floats(0, 60), st.floats(0, 100), st.floats(0, 0.99))
def test_no_post_begins_after_the_bound(
    posts: int, elapsed: float, within: float, retry_after: float, u: float
) -> None:
    """Whatever the server asks for, and a failure that is final ends it."""
    delay = retry_delay(PostFailure("", retry_after=retry_after), posts, elapsed, within, u)
    assert delay is None or (elapsed + delay <= within and delay >= retry_after and delay > 0)
    assert retry_delay(PostFailure("", temporary=False), posts, elapsed, within, u) is None
