"""What `ds-actors watch` shows of what its monitor reports: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import define, field
from rich.live import Live

from ds_actors._text import counted
from ds_actors.cli._stdout import say
from ds_actors.cli._watch.changes import StatusChange, status_changes
from ds_actors.cli._watch.view import LOG_LINES, WatchState, draw_room, uplink_line
from ds_actors.detection import Level
from ds_actors.detection.events import plain


@define(eq=False)
class WatchConsole:
    """Takes the events of the monitor's process, shows them, and knows when `fail_on` was reached."""

    room: str
    as_json: bool
    fail_on: Level | None
    failed: Callable[[], None]
    """Called when a track has reached `fail_on`."""
    live: Live | None = None
    """None where stdout is no terminal, and with `--json`."""
    has_failed: bool = False
    alerts: int = 0
    """How often a track has reached the level alert."""
    _status: dict[str, Any] | None = None
    _joins: int = 0
    _log: deque[str] = field(factory=lambda: deque[str](maxlen=LOG_LINES))

    def shown(self) -> AbstractContextManager[object]:
        """Return the block in which the live view is on the screen."""
        return nullcontext() if self.live is None else self.live

    def take(self, event: dict[str, Any]) -> None:
        """Show an event of the monitor's process."""
        if event["event"] == "joined":
            self._joins += 1
            self._status = None
            self._tell("joined the room", event="joined")
        else:
            before, self._status = self._status, event["status"]
            for change in status_changes(before, event["status"]):
                self._change(change)
            if self.as_json:
                say(json.dumps({"event": "status", "time": time.time(), "status": event["status"]}))
        self._draw()

    def log(self, line: str) -> None:
        """Show a line that the monitor's process logged; the live view has no room for those."""
        if self.live is None:
            self._tell(plain(line, 1_000), event="log")

    def summary(self) -> None:
        """Print what was seen; JSON lines have a last object instead."""
        status = self._status
        tracks = 0 if status is None else len(status["tracks"])
        if self.as_json:
            say(json.dumps({"event": "summary", "tracks": tracks, "alerts": self.alerts, "status": status}))
            return
        if self.live is not None:
            for line in self._log:
                say(line)
        say(f"{counted(tracks, 'track')} at the end, {counted(self.alerts, 'alert')}")
        if status is not None:
            say(uplink_line(status))

    def _change(self, change: StatusChange) -> None:
        level = None if change.level is None else change.level.value
        self._tell(change.text, event="change", track=change.track, level=level)
        self.alerts += change.level is Level.ALERT
        if self.fail_on is not None and change.level is not None and change.level.severity >= self.fail_on.severity:
            self.has_failed = True
            self.failed()

    def _tell(self, text: str, **fields: object) -> None:
        if self.as_json:
            say(json.dumps({**fields, "time": time.time(), "text": text}))
            return
        line = f"{time.strftime('%H:%M:%S')} {text}"
        self._log.append(line)
        if self.live is None:
            say(line)

    def _draw(self) -> None:
        if self.live is not None:
            restarts = max(0, self._joins - 1)
            self.live.update(draw_room(WatchState(self.room, self._status, restarts, list(self._log))), refresh=True)
