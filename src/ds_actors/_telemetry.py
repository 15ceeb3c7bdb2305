"""What happened, as frozen events for listeners; where nobody listens, no event is made.

No event carries a message or a reply, only its type's name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from attrs import frozen

from ds_actors._mailbox import MailboxStatistics

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
    """A message nobody will handle."""

    path: str
    message_type: str
    reason: str


TelemetryEvent = ChildReady | ChildEnded | RestartScheduled | SupervisorGaveUp | DeadLetter
Listener = Callable[[TelemetryEvent], object]


class Telemetry:
    """The listeners of one tree; a listener that raises is logged and does not disturb the tree."""

    __slots__ = ("listeners",)

    def __init__(self) -> None:
        self.listeners: tuple[Listener, ...] = ()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on, until the returned function is called."""
        self.listeners = (*self.listeners, listener)

        def remove() -> None:
            self.listeners = tuple(one for one in self.listeners if one is not listener)

        return remove

    def emit(self, event: TelemetryEvent) -> None:
        """Tell every listener; call it only where `listeners` is not empty."""
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a telemetry listener failed on %s", type(event).__name__)


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

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _lines(node: Node, indent: str) -> list[str]:
    note = f": {node.why}" if node.why else ""
    lines = [f"{indent}{node.name} {node.status}{note}"]
    for child in node.children:
        lines += _lines(child, indent + "  ")
    return lines
