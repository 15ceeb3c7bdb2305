"""What a link may carry, so that every sample arrives within 2 s: when the next is granted, how large it is. Pure.

    a turn is granted, or a sample sent    -> when what was sent before will have left within 0.3 s
    a picture should take                  -> its share of a second of the link: a half when one other turn waits, and
                                              so on, 0.2 s at least
    a picture may take                     -> what is left of 1.75 s since its capture, and no more
    a sample that would arrive after 2 s   -> dropped as `link_too_slow`

So an ALERT's turn waits for one sample of another track, which takes a second at most. On a fast link none of this
makes a difference.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field

from ds_actors.detection.reporting.notes import Note
from ds_actors.detection.turns import Allowance
from ds_actors.detection.uplink.link_speed import START_BYTES, LinkSpeed
from ds_actors.detection.uplink.slowness import LinkSlowness

TOO_SLOW: Final = "link_too_slow"
ARRIVES_WITHIN: Final = 2.0
"""Seconds from the end of its capture within which a sample arrives."""
AIM: Final = 1.75
"""The same for a sample that is being made: an estimate may be wrong by some."""
LONGEST_SEND: Final = 1.0
"""Seconds of the link that one picture should take."""
SHORTEST_SHARE: Final = 0.2
"""The same when many turns wait."""
LEAD: Final = 0.3
"""Seconds before the link is free at which the next sample is begun: capturing and encoding take about as long."""

_ROUNDING: Final = 0.001


@define(eq=False)
class LinkPace:
    """Decides by the estimate of one link; all times are seconds on one monotonic clock."""

    speed: LinkSpeed = field(factory=LinkSpeed)
    slowness: LinkSlowness = field(factory=LinkSlowness)
    _typical: int = field(default=0, init=False)
    """The size of the last sample sent."""

    def is_free(self, now: float, made: int = 0) -> bool:
        """Return whether the next turn may be granted, or sample sent, while so many are being made."""
        return self.speed.left(now) + self._being_made(made, now) <= LEAD

    def free_at(self, now: float, made: int = 0) -> float | None:
        """Return when to ask `is_free` again; None when only the end of what is being made can change it.

        A pong may come sooner.
        """
        left = self.speed.left(now)
        if left == math.inf:
            return self.speed.awaits_until(now)
        spare = LEAD - self._being_made(made, now)
        return None if spare < 0 else now + max(0.0, left - spare) + _ROUNDING

    def allowance(self, captured_at: float, waiting: int, now: float) -> Allowance:
        """Return how large the sample of a picture may be, while so many other turns wait."""
        speed = self.speed
        if not speed.known:
            return Allowance(START_BYTES, math.inf, measured=False)
        left = speed.left(now)
        seconds = AIM - (now - captured_at) - speed.delay(now) - (0.0 if left == math.inf else left)
        most = max(0.0, seconds) * speed.rate(now)
        wish = max(SHORTEST_SHARE, LONGEST_SEND / (1 + waiting)) * speed.rate(now)
        return Allowance(min(wish, most), most)

    def arrives_late(self, size: int, captured_at: float, now: float) -> bool:
        """Return whether a sample that is sent now would arrive later than 2 s after its capture.

        Before anything was measured, no sample would: without one, nothing ever is.
        """
        speed = self.speed
        if not speed.known:
            return False
        return now + speed.left(now) + speed.seconds(size, now) + speed.delay(now) - captured_at > ARRIVES_WITHIN

    def _being_made(self, made: int, now: float) -> float:
        return made * self.speed.seconds(self._typical, now)

    def refused(self, size: int, now: float) -> None:
        """Record that a sample was not sent, because it would arrive too late."""
        self.speed.refused(size, now)
        self.slowness.limited(now)

    def shrunk(self, now: float) -> None:
        """Record that a picture was made smaller because of what is known about the link."""
        self.slowness.limited(now)

    def look(self, now: float) -> Note | None:
        """Return a line for the log when one is due; call it every few seconds."""
        if self.speed.send_lasts(now) > ARRIVES_WITHIN:
            self.slowness.limited(now)
        return self.slowness.look(self.speed.rate(now), now)

    def send_began(self, size: int, now: float) -> None:
        """Record that a sample's send begins."""
        self._typical = size
        self.speed.send_began(size, now)
