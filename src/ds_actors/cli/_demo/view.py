"""The live view: what a moment of the demo looks like. Pure; strangers' text becomes `Text`, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ds_actors import Node
from ds_actors._text import counted
from ds_actors.cli._demo.cards import CARD_WIDTH, LEVEL_STYLES, Card, draw_card
from ds_actors.cli._demo.show import Entry, counts, line
from ds_actors.detection import Status
from ds_actors.detection.events import plain
from ds_actors.detection.status import UplinkStatus

LOG_LINES: Final = 12
"""When the screen is too low for as many, the tree of actors is folded into a line, as it is while all are running."""
_FEWEST_LOG_LINES: Final = 3
"""When it is too low for as many, the pictures are left out, then the cards."""
_UPLINK: Final = {"up": "green", "connecting": "yellow", "down": "bold red", "refused": "bold red"}


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
    cards: Sequence[Card] = ()


def draw(moment: DemoState) -> RenderableType:
    """Return the view: a card for each participant, the uplink, the actors, and the newest entries that fit."""
    return _DemoView(moment)


@frozen
class _DemoView:
    moment: DemoState

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        beside = options.max_width >= CARD_WIDTH * max(1, len(self.moment.cards))
        worth_a_look = any(node.status != "running" for _guide, node in self.moment.tree.walk())
        unfolds = ((True, True),) if worth_a_look else ()
        for pictures, unfolded in (*unfolds, (True, False), (False, False)):
            top = self._top(pictures=pictures and beside, unfolded=unfolded, beside=beside)
            lines = options.max_height - len(console.render_lines(top, options))
            if lines >= (LOG_LINES if unfolded else _FEWEST_LOG_LINES):
                break
        else:
            top = self._lines()
            lines = options.max_height - len(console.render_lines(top, options))
        yield top
        yield from map(_entry, list(self.moment.log)[-min(LOG_LINES, lines) :] if lines > 0 else ())

    def _top(self, *, pictures: bool, unfolded: bool, beside: bool) -> RenderableType:
        cards = [draw_card(shown, self.moment.seconds, picture=pictures) for shown in self.moment.cards]
        row = Table.grid()
        row.add_row(*cards)
        middle = [row] if beside else cards
        return Group(self._head(), *middle, *self._below(), _tree(self.moment) if unfolded else _folded(self.moment))

    def _lines(self) -> RenderableType:
        return Group(self._head(), *map(_line, self.moment.cards), *self._below())

    def _head(self) -> Text:
        moment = self.moment
        clock = f"ds-actors demo, {min(moment.seconds, moment.total):.0f} of {moment.total:.0f} s"
        return Text.assemble(
            (clock, "bold"), (f"  {plain(moment.playing, 100)}", "dim"), no_wrap=True, overflow="ellipsis"
        )

    def _below(self) -> tuple[Text, Text]:
        return _uplink(self.moment.status.uplink), Text(counts(self.moment.status))


def _line(shown: Card) -> Text:
    track = shown.track
    level = (str(track.level), LEVEL_STYLES.get(track.level, "dim"))
    figures = f" {track.coverage.value}, {track.sent} sent"
    return Text.assemble(plain(track.participant, 24), " ", level, figures, no_wrap=True, overflow="ellipsis")


def _folded(moment: DemoState) -> Text:
    nodes = [node for _guide, node in moment.tree.walk()]
    running = sum(node.status == "running" for node in nodes)
    others = [f"{_name(node)} {_is(node, moment.now)}" for node in nodes if node.status != "running"]
    restarts = sum(node.restarts for node in nodes)
    words = [f"{running} of {counted(len(nodes), 'actor')} running", *others]
    return Text.assemble(
        ", ".join(words), f"; {counted(restarts, 'restart')}" if restarts else "", no_wrap=True, overflow="ellipsis"
    )


def _tree(moment: DemoState) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("actor", no_wrap=True, overflow="ellipsis")
    table.add_column("is", no_wrap=True)
    table.add_column("restarts", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True, overflow="ellipsis")
    tracks = {shown.track.track: shown.track for shown in moment.cards}
    for guide, node in moment.tree.walk():
        track = tracks.get(node.name) if node.path.startswith("/monitor/tracks/") else None
        name = _name(node) if track is None else plain(track.participant, 24)
        why = plain(node.error if track is None else track.reason, 60)
        cells: Iterable[Text] = (
            Text.assemble((guide, "dim"), name),
            Text(_is(node, moment.now)),
            Text(str(node.restarts or "")),
            Text(why, "dim"),
        )
        table.add_row(*cells)
    return table


def _name(node: Node) -> str:
    return plain(node.name, 24)


def _is(node: Node, now: float) -> str:
    if node.until is None:
        return plain(node.status)
    return f"back in {max(0.0, node.until - now):.1f} s"


def _uplink(uplink: UplinkStatus) -> Text:
    connections = counted(uplink.connections, "connection")
    round_trip = "" if uplink.round_trip is None else f", an answer takes {uplink.round_trip * 1_000:.0f} ms"
    cause = f" ({plain(uplink.cause, 80)})" if uplink.cause else ""
    return Text.assemble(
        "uplink ", (uplink.state, _UPLINK.get(uplink.state, "")), f"{cause}, {connections}{round_trip}"
    )


def _entry(entry: Entry) -> Text:
    style = LEVEL_STYLES.get(entry.level, "") if entry.level else ""
    return Text(line(entry), style, no_wrap=True, overflow="ellipsis")
