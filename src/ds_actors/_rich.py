"""How rich shows a tree. Only rich's own call imports this module, so that the actor library needs no rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich.table import Table
from rich.text import Text

from ds_actors._text import plain


class Queue(Protocol):
    """A mailbox's counts."""

    @property
    def queued(self) -> int: ...


class TreeNode(Protocol):
    """What a row shows of a node of the tree."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def restarts(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def mailbox(self) -> Queue | None: ...
    def standing(self, now: float | None) -> str: ...


_STYLES = {"running": "green", "waiting": "bold yellow", "down": "dim", "halted": "dim"}


def table(nodes: Iterable[tuple[str, TreeNode]], now: float | None) -> Table:
    """Return one row a node: what it does or why it is down and until when, its restarts, queue and last crash."""
    drawn = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    drawn.add_column("actor", no_wrap=True, overflow="ellipsis")
    drawn.add_column("is")
    drawn.add_column("restarts", justify="right")
    drawn.add_column("waiting", justify="right")
    drawn.add_column("last crash")
    for guide, node in nodes:
        # Names and errors may be anybody's: Text, so that nothing in them is markup.
        name = Text.assemble((guide, "dim"), (plain(node.name, 60), "bold" if node.kind == "supervisor" else ""))
        is_ = Text(node.standing(now), _STYLES.get(node.status, "yellow"))
        waiting = "" if node.mailbox is None else str(node.mailbox.queued or "")
        drawn.add_row(name, is_, str(node.restarts or ""), waiting, Text(plain(node.error, 120), "red"))
    return drawn
