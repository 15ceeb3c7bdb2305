"""The actor around a sink: order within a track, tracks side by side, nothing a sink does can hurt the rest."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

import trio
from attrs import define, field

from ds_actors import Actor
from ds_actors.detection.events import ResultEvent
from ds_actors.detection.log_throttle import LogThrottle
from ds_actors.detection.sinks._sinks import Sink, Undelivered

logger = logging.getLogger("ds_actors.detection")

DELIVERY_TIMEOUT: Final = 30.0


@define(eq=False)
class SinkCounts:
    """What became of a sink's events; kept by the monitor, so that it outlives the actor."""

    delivered: int = 0
    timed_out: int = 0
    failed: Counter[str] = field(factory=Counter[str])
    """By the type's name of what the sink raised, or the reason it gave."""


@define(eq=False)
class SinkActor(Actor[ResultEvent]):
    """Delivers events as its mailbox allows: it never hands out two of one track at a time, nor over 16 in all."""

    sink: Sink
    counts: SinkCounts
    _complaints: LogThrottle = field(factory=LogThrottle)
    _busy: int = 0
    _one_done: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        """Hand each event to a task of its own; when a stop comes, what waits still goes out within the grace."""
        while True:
            try:
                event = await self.inbox.take()
            except trio.EndOfChannel:
                if not self._busy:
                    return
                self._one_done = trio.Event()
                await self._one_done.wait()
                continue
            self._busy += 1
            self.context.spawn(self._deliver, event)

    async def _deliver(self, event: ResultEvent) -> None:
        try:
            with trio.move_on_after(DELIVERY_TIMEOUT) as limit:
                await self.sink.deliver(event)
            if limit.cancelled_caught:
                self.counts.timed_out += 1
                self._complain("timeout", f"took longer than {DELIVERY_TIMEOUT:g} s and was cancelled", None)
            else:
                self.counts.delivered += 1
        except Undelivered as error:
            self.counts.failed[str(error)] += 1
        except Exception as error:  # noqa: BLE001 - a stranger's code; counted and logged, the pipeline goes on
            self.counts.failed[type(error).__name__] += 1
            self._complain(type(error).__name__, "failed", error)
        self.inbox.settle(event)
        self._busy -= 1
        self._one_done.set()

    def _complain(self, kind: str, what: str, error: Exception | None) -> None:
        if self._complaints.due(kind, trio.current_time()):
            logger.error("the sink %s %s", self.context.name, what, exc_info=error)
