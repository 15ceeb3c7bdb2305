"""The live view of a watched room. Pure; participants' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ds_actors._text import counted
from ds_actors.cli._watch.changes import track_name
from ds_actors.cli._watch.rows import ViewRows, allot_rows
from ds_actors.cli._watch.selection import TrackRow, ViewSelection
from ds_actors.detection.events import Level, plain

_STYLES: Final = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
_WIDTHS: Final = {"level": 10, "coverage": 14, "sent": 7, "planned/s": 9, "checked": 10}
_GIVES_WAY: Final = ("sent", "planned/s", "coverage", "checked")
"""Columns that a narrow terminal leaves out, in this order; the level stays, however long a participant's name is."""
_LEAST_NAME: Final = 12
_KEYS: Final = "q quit  s sort  up/down mark  enter open"
_KEYS_OF_A_TRACK: Final = "q quit  esc back  up/down other track"


@frozen
class WatchState:
    """Everything the view shows at one moment."""

    room: str
    status: Mapping[str, Any] | None
    """The newest status; None before the monitor has joined."""
    restarts: int
    """Of the monitor's process."""
    log: Sequence[tuple[str, str]]
    """The newest changes, the newest last: the track's sid, empty for other changes, and the line."""
    selection: ViewSelection = field(factory=ViewSelection)
    bytes_per_minute: float | None = None
    has_keys: bool = False


def draw_room(moment: WatchState) -> RenderableType:
    """Return the view, made for the terminal's size when it is drawn: all tracks, or the one that is open."""
    return _View(moment)


def uplink_lines(status: Mapping[str, Any], bytes_per_minute: float | None = None) -> list[str]:
    """Return the uplink's state and the queue, then bytes and what was dropped, by reason, the most frequent first."""
    uplink = status["uplink"]
    cause = f" ({plain(uplink['cause'], 80)})" if uplink["cause"] else ""
    trip = "" if uplink["round_trip"] is None else f", an answer takes {uplink['round_trip'] * 1_000:.0f} ms"
    rate = "" if bytes_per_minute is None else f"{bytes_per_minute / 1_000:,.0f} kB/min; "
    queue = f"{uplink['sent']} sent, {uplink['waiting']} waiting"
    return [
        f"checked {plain(status['watching'], 40)}; uplink {uplink['state']}{cause}{trip}; {queue}",
        f"{rate}{dropped_text(uplink['dropped'])}",
    ]


def dropped_text(dropped: Mapping[str, int]) -> str:
    """Return what was dropped, by reason, the most frequent first."""
    counts = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return f"dropped: {', '.join(f'{count} {plain(reason, 40)}' for reason, count in counts if count) or 'none'}"


def tree_lines(status: Mapping[str, Any]) -> list[str]:
    """Return the monitor's tree of actors by part, with restarts, waiting messages and the last crash."""
    parts: Sequence[Mapping[str, Any]] = status["parts"]
    lines = ["monitor"] if parts else []
    for number, part in enumerate(parts, 1):
        words = [counted(part["actors"], "actor")]
        words += [counted(part["restarts"], "restart")] if part["restarts"] else []
        words += [f"{part['queued']} waiting"] if part["queued"] else []
        words += [f"last crash {plain(part['error'], 40)}"] if part["error"] else []
        lines.append(f"{'└─' if number == len(parts) else '├─'} {plain(part['name'], 20):8} {', '.join(words)}")
    return lines


