"""This machine's clock, compared with the Date header of the service. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from ds_actors.cli._doctor.result import CheckResult, failed, passed, skipped, warned

NOTICEABLE: Final = 2.0
"""Seconds; a Date header has a resolution of one second, so that less means nothing."""
HARMFUL: Final = 30.0
"""Seconds from which timestamps of samples are wrong, and servers may refuse tokens as expired or not yet valid."""
NAME: Final = "clock"


def judge_clock(date: bytes | None, wall: float) -> CheckResult:
    """Judge the clock.

    Args:
        date: the value of the service's Date header; None when it sent none.
        wall: this machine's time when the answer arrived, in seconds since the epoch.
    """
    if date is None:
        return skipped(NAME, "the service sent no Date header")
    try:
        theirs = parsedate_to_datetime(date.decode("latin-1")).timestamp()
    except ValueError:
        return skipped(NAME, "the service's Date header cannot be read")
    # The header holds whole seconds, cut off: its own time was half a second later on average.
    skew = wall - (theirs + 0.5)
    text = f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} the service's"
    fix = "synchronize it, for instance with chrony or systemd-timesyncd"
    if abs(skew) >= HARMFUL:
        return failed(NAME, f"{text}: timestamps are wrong, and tokens may be refused", fix)
    if abs(skew) >= NOTICEABLE:
        return warned(NAME, text, fix)
    return passed(NAME, "agrees with the service's within 2 s")
