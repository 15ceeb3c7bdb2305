"""The service's response time, measured only with a single outstanding sample: the wire has no sequence numbers.

Pure.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

UNANSWERED_AFTER: Final = 30.0
"""Seconds after which a sample counts as unanswered: not every sample gets an answer."""


@define
class RoundTrip:
    """The newest round trip of one connection."""

    seconds: float | None = None
    _outstanding: deque[tuple[str, float]] = field(factory=lambda: deque[tuple[str, float]](maxlen=256))

    def connected(self) -> None:
        """Forget the samples outstanding on the previous connection."""
        self._outstanding.clear()

    def sent(self, track: str, now: float) -> None:
        """Record a sent sample."""
        self._outstanding.append((track, now))

    def answered(self, track: str, now: float) -> None:
        """Record a result; a result of a track without an outstanding sample measures nothing."""
        waiting = self._outstanding
        while waiting and now - waiting[0][1] >= UNANSWERED_AFTER:
            waiting.popleft()
        first = next((entry for entry in waiting if entry[0] == track), None)
        if first is None:
            return
        if len(waiting) == 1:
            self.seconds = now - first[1]
        waiting.remove(first)
