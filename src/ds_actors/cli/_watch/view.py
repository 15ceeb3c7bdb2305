"""The live view of a watched room, worst first. Pure; participants' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ds_actors._text import counted
from ds_actors.cli._watch.changes import track_name
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level, plain

LOG_LINES: Final = 8
_STYLES: Final = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}


@frozen
class WatchState:
    """Everything the view shows at one moment."""

    room: str
    status: Mapping[str, Any] | None
    """The newest status; None before the monitor has joined."""
    restarts: int
    """Of the monitor's process."""
    log: Sequence[str]
    """The newest changes, the newest last."""


def draw_room(moment: WatchState) -> RenderableType:
    """Return the view: tracks, uplink and dropped samples, then the newest changes."""
    restarts = f", monitor restarted {counted(moment.restarts, 'time')}" if moment.restarts else ""
    head = Text(f"room {plain(moment.room, 60)}{restarts}", "bold")
    if moment.status is None:
        return Group(head, Text("joining ...", "dim"), *_log(moment.log))
    uplink = Text(uplink_line(moment.status), no_wrap=True, overflow="ellipsis")
    blind = [Text(f"blind: {plain(moment.status['blind'], 200)}", "bold red")] if moment.status["blind"] else []
    return Group(head, *blind, _table(moment.status), uplink, *_log(moment.log))


def worst_first(tracks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the tracks by falling level; among equals, those first that should be checked and are not."""
    return sorted(
        tracks,
        key=lambda track: (
            -Level(track["level"]).severity,
            not (track["wanted"] and Coverage(track["coverage"]).is_blind),
            track["participant"],
            track["track"],
        ),
    )


def uplink_line(status: Mapping[str, Any]) -> str:
    """Return the uplink's state, the queue, and what was dropped, by reason."""
    uplink = status["uplink"]
    cause = f" ({plain(uplink['cause'], 80)})" if uplink["cause"] else ""
    dropped = ", ".join(f"{count} {plain(reason)}" for reason, count in sorted(uplink["dropped"].items()) if count)
    trip = "" if uplink["round_trip"] is None else f", an answer takes {uplink['round_trip'] * 1_000:.0f} ms"
    counts = f"{uplink['sent']} sent, {uplink['waiting']} waiting, dropped: {dropped or 'none'}"
    return f"checked {status['watching']}; uplink {uplink['state']}{cause}{trip}; {counts}"


def _table(status: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in ("track", "level", "coverage", "target/s", "actual/s", "checked"):
        right = name.endswith("/s") or name == "checked"
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for track in worst_first(status["tracks"]):
        level = Level(track["level"])
        table.add_row(
            Text(track_name(track)),
            Text(level.value, _STYLES.get(level, "dim")),
            Text(track["coverage"]),
            Text(f"{track['target_fps']:g}"),
            Text(f"{track['actual_fps']:.1f}"),
            Text(_age(track["seconds_since_verdict"])),
        )
    return table


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"


def _log(lines: Sequence[str]) -> list[Text]:
    return [Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in lines[-LOG_LINES:]]
