"""The entries of the demo's log, and how an entry is written."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import typer
from attrs import define, field, frozen

from ds_actors._text import counted
from ds_actors.detection import Level, ResultEvent, Status
from ds_actors.detection.events import plain

_VERDICTS_KEPT: Final = 300
"""Of one participant: more than a minute has at 4 samples a second."""


@frozen
class Entry:
    """One event of the demo."""

    seconds: float
    """Since the demo began."""
    event: str
    text: str
    """One line, safe to print; empty when only the JSON form shows the entry."""
    level: Level | None = None
    """The track's new level, when the entry is about a level."""
    data: Mapping[str, object] = field(factory=dict[str, object])
    """The fields of the JSON form besides the event and its time."""


@frozen
class ShownVerdict:
    """The answer to one sample, and when it came, in seconds since the demo began."""

    seconds: float
    level: Level


@define
class DemoRunner:
    """Keeps the newest entries and verdicts for the live view, and passes every entry to `write`."""

    write: Callable[[Entry], object]
    began: float = field(factory=time.monotonic)
    log: deque[Entry] = field(factory=lambda: deque[Entry](maxlen=50))
    alerts: int = 0
    verdicts: dict[str, deque[ShownVerdict]] = field(factory=dict[str, deque[ShownVerdict]])
    """The newest of each participant."""

    def say(self, event: str, text: str, *, level: Level | None = None, **data: object) -> None:
        """Record an event."""
        entry = Entry(time.monotonic() - self.began, event, text, level, data)
        if text:
            self.log.append(entry)
        self.write(entry)

    def result(self, event: ResultEvent) -> None:
        """Record the verdict on a sample; in words only when it changes the track's level."""
        self.alerts += event.level is Level.ALERT
        kept = self.verdicts.setdefault(event.participant_id, deque(maxlen=_VERDICTS_KEPT))
        kept.append(ShownVerdict(time.monotonic() - self.began, event.level))
        who = plain(event.participant_id, 40)
        text = f"{who}: {event.previous_level} -> {event.level}" if event.level is not event.previous_level else ""
        self.say("result", text, level=event.level, result=event.dict())

    def state(self, status: Status) -> None:
        """Record a change of the uplink's state."""
        uplink = status.uplink
        if status.state == "closed" or uplink.cause == "stopped":
            return
        text = f"uplink {uplink.state}" + (f": {plain(uplink.cause)}" if uplink.cause else "")
        self.say("state", text, state=status.state, uplink=uplink.state, cause=uplink.cause)

    def summary(self, status: Status, then: str, *, interrupted: bool) -> None:
        """Record the totals, and suggest the next command."""
        uplink = status.uplink
        alerts = f"{counted(self.alerts, 'answer')} said alert"
        text = f"{counts(status)}; {alerts}; {counted(uplink.connections, 'connection')}\nnext: {then}"
        self.say(
            "summary",
            f"stopped early: {text}" if interrupted else text,
            due=uplink.due,
            sent=uplink.sent,
            dropped=dict(uplink.dropped),
            alerts=self.alerts,
            connections=uplink.connections,
            interrupted=interrupted,
            next=then,
        )


REASONS: Final = {
    "closed": "because the monitor closed",
    "ended": "because the track ended",
    "link_too_slow": "too late on a slow link",
    "muted": "because the track was muted",
    "no_frame": "without a picture",
    "not_encodable": "not encodable",
    "restarted": "because the track restarted",
    "silent": "because of silence",
    "stale": "over 2 s old",
    "superseded": "replaced by newer ones",
    "too_large": "too large",
    "too_small": "too small",
}
"""Why samples are dropped: the words for each code in status and JSON."""


def counts(status: Status) -> str:
    """Return how many samples were due and sent, how many wait, and how many were dropped for which reason."""
    uplink = status.uplink
    words = ((count, REASONS.get(reason, plain(reason))) for reason, count in uplink.dropped.items())
    dropped = ", ".join(f"{count} {why}" for count, why in words)
    waiting = uplink.waiting + uplink.granted
    left = f", {waiting} waiting" if waiting else ""
    return f"{counted(uplink.due, 'sample')} due, {uplink.sent} sent{left}; dropped: {dropped or 'none'}"


def as_line(entry: Entry) -> None:
    """Write an entry for people."""
    if entry.text:
        typer.echo(line(entry))


def as_json(entry: Entry) -> None:
    """Write an entry for programs."""
    typer.echo(json.dumps({"event": entry.event, "seconds": round(entry.seconds, 2), **entry.data}))


def line(entry: Entry) -> str:
    """Return an entry as plain text."""
    return f"{entry.seconds:5.1f} s  {entry.text}"
