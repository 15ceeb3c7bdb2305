"""The live view: what a moment of the demo looks like. Pure; strangers' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ds_actors import Node
from ds_actors.cli._demo.show import Entry, counts, line
from ds_actors.detection import Level, Status
from ds_actors.detection.events import plain
from ds_actors.detection.status import TrackStatus, UplinkStatus

LOG_LINES = 8
_LEVELS = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
_UPLINK = {"up": "green", "connecting": "yellow", "down": "bold red", "refused": "bold red"}


@frozen
class Moment:
    """All that is shown of one moment."""

    status: Status
    tree: Node
    log: Sequence[Entry]
    seconds: float
    """Since the demo began."""
    total: float
    now: float
    """On trio's clock, which a restart's time is on."""
    playing: str = ""
    """What the participants show, and who is to be credited for it."""


def draw(moment: Moment, log_lines: int = LOG_LINES) -> RenderableType:
    """Return the view: the tree with its tracks, the uplink, what was dropped, and the last entries."""
    clock = f"ds-actors demo, {min(moment.seconds, moment.total):.0f} of {moment.total:.0f} s"
    head = Text.assemble((clock, "bold"), (f"  {plain(moment.playing, 100)}", "dim"))
    log = Group(*(_entry(one) for one in list(moment.log)[-log_lines:]))
    return Group(head, _tree(moment), _uplink(moment.status.uplink), Text(counts(moment.status)), Text(), log)


def _tree(moment: Moment) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("actor", min_width=12)  # gives way where the terminal is narrow, as the others do not
    for name in ("is", "restarts", "level", "coverage", "target/s", "actual/s", "sent"):
        right = name in ("restarts", "target/s", "actual/s", "sent")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("why")  # gives way too
    tracks = {one.track: one for one in moment.status.tracks}
    for guide, node in moment.tree.walk():
        track = tracks.get(node.name) if node.path.startswith("/monitor/tracks/") else None
        name = plain(node.name if track is None else track.participant, 24)
        actor = Text.assemble((guide, "dim"), name, no_wrap=True, overflow="ellipsis")
        cells = (actor, Text(_is(node, moment.now)), Text(str(node.restarts or "")))
        table.add_row(*cells, *(() if track is None else _track(track)))
    return Padding(table, (1, 0))


def _is(node: Node, now: float) -> str:
    if node.until is None:
        return plain(node.status)
    return f"back in {max(0.0, node.until - now):.1f} s"


def _track(one: TrackStatus) -> tuple[Text, ...]:
    return (
        Text(one.level.value, _LEVELS.get(one.level, "dim")),
        Text(one.coverage.value),
        Text(f"{one.target_fps:g}"),
        Text(f"{one.actual_fps:.1f}"),
        Text(str(one.sent)),
        Text(plain(one.reason, 100), "dim", no_wrap=True, overflow="ellipsis"),
    )


def _uplink(uplink: UplinkStatus) -> Text:
    connections = f"{uplink.connections} connection{'' if uplink.connections == 1 else 's'}"
    round_trip = "" if uplink.round_trip is None else f", an answer takes {uplink.round_trip * 1_000:.0f} ms"
    cause = f" ({plain(uplink.cause, 80)})" if uplink.cause else ""
    return Text.assemble(
        "uplink ", (uplink.state, _UPLINK.get(uplink.state, "")), f"{cause}, {connections}{round_trip}"
    )


def _entry(entry: Entry) -> Text:
    return Text(line(entry), _LEVELS.get(entry.level, "") if entry.level else "")
