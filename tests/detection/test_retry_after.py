"""How long an HTTP answer asks to wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.retry_after import retry_after

WALL = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
WAITS = {
    "": None,
    "7": 7.0,
    " 12 ": 12.0,
    "-3": None,
    "soon": None,
    "²": None,
    "9" * 4_000: 999_999_999_999.0,
    "Fri, 02 Jan 2026 03:04:35 GMT": 30.0,
    "Fri, 02 Jan 2026 03:04:35 -0000": 30.0,
    "Fri, 02 Jan 2026 05:04:35 +0200": 30.0,
    "Fri, 02 Jan 2026 03:00:00 GMT": 0.0,
    "Fri, 99 Jan 2026 03:00:00 GMT": None,
}


@pytest.mark.parametrize(("text", "seconds"), WAITS.items())
def test_it_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """A date that is past asks for no wait, and what cannot be read is no answer."""
    assert retry_after(text, WALL) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process cannot be set here")
def test_a_date_without_a_zone_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the local time of the agent's machine."""
    try:
        with monkeypatch.context() as patched:
            patched.setenv("TZ", "XYZ-9")
            time.tzset()
            waits = [retry_after(f"Fri, 02 Jan 2026 03:04:35{zone}", WALL) for zone in ("", " -0000", " GMT")]
    finally:
        time.tzset()
    assert waits == [30.0, 30.0, 30.0]


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    """The header comes from a stranger."""
    wait = retry_after(text, WALL)
    assert wait is None or wait >= 0
