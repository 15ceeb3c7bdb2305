"""What a monitor measures of its own work: times, bytes, and its actors by part of the tree."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Final

from attrs import define, field

from ds_actors._telemetry import ChildEnded, ChildReady, Node, TelemetryEvent
from ds_actors.detection.status import PartStatus

KEPT: Final = 10_000
"""The newest measurements of a kind that are kept for readers, who come every 5 s: as many as a monitor's 2,000 tracks
make at one sample a second."""


@define
class Series:
    """The newest measurements of one kind, each with a number, so that a reader can go on where it was."""

    count: int = 0
    """How many there have been."""
    _newest: array[float] = field(factory=lambda: array("d"))  # a list would take an object for each

    def add(self, value: float) -> None:
        """Record a measurement."""
        self.count += 1
        self._newest.append(value)
        if len(self._newest) >= 2 * KEPT:
            del self._newest[:KEPT]

    def since(self, count: int) -> list[float]:
        """Return those that came after the first `count`, as far as they are kept."""
        new = min(max(0, self.count - count), len(self._newest), KEPT)
        return self._newest[len(self._newest) - new :].tolist()


@define
class Measurements:
    """Belongs to the thread that trio runs in, but for `bytes_sent` and `parts`, which any thread may read."""

    bytes_sent: int = 0
    """Bytes of the samples sent, without the wire's own."""
    encode_seconds: Series = field(factory=Series)
    arrival_ages: Series = field(factory=Series)
    """Seconds from the end of a sample's capture until the service certainly had it."""
    _restarts: Counter[str] = field(factory=Counter[str])
    _errors: dict[str, str] = field(factory=dict[str, str])
    _tree: tuple[Node, ...] = ()

    def happened(self, event: TelemetryEvent) -> None:
        """Count restarts, and keep the type of each part's last crash."""
        if isinstance(event, ChildReady) and event.incarnation > 1:
            self._restarts[_part(event.path)] += 1
        elif isinstance(event, ChildEnded) and isinstance(event.error, Exception):
            self._errors[_part(event.path)] = type(event.error).__name__

    def looked(self, tree: Node) -> None:
        """Keep the tree as it is now."""
        self._tree = tree.children

    def parts(self) -> tuple[PartStatus, ...]:
        """Return the parts below the monitor, as they were at the last look."""
        return tuple(
            PartStatus(
                part.name,
                sum(node.kind == "actor" and node.status == "running" for _, node in part.walk()),
                self._restarts[part.name],
                sum(0 if node.mailbox is None else node.mailbox.queued for _, node in part.walk()),
                self._errors.get(part.name, ""),
            )
            for part in self._tree
        )


def _part(path: str) -> str:
    """Return the name of the monitor's child that a path such as `/monitor/tracks/TR_1` belongs to."""
    return [*path.split("/"), "", ""][2]
