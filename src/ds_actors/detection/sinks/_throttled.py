"""A sink for people: only changes of level, and none of them too often."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from ds_actors.detection.events import ResultEvent
from ds_actors.detection.sinks._reports import ENDED_KEPT_FOR
from ds_actors.detection.sinks._sinks import BufferingSink, Sink, check_sink

COOLDOWN: Final = 60.0
"""Seconds."""
COOLDOWN_LIMIT: Final = ENDED_KEPT_FOR
"""Seconds: a change of a track that has ended is kept no longer."""


def check_cooldown(seconds: float) -> float:
    """Return a cooldown that can be used.

    Raises:
        ValueError: when it is not within 0 to 600 s.
    """
    if isinstance(seconds, bool) or not (math.isfinite(seconds) and 0 <= seconds <= COOLDOWN_LIMIT):
        raise ValueError(f"cooldown must be a number of seconds from 0 to {COOLDOWN_LIMIT:g}, not {seconds!r}")
    return float(seconds)


class Throttled:
    """Gives a sink only changes of level (and first errors), with a cooldown per participant and level.

    An event above the level that the sink last received about the participant always passes. Any other change waits
    until `cooldown` seconds have passed since the sink last received that level about that participant. It is then
    delivered if the track still has that level. So nothing is lost: the sink ends with each track's level, whatever
    `notify` the monitor has.

    Args:
        sink: what receives them.
        cooldown: seconds, up to 600; 0 delivers every change at once.

    Raises:
        TypeError: when it is no sink.
        ValueError: when the cooldown is not within 0 to 600 s.

    Example:
        ```python
        Monitor(sinks=[Throttled(LogSink(), cooldown=30)])
        ```
    """

    __slots__ = ("cooldown", "name", "sink")

    def __init__(self, sink: Sink, cooldown: float = COOLDOWN) -> None:
        check_sink(sink)
        self.sink: Sink = sink
        self.name: str = sink.name
        self.cooldown: float = check_cooldown(cooldown)

    async def deliver(self, event: ResultEvent, /) -> None:
        """Pass one event on: the monitor decides which one, and when."""
        await self.sink.deliver(event)

    def when_lost(self, report: Callable[[ResultEvent], object], /) -> None:
        """Tell the sink whom to tell about an event that it gives up later, where it is one that does."""
        if isinstance(self.sink, BufferingSink):
            self.sink.when_lost(report)

    def __repr__(self) -> str:
        return f"Throttled({self.sink!r}, cooldown={self.cooldown:g})"
