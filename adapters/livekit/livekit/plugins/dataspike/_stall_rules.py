"""When a track whose frames do not come is asked for them again. Pure.

A track that is published, subscribed and not muted should give frames. Each capture opens a stream of its own; when
captures have had no frame for 4 s, the server is asked to forward the track anew, which brings a key frame:

    no frame for 4 s           -> ask
    still none after a while   -> ask again, after 5, 10, 20, 40, 80 s: six times in all
    a frame                    -> the next stall begins anew
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

STALLED_AFTER: Final = 4.0
"""Seconds from the beginning of the first capture without a frame to the first request."""
SHORTEST_CAPTURE: Final = 1.0
"""Seconds: a capture that was ended sooner says nothing."""
REQUESTS: Final = 6
"""The most requests for one stall."""
_FIRST_WAIT: Final = 5.0


@define(eq=False)
class StallRules:
    """The decisions for one track; all times are seconds on one monotonic clock."""

    requests: int = field(default=0, init=False)
    """How often frames were asked for in this stall."""
    _began: float = field(default=0.0, init=False)
    """When the capture under way began."""
    _since: float | None = field(default=None, init=False)
    """When the first capture without a frame began."""
    _asked_at: float = field(default=0.0, init=False)

    def capture_began(self, now: float) -> None:
        """Record that a capture begins."""
        self._began = now

    def frame(self) -> int:
        """Record a frame; return how many requests it took."""
        requests, self.requests, self._since = self.requests, 0, None
        return requests

    def no_frame(self, now: float) -> bool:
        """Record that a capture ended without a frame; return whether to ask for frames now."""
        if now - self._began < SHORTEST_CAPTURE:
            return False
        if self._since is None:
            self._since = self._began
        if now - self._since < STALLED_AFTER or self.requests >= REQUESTS:
            return False
        if self.requests and now - self._asked_at < _FIRST_WAIT * 2 ** (self.requests - 1):
            return False
        self.requests += 1
        self._asked_at = now
        return True
