"""A participant as a card: the picture in half blocks, the level, and the verdicts of the last minute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

from ds_actors.cli._demo.show import ShownVerdict
from ds_actors.detection import Level
from ds_actors.detection.events import plain
from ds_actors.detection.status import TrackStatus

LEVEL_STYLES: Final = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
PICTURE_COLUMNS, PICTURE_ROWS = 32, 9
"""Size of the picture in characters; each shows two pixels, one above the other."""
CARD_WIDTH: Final = PICTURE_COLUMNS + 4
MINUTE: Final = 60.0
# Marks differ in height too, for readers who cannot tell the colours apart.
_MARKS: Final = {Level.CLEAR: "▂", Level.SUSPICIOUS: "▅", Level.ALERT: "█"}


@frozen
class Card:
    """What is known of one participant."""

    track: TrackStatus
    verdicts: tuple[ShownVerdict, ...] = ()
    """The last minute's, oldest first."""
    picture: NDArray[np.uint8] | None = field(default=None, repr=False, eq=False)
    """The newest sample's, RGB, of any size."""


def draw_card(shown: Card, now: float, *, picture: bool) -> RenderableType:
    """Return the card, `CARD_WIDTH` wide; `now` is in seconds since the demo began."""
    track = shown.track
    style = LEVEL_STYLES.get(track.level, "dim")
    parts: list[RenderableType] = []
    if picture:
        parts.append(Text("\n" * (PICTURE_ROWS - 1)) if shown.picture is None else half_blocks(shown.picture))
    parts += [sparkline(shown.verdicts, now), _figures(track)]
    title = Text.assemble(plain(track.participant, 20), " ", (str(track.level).upper(), style))
    return Panel(Group(*parts), title=title, title_align="left", border_style=style, width=CARD_WIDTH)


def half_blocks(picture: NDArray[np.uint8]) -> Text:
    """Return an RGB picture as lines of upper half blocks, each two pixels high."""
    # Nearest, because an average would make the patch's checkerboard grey.
    size = (PICTURE_COLUMNS, 2 * PICTURE_ROWS)
    pixels = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))
    lines = (_blocks(*pair) for pair in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True))
    return Text("\n", no_wrap=True).join(lines)


def _blocks(upper: list[list[int]], lower: list[list[int]]) -> Text:
    styles = (
        Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
        for above, below in zip(upper, lower, strict=True)
    )
    return Text.assemble(*(("▀", style) for style in styles))


def sparkline(verdicts: Iterable[ShownVerdict], now: float) -> Text:
    """Return the last minute as one line of `PICTURE_COLUMNS` marks: the worst verdict of each part, or a blank."""
    worst: dict[int, Level] = {}
    for verdict in verdicts:
        slot = PICTURE_COLUMNS - 1 - int((now - verdict.seconds) / MINUTE * PICTURE_COLUMNS)
        if 0 <= slot < PICTURE_COLUMNS and verdict.level in _MARKS:
            worst[slot] = max(worst.get(slot, Level.CLEAR), verdict.level, key=lambda level: level.severity)
    text = Text(no_wrap=True)
    for slot in range(PICTURE_COLUMNS):
        level = worst.get(slot)
        text.append(" " if level is None else _MARKS[level], "" if level is None else LEVEL_STYLES[level])
    return text


def _figures(track: TrackStatus) -> Text:
    rate = f"{track.target_fps:g} a second"
    return Text(f"{track.coverage.value}, {track.sent} sent, {rate}", "dim", no_wrap=True, overflow="ellipsis")
