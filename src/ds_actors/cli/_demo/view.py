"""The live view: what a moment of the demo looks like. Pure; strangers' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from attrs import frozen
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ds_actors import Node
from ds_actors._text import counted
from ds_actors.cli._demo.show import Entry, counts, line
from ds_actors.detection import Level, Status
from ds_actors.detection.events import plain
from ds_actors.detection.status import TrackStatus, UplinkStatus

LOG_LINES = 12
_FEWEST_LOG_LINES = 3
"""When the screen is too low for as many, the tree shows its tracks only."""
_GIVES_WAY: Final = ("why", "coverage", "target/s", "restarts", "sent")
"""Columns that a narrow terminal leaves out, in this order; names stay."""
_LEVELS = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
_UPLINK = {"up": "green", "connecting": "yellow", "down": "bold red", "refused": "bold red"}


@frozen
class DemoState:
    """Everything the view shows at one moment."""

    status: Status
    tree: Node
    log: Sequence[Entry]
    seconds: float
    """Since the demo began."""
    total: float
    now: float
    """On trio's clock, the clock of restart times."""
    playing: str = ""
    """What the participants show, with its credit."""


def draw(moment: DemoState) -> RenderableType:
    """Return the view: the tree with its tracks, the uplink, the dropped samples, and the newest entries that fit."""
    return _View(moment)


@frozen
class _View:
    moment: DemoState

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        top = self._top(tracks_only=False)
        lines = options.max_height - len(console.render_lines(top, options))
        if lines < _FEWEST_LOG_LINES:
            top = self._top(tracks_only=True)
            lines = options.max_height - len(console.render_lines(top, options))
        yield top
        yield from map(_entry, list(self.moment.log)[-min(LOG_LINES, lines) :] if lines > 0 else ())

    def _top(self, *, tracks_only: bool) -> RenderableType:
        moment = self.moment
        clock = f"ds-actors demo, {min(moment.seconds, moment.total):.0f} of {moment.total:.0f} s"
        head = Text.assemble((clock, "bold"), (f"  {plain(moment.playing, 100)}", "dim"))
        tree = _Tree(moment, tracks_only)
        below = (_uplink(moment.status.uplink), Text(counts(moment.status)))
        return Group(head, tree, *below) if tracks_only else Group(head, Padding(tree, (1, 0)), *below, Text())


@frozen
class _Tree:
    """The table of actors, with as many columns as fit."""

    moment: DemoState
    tracks_only: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(width=1_000)
        tables = (self._table(_GIVES_WAY[:count]) for count in range(len(_GIVES_WAY)))
        fitting = (table for table in tables if Measurement.get(console, wide, table).maximum <= options.max_width)
        yield next(fitting, None) or self._table(_GIVES_WAY)

    def _table(self, without: Collection[str]) -> Table:
        moment = self.moment
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        table.add_column("actor", no_wrap=True, overflow="ellipsis")
        names = ("is", "restarts", "level", "coverage", "target/s", "actual/s", "sent", "why")
        shown = [name for name in names if name not in without]
        for name in shown:
            right = name in ("restarts", "target/s", "actual/s", "sent")
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
        tracks = {track.track: track for track in moment.status.tracks}
        for guide, node in moment.tree.walk():
            track = tracks.get(node.name) if node.path.startswith("/monitor/tracks/") else None
            if self.tracks_only and track is None:
                continue
            name = plain(node.name if track is None else track.participant, 24)
            actor = Text.assemble(("" if self.tracks_only else guide, "dim"), name)
            cells = {"is": Text(_is(node, moment.now)), "restarts": Text(str(node.restarts or ""))}
            cells |= {} if track is None else _track(track)
            table.add_row(actor, *(cells.get(name, Text()) for name in shown))
        return table


def _is(node: Node, now: float) -> str:
    if node.until is None:
        return plain(node.status)
    return f"back in {max(0.0, node.until - now):.1f} s"


def _track(track: TrackStatus) -> dict[str, Text]:
    return {
        "level": Text(track.level.value, _LEVELS.get(track.level, "dim")),
        "coverage": Text(track.coverage.value),
        "target/s": Text(f"{track.target_fps:g}"),
        "actual/s": Text(f"{track.actual_fps:.1f}"),
        "sent": Text(str(track.sent)),
        "why": Text(plain(track.reason, 40), "dim"),
    }


def _uplink(uplink: UplinkStatus) -> Text:
    connections = counted(uplink.connections, "connection")
    round_trip = "" if uplink.round_trip is None else f", an answer takes {uplink.round_trip * 1_000:.0f} ms"
    cause = f" ({plain(uplink.cause, 80)})" if uplink.cause else ""
    return Text.assemble(
        "uplink ", (uplink.state, _UPLINK.get(uplink.state, "")), f"{cause}, {connections}{round_trip}"
    )


def _entry(entry: Entry) -> Text:
    style = _LEVELS.get(entry.level, "") if entry.level else ""
    return Text(line(entry), style, no_wrap=True, overflow="ellipsis")
