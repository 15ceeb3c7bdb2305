"""How long an HTTP answer asks to wait before the next try. Pure."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(text: str, wall: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, 0 or more; None when the header cannot be read.

    Args:
        text: the header's value: seconds, or an HTTP date.
        wall: seconds since the epoch, for a date.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])  # thousands of years are long enough, and int() refuses very long numbers
    try:
        date = parsedate_to_datetime(text)
        # An HTTP date is always UTC (RFC 9110, 5.6.7), also when it does not say so.
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, stamp - wall)