@frozen
class _View:
    moment: WatchState

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height, width = options.height or options.size.height, options.max_width
        opened = self.moment.selection.opened
        tracks = () if self.moment.status is None else self.moment.status["tracks"]
        track = next((row for row in tracks if row["track"] == opened), None)
        yield from self._room(height, width) if track is None else self._track(track, height)

    def _room(self, height: int, width: int) -> Iterator[RenderableType]:
        moment = self.moment
        restarts = f", monitor restarted {counted(moment.restarts, 'time')}" if moment.restarts else ""
        head = [_line(f"room {plain(moment.room, 60)}{_worst_level(moment.status)}{restarts}", "bold")]
        foot = [_line(f"{_KEYS} ({moment.selection.order})", "dim")] if moment.has_keys and height > 5 else []
        if moment.status is None:
            log = moment.log[-max(0, height - 2) :] if height > 2 else ()
            yield from [*head, _line("joining ...", "dim"), *_log(log)][:height]
            return
        if moment.status["blind"]:
            head.append(_line(f"blind: {plain(moment.status['blind'], 200)}", "bold red"))
        uplink, tree = uplink_lines(moment.status, moment.bytes_per_minute), tree_lines(moment.status)
        tracks = moment.selection.sorted(moment.status["tracks"])
        left = height - len(head) - len(foot) - 1  # the table's own head
        rows = allot_rows(left, len(tracks), len(uplink), len(tree), len(moment.log))
        yield from head[: max(0, height - 1)]
        if left > 0:
            yield self._table(tracks, rows, width)
        yield from (_line(text) for text in uplink[: rows.uplink])
        yield from (_line(text, "dim") for text in tree[: rows.tree])
        yield from _log(moment.log[len(moment.log) - rows.log :])
        yield from foot

    def _table(self, tracks: Sequence[TrackRow], rows: ViewRows, width: int) -> Table:
        """Return the table of as many tracks as fit, the marked one among them, with as many columns as fit."""
        shown = _columns(width)
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        for name in shown:
            right = name not in {"level", "coverage"}
            table.add_column(name, justify="right" if right else "left", no_wrap=True, width=_WIDTHS[name])
        # rich would otherwise take the room for a long name from every column.
        rest = max(1, width - sum(_WIDTHS[name] + 1 for name in shown) - 1)
        hidden = len(tracks) - rows.tracks
        table.add_column(
            f"track ({hidden} more)" if hidden else "track", no_wrap=True, overflow="ellipsis", max_width=rest
        )
        selection = self.moment.selection
        place = selection.marked_place(tracks)
        begin = min(max(0, place - rows.tracks // 2), max(0, hidden))
        for track in tracks[begin : begin + rows.tracks]:
            cells = _cells(track)
            style = "reverse" if track["track"] == selection.marked and self.moment.has_keys else ""
            table.add_row(*(cells[name] for name in shown), Text(track_name(track)), style=style)
        return table

    def _track(self, track: TrackRow, height: int) -> Iterator[RenderableType]:
        cells = _cells(track)
        level = Text.assemble("level     ", cells["level"], no_wrap=True, overflow="ellipsis")
        lines = [_line(track_name(track), "bold"), level]
        fields = {
            "coverage": track["coverage"],
            "checked": _age(track["seconds_since_verdict"]),
            "planned": f"{track['target_fps']:g} samples per second",
            "lately": f"{track['actual_fps']:.2f} per second over the last ten seconds",
            "because": plain(track["reason"], 100),
            "sent": counted(track["sent"], "sample"),
            "asked": f"{counted(track['frame_requests'], 'time')} for frames",
            "kind": plain(track["kind"], 20),
            "track": plain(track["track"], 60),
        }
        lines += [_line(f"{name:8}  {value}") for name, value in fields.items() if value]
        log = [entry for entry in self.moment.log if entry[0] == track["track"]]
        foot = [_line(_KEYS_OF_A_TRACK, "dim")] if self.moment.has_keys else []
        left = height - len(lines) - len(foot)
        if left > 0:
            lines += _log(log[-left:])
        yield from [*lines[: max(0, height - len(foot))], *foot][:height]


def _worst_level(status: Mapping[str, Any] | None) -> str:
    """Return how many tracks are alert and suspicious: they may be outside of what is shown."""
    levels = [row["level"] for row in status["tracks"]] if status is not None else []
    counts = {level.value: levels.count(level.value) for level in (Level.ALERT, Level.SUSPICIOUS)}
    return "".join(f", {count} {level}" for level, count in counts.items() if count)


def _columns(width: int) -> list[str]:
    left = dict(_WIDTHS)
    for name in _GIVES_WAY:
        if sum(left.values()) + len(left) + _LEAST_NAME <= width:
            break
        del left[name]
    return list(left)


def _cells(track: TrackRow) -> dict[str, Text]:
    level = Level(track["level"])
    return {
        "level": Text(level.value, _STYLES.get(level, "dim")),
        "coverage": Text(track["coverage"]),
        "sent": Text(str(track["sent"])),
        # Not the actual rate beside it: over the last ten seconds, it is that of bursts which are over.
        "planned/s": Text(f"{track['target_fps']:g}"),
        "checked": Text(_age(track["seconds_since_verdict"])),
    }


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _log(entries: Sequence[tuple[str, str]]) -> list[Text]:
    return [_line(line, "dim") for _, line in entries]
