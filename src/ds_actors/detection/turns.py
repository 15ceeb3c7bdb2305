"""What passes between tracks and uplink about turns: a track requests one, the outbox grants it. Pure.

Tracks and uplink import this module, and nothing else from each other.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ds_actors.detection.events import Level, Sample


@frozen
class RequestTurn:
    """A sample of this track is due."""

    track: str
    participant: str
    level: Level
    grantee: Any = field(repr=False, eq=False)
    """The reference that the uplink tells when the turn is granted."""


@frozen
class Relevel:
    """The track's level changed, and with it the urgency of a waiting turn."""

    track: str
    level: Level


@frozen
class CaptureLate:
    """A capture is slow: return its turn and continue outside the window; refused when too many do so already."""

    track: str


@frozen
class Deliver:
    """The sample of a granted turn, or of a late capture."""

    track: str
    sample: Sample


@frozen
class GiveUp:
    """The turn produced no sample."""

    track: str
    reason: str


@frozen
class Withdraw:
    """The track ended, was muted or restarted: drop all its entries in the outbox."""

    track: str
    reason: str = "ended"
    for_good: bool = False
    """The track will not come back: also forget its last grant."""


@frozen
class Granted:
    """The outbox gave this track its turn."""

    request: RequestTurn
    """The request; a track ignores a request that it has withdrawn, or that an earlier incarnation made."""


@frozen
class Allowance:
    """How large the next sample may be."""

    wish: float
    """Bytes it should have."""
    most: float
    """Bytes over which it would arrive too late."""
    measured: bool = True
    """False while nothing is known about the link."""


@frozen
class LinkConfirmed:
    """The service has read what was sent: the link may be free for more."""


TurnMessage = RequestTurn | Relevel | CaptureLate | Deliver | GiveUp | Withdraw
OutboxMessage = TurnMessage | LinkConfirmed
