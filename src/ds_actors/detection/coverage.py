"""How well a track is covered, independent of its level: the first coverage that applies. Pure."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from attrs import define

NOT_SUBSCRIBED_AFTER: Final = 10.0
NO_FRAMES_AFTER: Final = 3
TOO_SMALL_AFTER: Final = 3
STALE_AFTER: Final = 15.0


class Coverage(StrEnum):
    """Whether a track is checked, and if not, why. The first one that applies counts, in this order."""

    NOT_MONITORED = "not_monitored"
    """The settings, a limit or the host leave it out."""
    MUTED = "muted"
    """It is muted, so there is nothing to check."""
    ENCRYPTED = "encrypted"
    """Its frames cannot be decrypted here."""
    NOT_SUBSCRIBED = "not_subscribed"
    """It was published at least 10 s ago and is not subscribed."""
    FAILING = "failing"
    """Its actor crashes repeatedly and is started again after a delay."""
    NO_FRAMES = "no_frames"
    """At least three captures in a row gave no frame."""
    TOO_SMALL = "too_small"
    """At least three captures in a row gave a picture too small to be judged."""
    STALE = "stale"
    """The last result is older than 15 s, or than three intervals if that is longer."""
    UNJUDGED = "unjudged"
    """Results arrive, but no verdict: errors only, or types that this version does not know."""
    WAITING = "waiting"
    """The first verdict is not there yet, and is not late."""
    CHECKED = "checked"
    """A verdict arrived in time."""

    @property
    def is_blind(self) -> bool:
        """True when a track that should be checked is not, and waiting does not help."""
        return self not in _NOT_BLIND


_NOT_BLIND: Final = frozenset({Coverage.MUTED, Coverage.WAITING, Coverage.CHECKED})


@define
class Facts:
    """The facts that coverage follows from; times are seconds on one monotonic clock."""

    monitored: bool = True
    muted: bool = False
    encrypted: bool = False
    """True when its frames are known to be unreadable."""
    end_to_end: bool = False
    """True when it is end-to-end encrypted; only an arriving frame shows whether it can be decrypted."""
    subscribed: bool = True
    published_at: float = 0.0
    failing: bool = False
    empty_captures: int = 0
    """Consecutive captures without a frame."""
    small_captures: int = 0
    """Captures whose frame was too small to judge, since the last frame that was large enough."""
    last_result: float | None = None
    last_verdict: float | None = None
    """The time of the last result that was a verdict."""
    due_since: float | None = None
    """Since when results are possible: the start or the unmuting."""
    rate: float = 0.2
    """The samples per second promised now; with 0, nothing is stale or unjudged."""


def coverage(facts: Facts, now: float) -> Coverage:
    """Return the first coverage that applies."""
    stale_after = max(STALE_AFTER, 3 / facts.rate) if facts.rate > 0 else math.inf
    if not facts.monitored:
        found = Coverage.NOT_MONITORED
    elif facts.muted:
        found = Coverage.MUTED
    elif facts.encrypted:
        found = Coverage.ENCRYPTED
    elif not facts.subscribed and now - facts.published_at >= NOT_SUBSCRIBED_AFTER:
        found = Coverage.NOT_SUBSCRIBED
    elif facts.failing:
        found = Coverage.FAILING
    elif facts.empty_captures >= NO_FRAMES_AFTER:
        found = Coverage.ENCRYPTED if facts.end_to_end else Coverage.NO_FRAMES
    elif facts.small_captures >= TOO_SMALL_AFTER:
        found = Coverage.TOO_SMALL
    elif _silent(facts.last_result, facts, now) >= stale_after:
        found = Coverage.STALE
    elif facts.last_result is not None and _silent(facts.last_verdict, facts, now) >= stale_after:
        found = Coverage.UNJUDGED
    elif facts.last_verdict is not None and now - facts.last_verdict < stale_after:
        found = Coverage.CHECKED
    else:
        found = Coverage.WAITING
    return found


def _silent(last: float | None, facts: Facts, now: float) -> float:
    """Return the seconds since the last one, or since one became possible: a mute restarts the clock."""
    return now - max((at for at in (last, facts.due_since) if at is not None), default=math.inf)
