"""What all monitors of one watch have sent: each that joins the room begins at zero. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

_SUMS: Final = ("sent", "bytes_sent")


@define
class WatchTotals:
    """Sums the uplinks' counts over the monitors of a watch."""

    _ended: Counter[str] = field(factory=Counter[str])
    _ended_dropped: Counter[str] = field(factory=Counter[str])
    _newest: Mapping[str, Any] | None = None

    def take(self, uplink: Mapping[str, Any]) -> None:
        """Take the counts of the monitor at hand."""
        self._newest = uplink

    def end_monitor(self) -> None:
        """Keep the last counts of the monitor at hand: the next ones are another's."""
        if self._newest is not None:
            self._ended.update({name: self._newest[name] for name in _SUMS})
            self._ended_dropped.update(self._newest["dropped"])
            self._newest = None

    def dict(self) -> dict[str, Any]:
        """Return the sums, in the form of an uplink's own."""
        newest = self._newest or {}
        dropped = self._ended_dropped + Counter[str](newest.get("dropped", {}))
        return {**{name: self._ended[name] + newest.get(name, 0) for name in _SUMS}, "dropped": dict(dropped)}
