"""How many bytes a minute a monitor sends, from its totals. Pure."""

from __future__ import annotations

from collections import deque

from attrs import define, field

WINDOW = 60.0
"""Seconds over which the rate is measured."""


@define
class TransferRate:
    """Bytes per minute over the last minute; one total per second is what it is made for."""

    _totals: deque[tuple[float, int]] = field(factory=lambda: deque[tuple[float, int]](maxlen=600))

    def total(self, seconds: float, sent: int) -> None:
        """Take a total; one that is smaller than the last is another monitor's, which begins anew."""
        if self._totals and (sent < self._totals[-1][1] or seconds < self._totals[-1][0]):
            self._totals.clear()
        self._totals.append((seconds, sent))
        while seconds - self._totals[0][0] > WINDOW:
            self._totals.popleft()

    @property
    def per_minute(self) -> float | None:
        """None while there are fewer than two totals."""
        if len(self._totals) < 2:
            return None
        (begin, first), (end, last) = self._totals[0], self._totals[-1]
        return None if end <= begin else (last - first) / (end - begin) * 60
