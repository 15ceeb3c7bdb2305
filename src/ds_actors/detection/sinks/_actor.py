"""The actor around a sink: order within a track, tracks side by side, nothing a sink does can hurt the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from ds_actors import Actor
from ds_actors.detection.events import ResultEvent
from ds_actors.detection.reporting.log_throttle import LogThrottle
from ds_actors.detection.sinks._queue import AT_ONCE
from ds_actors.detection.sinks._record import SinkRecord
from ds_actors.detection.sinks._reports import LOOK_EVERY, LevelReports
from ds_actors.detection.sinks._sinks import Undelivered

logger = logging.getLogger("ds_actors.detection")

DELIVERY_TIMEOUT: Final = 30.0


@define(eq=False)
class SinkActor(Actor[ResultEvent]):
    """Delivers events as its mailbox allows: it never hands out two of one track at a time, nor over 16 in all.

    Where the record has reports, it also delivers what they say is due.
    """

    record: SinkRecord
    random: Callable[[], float]
    """Draws the jitter of the next try, in [0, 1)."""
    _complaints: LogThrottle = field(factory=LogThrottle)
    _busy: int = 0
    _one_done: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        """Hand each event to a task of its own; when a stop comes, what waits still goes out within the grace."""
        reports = self.record.reports
        if reports is not None:
            reports.restarted()
        looking = None if reports is None else self.context.spawn(self._deliver_due, reports)
        while True:
            try:
                event = await self.inbox.take()
            except trio.EndOfChannel:
                if self._busy:
                    self._one_done = trio.Event()
                    await self._one_done.wait()
                    continue
                if reports is not None and looking is not None:
                    looking.cancel()
                    await self._deliver_outstanding(reports)
                return
            self._busy += 1
            self.context.spawn(self._deliver, event)

    async def _deliver_due(self, reports: LevelReports) -> None:
        while True:
            for event in reports.due(trio.current_time(), self.record.queue.holds):
                self.context.ref.tell(event)
            await trio.sleep(LOOK_EVERY)

    async def _deliver_outstanding(self, reports: LevelReports) -> None:
        async with trio.open_nursery() as nursery:
            for event in reports.outstanding()[:AT_ONCE]:
                nursery.start_soon(self._attempt, event)

    async def _deliver(self, event: ResultEvent) -> None:
        reports = self.record.reports
        if reports is None or reports.needs(event, trio.current_time()):
            await self._attempt(event)
        self.inbox.settle(event)
        self._busy -= 1
        self._one_done.set()

    async def _attempt(self, event: ResultEvent) -> None:
        counts, reports = self.record.counts, self.record.reports
        if reports is not None:
            reports.begin(event)
        outcome = LevelReports.failed
        try:
            with trio.move_on_after(DELIVERY_TIMEOUT) as limit:
                await self.record.sink.deliver(event)
            if limit.cancelled_caught:
                counts.timed_out += 1
                self._complain("timeout", f"took longer than {DELIVERY_TIMEOUT:g} s and was cancelled", None)
            else:
                counts.delivered += 1
                if reports is not None:
                    reports.accepted(event, trio.current_time())
                return
        except Undelivered as error:
            counts.failed[str(error)] += 1
            outcome = LevelReports.refused
        except Exception as error:  # noqa: BLE001 - a stranger's code; counted and logged, the pipeline goes on
            counts.failed[type(error).__name__] += 1
            self._complain(type(error).__name__, "failed", error)
        if reports is not None:
            outcome(reports, event, trio.current_time(), self.random())

    def _complain(self, kind: str, what: str, error: Exception | None) -> None:
        if self._complaints.due(kind, trio.current_time()):
            logger.error("the sink %s %s", self.context.name, what, exc_info=error)
