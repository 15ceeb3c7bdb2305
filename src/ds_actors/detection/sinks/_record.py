"""What the monitor keeps of each sink, so that it outlives the sink's actor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field

from ds_actors.detection.events import ResultEvent
from ds_actors.detection.sinks._queue import SinkQueue
from ds_actors.detection.sinks._reports import LevelReports
from ds_actors.detection.sinks._sinks import Sink
from ds_actors.detection.status import SinkStatus


@define(eq=False)
class SinkCounts:
    """What became of a sink's deliveries."""

    delivered: int = 0
    timed_out: int = 0
    failed: Counter[str] = field(factory=Counter[str])
    """By the type's name of what the sink raised, or the reason it gave."""


@define(eq=False)
class SinkRecord:
    """One sink, its mailbox and its counts."""

    sink: Sink
    reports: LevelReports | None = None
    """What the sink has received of each track's level; None where it receives every result anyway."""
    counts: SinkCounts = field(factory=SinkCounts)
    queue: SinkQueue = field(factory=SinkQueue)

    def status(self) -> SinkStatus:
        """Return a snapshot, from any thread."""
        counts, mailbox = self.counts, self.queue.statistics()
        return SinkStatus(
            self.sink.name,
            counts.delivered,
            counts.failed.total(),
            counts.timed_out,
            mailbox.refused + sum(mailbox.dropped.values()) + mailbox.failed + mailbox.dead,
            mailbox.queued + mailbox.in_hand,
            0 if self.reports is None else self.reports.behind,
        )

    def lost(self, random: Callable[[], float], event: ResultEvent) -> None:
        """Take an event that the sink accepted and gave up later: where reports are kept, its level is due again."""
        if self.reports is not None:
            self.counts.failed["lost"] += 1
            self.reports.lost(event, trio.current_time(), random())
