"""How long the service takes to answer: measured only when one sample is outstanding, since the wire has no sequence.

Pure.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

UNANSWERED_AFTER: Final = 30.0
"""Seconds after which a sample is not waited for any more: one answer a sample is not assumed."""


@define
class RoundTrip:
    """The newest round trip of one connection."""

    seconds: float | None = None
    _outstanding: deque[tuple[str, float]] = field(factory=lambda: deque[tuple[str, float]](maxlen=256))

    def connected(self) -> None:
        """Forget what was outstanding on the connection before."""
        self._outstanding.clear()

    def sent(self, track: str, now: float) -> None:
        """A sample's send returned."""
        self._outstanding.append((track, now))

    def answered(self, track: str, now: float) -> None:
        """A result came; one of a track that nothing is outstanding of measures nothing."""
        waiting = self._outstanding
        while waiting and now - waiting[0][1] >= UNANSWERED_AFTER:
            waiting.popleft()
        first = next((one for one in waiting if one[0] == track), None)
        if first is None:
            return
        if len(waiting) == 1:
            self.seconds = now - first[1]
        waiting.remove(first)
