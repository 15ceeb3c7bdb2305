"""The live view of a watched room, worst first. Pure; participants' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ds_actors._text import counted
from ds_actors.cli._watch.changes import track_name
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level, plain

LOG_LINES: Final = 8
_STYLES: Final = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
_WIDTHS: Final = {"level": 10, "coverage": 14, "target/s": 8, "actual/s": 8, "checked": 10}
_GIVES_WAY: Final = ("target/s", "actual/s", "coverage", "checked")
"""Columns that a narrow terminal leaves out, in this order; the level stays, however long a participant's name is."""
_LEAST_NAME: Final = 12


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
    uplink = Text(uplink_line(moment.status))
    blind = [Text(f"blind: {plain(moment.status['blind'], 200)}", "bold red")] if moment.status["blind"] else []
    return Group(head, *blind, _Tracks(moment.status), uplink, *_log(moment.log))


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


@frozen
class _Tracks:
    """The table of tracks, with as many columns as fit."""

    status: Mapping[str, Any]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = _columns(options.max_width)
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        for name in shown:
            right = name.endswith("/s") or name == "checked"
            table.add_column(name, justify="right" if right else "left", no_wrap=True, width=_WIDTHS[name])
        # rich would otherwise take the room for a long name from every column.
        rest = max(1, options.max_width - sum(_WIDTHS[name] + 1 for name in shown) - 1)
        table.add_column("track", no_wrap=True, overflow="ellipsis", max_width=rest)
        for track in worst_first(self.status["tracks"]):
            cells = _cells(track)
            table.add_row(*(cells[name] for name in shown), Text(track_name(track)))
        yield table


def _columns(width: int) -> list[str]:
    left = dict(_WIDTHS)
    for name in _GIVES_WAY:
        if sum(left.values()) + len(left) + _LEAST_NAME <= width:
            break
        del left[name]
    return list(left)


def _cells(track: Mapping[str, Any]) -> dict[str, Text]:
    level = Level(track["level"])
    return {
        "level": Text(level.value, _STYLES.get(level, "dim")),
        "coverage": Text(track["coverage"]),
        "target/s": Text(f"{track['target_fps']:g}"),
        "actual/s": Text(f"{track['actual_fps']:.1f}"),
        "checked": Text(_age(track["seconds_since_verdict"])),
    }


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"


def _log(lines: Sequence[str]) -> list[Text]:
    return [Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in lines[-LOG_LINES:]]
