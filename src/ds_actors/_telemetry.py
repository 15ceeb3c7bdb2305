"""What happened, as frozen events for listeners; without a listener, no event is made.

No event carries a message or a reply, only its type's name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import trio
from attrs import frozen

from ds_actors._mailbox import MailboxStatistics
from ds_actors._text import plain

if TYPE_CHECKING:
    from rich.table import Table

logger = logging.getLogger("ds_actors")


@frozen
class ChildReady:
    """An incarnation became ready; the first is number 1."""

    path: str
    incarnation: int


@frozen
class ChildEnded:
    """An incarnation ended: finished, stopped or crashed."""

    path: str
    incarnation: int
    kind: str
    error: BaseException | None


@frozen
class RestartScheduled:
    """The child will be started again at `at`, on trio's clock (seconds)."""

    path: str
    at: float
    failures: int


@frozen
class SupervisorGaveUp:
    """A limit was reached because of this child; the supervisor stops the others and fails."""

    path: str
    child: str
    limit: str


@frozen
class DeadLetter:
    """A message that will never be handled."""

    path: str
    message_type: str
    reason: str


TelemetryEvent = ChildReady | ChildEnded | RestartScheduled | SupervisorGaveUp | DeadLetter
Listener = Callable[[TelemetryEvent], object]


class Telemetry:
    """The listeners of one tree. An exception in a listener is logged and does not disturb the tree.

    SystemExit and KeyboardInterrupt in a listener stop the tree in order and leave through its top.
    """

    __slots__ = ("escape", "listeners")

    def __init__(self) -> None:
        self.listeners: tuple[Listener, ...] = ()
        self.escape: Callable[[BaseException], None] = _raise
        """Stops the tree and raises an error from its top; set by the running tree."""

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on, until the returned function is called."""
        self.listeners = (*self.listeners, listener)

        def remove() -> None:
            self.listeners = tuple(kept for kept in self.listeners if kept is not listener)

        return remove

    def emit(self, event: TelemetryEvent) -> None:
        """Call every listener; callers check first that `listeners` is not empty."""
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a telemetry listener failed on %s", type(event).__name__)
            except BaseException as error:  # noqa: BLE001 - raised at the top of the tree
                self.escape(error)


def _raise(error: BaseException) -> None:
    raise error


@frozen
class Node:
    """One place in a tree, as it was when `tree()` was called."""

    name: str
    path: str
    kind: Literal["actor", "supervisor"]
    status: str
    why: str
    """Why it is not running; empty while it is."""
    until: float | None
    """When it is started again, on trio's clock (seconds); None where no restart is planned."""
    incarnation: int
    restarts: int
    error: str
    """The type and text of the last crash; empty where there was none."""
    mailbox: MailboxStatistics | None
    children: tuple[Node, ...] = ()

    def standing(self, now: float | None = None) -> str:
        """Return in words what it does, or why it is down and, where `now` is trio's clock (seconds), for how long."""
        why = f": {plain(self.why)}" if self.why and self.why != self.status else ""
        back = "" if self.until is None or now is None else f", back in {max(0.0, self.until - now):.1f} s"
        return f"{self.status}{why}{back}"

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield this node and all below it, top down, each with the lines that lead to it in a drawing."""
        return _walk(self, "", "")

    def __str__(self) -> str:
        now = _now()
        return "\n".join(f"{guide}{plain(node.name)} {node.standing(now)}" for guide, node in self.walk())

    def __rich__(self) -> Table:
        """Be drawn by rich, where that is installed: `rich.print(app.tree())`."""
        from ds_actors._rich import table  # noqa: PLC0415 - rich is optional, and here already when it calls this

        return table(self.walk(), _now())


def _walk(node: Node, guide: str, below: str) -> Iterator[tuple[str, Node]]:
    yield guide, node
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _walk(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _now() -> float | None:
    return trio.current_time() if trio.lowlevel.in_trio_run() else None
