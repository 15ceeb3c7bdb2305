"""How many lines of a terminal each part of the live view gets. Pure."""

from __future__ import annotations

from typing import Final

from attrs import frozen

LOG_LINES: Final = 8
"""The most lines of the log."""


@frozen
class ViewRows:
    """Lines per part; together with the lines around them no more than the terminal has."""

    tracks: int
    uplink: int
    tree: int
    log: int


def allot_rows(left: int, tracks: int, uplink: int, tree: int, log: int) -> ViewRows:
    """Return the lines of each part.

    The first track, the uplink, half of the tracks, one line of the log, the tree, the rest of the log and the other
    tracks get their lines in this order. The tree is shown whole or not at all.

    Args:
        left: lines that there are for all of them.
        tracks: how many there are, as of the three other parts.
        uplink: lines.
        tree: lines.
        log: lines.
    """
    left = max(0, left)
    shown = min(tracks, 1, left)
    links = min(uplink, left - shown)
    left -= shown + links
    more = min(tracks - shown, (left + 1) // 2)
    shown, left = shown + more, left - more
    lines = min(log, 1, left)
    left -= lines
    whole = tree if tree <= left else 0
    left -= whole
    rest = min(min(log, LOG_LINES) - lines, left)
    left -= rest
    return ViewRows(shown + min(tracks - shown, left), links, whole, lines + rest)
