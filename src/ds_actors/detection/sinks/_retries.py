"""When a webhook posts an event again after a failure. Pure."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ds_actors._backoff import ExponentialBackoff
from ds_actors.detection.retry_after import retry_after

BACKOFF: Final = ExponentialBackoff(base=0.5, cap=5.0)
_TEMPORARY: Final = frozenset({408, 425, 429})


@frozen
class PostFailure:
    """Why a post was not taken, and whether the same post may be taken later."""

    why: str
    temporary: bool = True
    retry_after: float = 0.0
    """Seconds that the server asks to wait."""


def failure_of(status: int, wait: str | None, wall: float) -> PostFailure:
    """Return what an answer other than 2xx means; 408, 425, 429 and 5xx are temporary.

    Args:
        status: the answer's status.
        wait: its header Retry-After; one that cannot be read counts as absent.
        wall: seconds since the epoch.
    """
    temporary = status in _TEMPORARY or 500 <= status <= 599
    return PostFailure(f"it answered HTTP {status}", temporary, retry_after(wait or "", wall) or 0.0)


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
