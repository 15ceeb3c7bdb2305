"""A level that rises only after several verdicts in a row: the simple guard against one wrong verdict. Pure.

The M-of-N rule of radar track initiation with M = N; source: Bar-Shalom, Li: "Multitarget-Multisensor Tracking" (1995),
section 3.3.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from attrs import define, field

from ds_actors.detection.events import Level

MOST_CONFIRMATIONS: Final = 100


def check_min_confirmations(count: object) -> int:
    """Return the number of verdicts that a level needs to rise.

    Raises:
        ValueError: when it is no integer from 1 to 100.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_CONFIRMATIONS:
        raise ValueError(f"min_confirmations must be an integer from 1 to {MOST_CONFIRMATIONS}, not {count!r}")
    return count


@define
class Confirmation:
    """The state of one track: its level, and the verdicts in a row that are above it.

    The level rises to the lowest of the last `needed` verdicts, and falls with the first verdict below it.
    """

    needed: int
    level: Level = Level.UNKNOWN
    _above: tuple[Level, ...] = field(default=(), init=False)

    @property
    def waiting(self) -> int:
        """The number of verdicts in a row that are above the level and do not raise it yet."""
        return len(self._above)

    @property
    def attention(self) -> Level:
        """The level by which the track is sampled: the unconfirmed verdict, so that it is looked into at once."""
        return self._above[-1] if self._above else self.level

    def observe(self, verdict: Level) -> Level:
        """Take a verdict and return the level; anything but a verdict changes nothing."""
        if not verdict.is_verdict:
            return self.level
        if verdict.severity <= self.level.severity or verdict is Level.CLEAR:
            self.level, self._above = verdict, ()
            return self.level
        self._above = (*self._above, verdict)
        if len(self._above) >= self.needed:
            level = self.level = min(self._above, key=lambda above: above.severity)
            newest_first = takewhile(lambda above: above.severity > level.severity, reversed(self._above))
            self._above = tuple(reversed(list(newest_first)))
        return self.level

    def adopt(self, other: Confirmation) -> None:
        """Take over another track's level and unconfirmed verdicts, as a successor does."""
        self.level, self._above = other.level, other._above
