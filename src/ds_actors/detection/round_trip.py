"""How long the service takes to answer: measured only when one sample is outstanding, since the wire has no sequence.

Pure.
"""

from __future__ import annotations

from attrs import define


@define
class RoundTrip:
    """The newest round trip of one connection."""

    seconds: float | None = None
    _outstanding: int = 0
    _sent_at: float = 0.0

    def connected(self) -> None:
        """Forget what was outstanding on the connection before."""
        self._outstanding = 0

    def sent(self, now: float) -> None:
        """A sample's send returned."""
        self._outstanding += 1
        self._sent_at = now

    def answered(self, now: float) -> None:
        """A result came."""
        if self._outstanding == 1:
            self.seconds = now - self._sent_at
        self._outstanding = max(0, self._outstanding - 1)
