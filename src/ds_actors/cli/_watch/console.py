"""What `ds-actors watch` and `replay` show of what a monitor reports: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from attrs import define, field
from rich.live import Live

from ds_actors._text import counted
from ds_actors.cli._stdout import say
from ds_actors.cli._watch.changes import StatusChange, status_changes
from ds_actors.cli._watch.rows import LOG_LINES
from ds_actors.cli._watch.selection import Key, ViewSelection
from ds_actors.cli._watch.totals import WatchTotals
from ds_actors.cli._watch.transfer import TransferRate
from ds_actors.cli._watch.view import WatchState, draw_room, dropped_text, uplink_lines
from ds_actors.detection import Level
from ds_actors.detection.events import plain

_LOG_KEPT: Final = 200


@define(eq=False)
class WatchConsole:
    """Takes the events of a monitor's process, shows them, and knows when `fail_on` was reached."""

    room: str
    as_json: bool
    fail_on: Level | None
    end: Callable[[], None]
    """Called when a track has reached `fail_on`, and when a person quits."""
    live: Live | None = None
    """None where stdout is no terminal, and with `--json`."""
    wall: Callable[[], float] = time.time
    """Returns the seconds since the epoch at which the events happen."""
    has_keys: bool = False
    has_failed: bool = False
    alerts: int = 0
    """How often a track has reached the level alert."""
    _status: dict[str, Any] | None = None
    _joins: int = 0
    _log: deque[tuple[str, str]] = field(factory=lambda: deque[tuple[str, str]](maxlen=_LOG_KEPT))
    _selection: ViewSelection = field(factory=ViewSelection)
    _transfer: TransferRate = field(factory=TransferRate)
    _totals: WatchTotals = field(factory=WatchTotals)

    def shown(self) -> AbstractContextManager[object]:
        """Return the block in which the live view is on the screen."""
        return nullcontext() if self.live is None else self.live

    def take(self, event: dict[str, Any]) -> None:
        """Show an event of the monitor's process."""
        if event["event"] == "joined":
            self._joins += 1
            self._status = None
            self._totals.end_monitor()
            others = event.get("others")  # which recordings do not have
            empty = "; it has no other participant: check its name" if others == 0 else ""
            self._tell(f"joined the room{empty}", event="joined")
        else:
            before, self._status = self._status, event["status"]
            for change in status_changes(before, event["status"]):
                self._change(change)
            self._totals.take(event["status"]["uplink"])
            self._transfer.total(self.wall(), event["status"]["uplink"]["bytes_sent"])
            if self.as_json:
                say(json.dumps({"event": "status", "time": self.wall(), "status": event["status"]}))
        self.draw()

    def log(self, line: str) -> None:
        """Show a line that the monitor's process logged; the live view has no room for those."""
        if self.live is None:
            self._tell(plain(line, 1_000), event="log")

    def notice(self, text: str) -> None:
        """Show something about the watch itself."""
        self._tell(plain(text, 1_000), event="notice")
        self.draw()

    def press(self, key: Key) -> None:
        """Follow a key of the person who looks at the live view."""
        if key is Key.QUIT:
            self.end()
        elif self._status is not None:
            self._selection.press(key, self._status["tracks"])
        self.draw()

    def summary(self) -> None:
        """Print what was seen in the whole watch; JSON lines have a last object instead."""
        status, totals = self._status, self._totals.dict()
        tracks = 0 if status is None else len(status["tracks"])
        if self.as_json:
            figures = {"tracks": tracks, "alerts": self.alerts, "joins": self._joins, "totals": totals}
            say(json.dumps({"event": "summary", **figures, "status": status}))
            return
        if self.live is not None:
            for _, line in list(self._log)[-LOG_LINES:]:
                say(line)
        say(f"{counted(tracks, 'track')} at the end, {counted(self.alerts, 'alert')}")
        if status is not None:
            say("; ".join(uplink_lines({**status, "uplink": {**status["uplink"], **totals}})))
        elif self._joins > 1:
            say(f"{totals['sent']} sent; {dropped_text(totals['dropped'])}")

    def draw(self) -> None:
        """Draw the live view anew, where there is one."""
        if self.live is not None:
            restarts = max(0, self._joins - 1)
            moment = WatchState(
                self.room,
                self._status,
                restarts,
                list(self._log),
                self._selection,
                self._transfer.per_minute,
                self.has_keys,
            )
            self.live.update(draw_room(moment), refresh=True)

    def _change(self, change: StatusChange) -> None:
        level = None if change.level is None else change.level.value
        self._tell(change.text, event="change", track=change.track, level=level)
        self.alerts += change.level is Level.ALERT
        if self.fail_on is not None and change.level is not None and change.level.severity >= self.fail_on.severity:
            self.has_failed = True
            self.end()

    def _tell(self, text: str, *, event: str, track: str = "", **fields: object) -> None:
        if self.as_json:
            of = {"track": track} if event == "change" else {}
            say(json.dumps({"event": event, **of, **fields, "time": self.wall(), "text": text}))
            return
        line = f"{time.strftime('%H:%M:%S', time.localtime(self.wall()))} {text}"
        self._log.append((track, line))
        if self.live is None:
            say(line)
