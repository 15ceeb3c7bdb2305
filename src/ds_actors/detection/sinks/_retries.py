"""When a webhook posts an event again after a failure. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from attrs import frozen

from ds_actors._backoff import ExponentialBackoff

BACKOFF: Final = ExponentialBackoff(base=0.5, cap=5.0)
_TEMPORARY: Final = frozenset({408, 425, 429})


@frozen
class PostFailure:
    """Why a post was not taken, and whether the same post may be taken later."""

    why: str
    temporary: bool = True
    retry_after: float = 0.0
    """Seconds that the server asks to wait."""


def failure_of(status: int, retry_after: str | None, now: datetime) -> PostFailure:
    """Return what an answer other than 2xx means; 408, 425, 429 and 5xx are temporary.

    Args:
        status: the answer's status.
        retry_after: the header of that name, seconds or an HTTP date; one that cannot be read counts as absent.
        now: the wall clock, with its time zone.
    """
    temporary = status in _TEMPORARY or 500 <= status <= 599
    return PostFailure(f"it answered HTTP {status}", temporary, _seconds(retry_after or "", now))


def retry_delay(failure: PostFailure, posts: int, elapsed: float, within: float, u: float) -> float | None:
    """Return the seconds until the next post; None when there is to be none.

    Args:
        failure: of the last post.
        posts: how many have failed.
        elapsed: seconds since the first began.
        within: seconds from the beginning of the first post after which none begins.
        u: draws the jitter, in [0, 1).
    """
    delay = max(failure.retry_after, BACKOFF.ceiling(posts) * (1 + u) / 2)
    return delay if failure.temporary and elapsed + delay <= within else None


def _seconds(retry_after: str, now: datetime) -> float:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        wait = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, math.ceil(wait.total_seconds()))
