"""What a keeper says of itself, as a snapshot and as metrics. A room's name is in no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from attrs import frozen
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@frozen
class KeeperStatus:
    """A frozen snapshot of a keeper."""

    state: Literal["idle", "running", "closed", "failed"] = "idle"
    unavailable: str = ""
    """Why the server could not be asked at the last look; empty while it can."""
    watched: int = 0
    """Rooms with people and a detector that answers, at the last look that succeeded."""
    waiting: int = 0
    """Rooms with people and without such a detector, for 15 s at most."""
    unwatched: tuple[str, ...] = ()
    """The names of those without one for longer, the longest first. A room's name is hostile input."""
    looks: int = 0
    requested: int = 0
    """Dispatches that the server accepted."""
    removed: int = 0
    """Detectors removed: dead ones, and the younger of two."""
    failed: int = 0
    """Looks and actions that failed."""
    postponed: int = 0
    """Actions that had to wait for a later look, because enough of them were under way."""
    left_out: int = 0
    """Rooms above the limit of 10,000, at which the keeper does not look."""

    @property
    def all_watched(self) -> bool:
        """Whether the server can be asked, and no room is unwatched or left out."""
        return not (self.unavailable or self.unwatched or self.left_out) and self.state == "running"


class KeeperCollector(Collector):
    """The metrics of one keeper, read from its status at each scrape."""

    def __init__(self, status: Callable[[], KeeperStatus]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        status = self._status()
        rooms = GaugeMetricFamily("ds_actors_keeper_rooms", "Rooms with people, by state.", labels=["state"])
        rooms.add_metric(["watched"], status.watched)
        rooms.add_metric(["waiting"], status.waiting)
        rooms.add_metric(["unwatched"], len(status.unwatched))
        rooms.add_metric(["left_out"], status.left_out)
        yield rooms
        yield GaugeMetricFamily(
            "ds_actors_keeper_available", "1 while the LiveKit server answers.", value=float(not status.unavailable)
        )
        for name, text, value in (
            ("looks", "Looks at all rooms.", status.looks),
            ("requests", "Dispatches requested.", status.requested),
            ("removals", "Detectors removed.", status.removed),
            ("failures", "Looks and actions that failed.", status.failed),
            ("postponed", "Actions that had to wait for a later look.", status.postponed),
        ):
            yield CounterMetricFamily(f"ds_actors_keeper_{name}", text, value=value)
