"""Where results go: a callback, the log, JSON lines. Each is wrapped in an actor of its own by the monitor."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TextIO, runtime_checkable

import trio
from attrs import define, field, frozen

from ds_actors.detection.events import Level, ResultEvent, plain

logger = logging.getLogger("ds_actors.detection")


class Undelivered(Exception):
    """The receiver certainly did not get the event, and the sink has logged why: counted by its message, not logged."""


class Sink(Protocol):
    """Anything with a name and an awaitable `deliver`; what it raises is logged and counted, never fatal."""

    @property
    def name(self) -> str:
        """Names the sink's actor and its counters."""
        ...

    async def deliver(self, event: ResultEvent, /) -> None:
        """Pass one event on; events of one track come one after the other, those of others side by side.

        With `notify="changes"`, an event whose delivery failed, or took longer than 30 s, comes again.

        Raises:
            Undelivered: when the receiver certainly did not get the event; any other exception leaves that open.
        """
        ...


@runtime_checkable
class BufferingSink(Sink, Protocol):
    """A sink whose `deliver` may return before the receiver has the event, and which may give the event up later."""

    def when_lost(self, report: Callable[[ResultEvent], object], /) -> None:
        """Call `report(event)`, in trio's thread, when an accepted event that is its track's newest is given up."""
        ...


def check_sink(sink: object) -> None:
    """Refuse what is no sink.

    Raises:
        TypeError: saying what would be one.
    """
    if not isinstance(getattr(sink, "name", None), str) or not callable(getattr(sink, "deliver", None)):
        raise TypeError(f"a sink has a name and deliver(event), as CallbackSink(function) has; {sink!r} does not")


@frozen
class CallbackSink:
    """Calls a function with each event, and awaits what it returns where that can be awaited."""

    callback: Callable[[ResultEvent], Awaitable[object] | object]
    name: str = "callback"

    async def deliver(self, event: ResultEvent, /) -> None:
        """Call the function."""
        result = self.callback(event)
        if inspect.isawaitable(result):
            await result


_LOG_LEVELS = {Level.ALERT: logging.ERROR, Level.SUSPICIOUS: logging.WARNING, Level.CLEAR: logging.INFO}


@frozen
class LogSink:
    """Logs each event under `ds_actors.detection`; the participant only in `extra`, as LiveKit does."""

    name: str = "log"

    async def deliver(self, event: ResultEvent, /) -> None:
        """Log one line: ERROR for an alert, WARNING for suspicious, INFO for the rest."""
        logger.log(
            _LOG_LEVELS.get(event.level, logging.INFO),
            "deepfake level %s (was %s)",
            event.level.value,
            event.previous_level.value,
            extra={"lk.pii.participant": plain(event.participant_id), "lk.pii.track": plain(event.track_id)},
        )


@define(eq=False)
class JsonLinesSink:
    """Writes each event as one line of ASCII JSON to a text stream, in a thread: a full pipe blocks no other sink.

    A line whose writing was given up may still go out later, in its place: the next one waits for it.
    """

    stream: TextIO = field(repr=False)
    name: str = "json-lines"
    # As a lock it lets the next one go only when the thread is done, which an abandoned one may never be.
    _writing: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), init=False, repr=False)

    async def deliver(self, event: ResultEvent, /) -> None:
        """Write the line and flush."""
        line = event.json() + "\n"
        await trio.to_thread.run_sync(self._write, line, abandon_on_cancel=True, limiter=self._writing)

    def _write(self, line: str) -> None:
        self.stream.write(line)
        self.stream.flush()
