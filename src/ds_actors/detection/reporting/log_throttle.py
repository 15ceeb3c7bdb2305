"""Limits each kind of log line to one per minute. Pure."""

from __future__ import annotations

from typing import Final

from attrs import define, field

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two lines of one kind."""


@define
class LogThrottle:
    """Remembers when each kind of problem was last logged."""

    _at: dict[str, float] = field(factory=dict[str, float], init=False)

    def due(self, kind: str, now: float) -> bool:
        """Return whether to log that kind now (monotonic seconds), and record it as logged."""
        if now - self._at.get(kind, -COMPLAIN_EVERY) < COMPLAIN_EVERY:
            return False
        self._at[kind] = now
        return True
