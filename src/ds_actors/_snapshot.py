"""What `tree()`, `which()` and `count()` return: a supervisor as it stands now."""

from __future__ import annotations

from attrs import frozen

from ds_actors._cell import Cell
from ds_actors._child_link import ChildLink, SupervisorCell
from ds_actors._mailbox_guard import statistics
from ds_actors._rules import ALIVE, Child
from ds_actors._supervisor_incarnation import SupervisorIncarnation
from ds_actors._telemetry import Node


@frozen
class Counts:
    """The children directly below a supervisor, in numbers; workers + supervisors = specs."""

    specs: int
    """All that it holds, whether they run or not."""
    active: int
    """Those that live: starting, running or stopping."""
    workers: int
    """Actors."""
    supervisors: int


def count(incarnation: SupervisorIncarnation) -> Counts:
    """Return OTP's four numbers."""
    children = incarnation.supervision.children
    supervisors = sum(isinstance(link.cell, SupervisorCell) for link in incarnation.links.values())
    active = sum(child.status in ALIVE for child in children.values())
    return Counts(len(incarnation.links), active, len(incarnation.links) - supervisors, supervisors)


def node(incarnation: SupervisorIncarnation, name: str, status: str, child: Child | None) -> Node:
    """Return the snapshot of this supervisor and all below it."""
    return Node(
        name,
        incarnation.path,
        "supervisor",
        status,
        why=child.why if child else "",
        until=child.until if child else None,
        incarnation=child.incarnation if child else 1,
        restarts=child.restarts if child else 0,
        error=_error(child),
        mailbox=None,
        children=below(incarnation),
    )


def lone_node(name: str, path: str) -> Node:
    """Return the snapshot of a supervisor that never ran."""
    why = "not started yet"
    return Node(name, path, "supervisor", "down", why, None, incarnation=0, restarts=0, error="", mailbox=None)


def below(incarnation: SupervisorIncarnation) -> tuple[Node, ...]:
    """Return the snapshots of the children, in start order."""
    # A listener may ask in the middle of a stop, when a child is decided to go and still linked.
    known = incarnation.supervision.children
    return tuple(_child_node(incarnation, name, link) for name, link in incarnation.links.items() if name in known)


def _child_node(incarnation: SupervisorIncarnation, name: str, link: ChildLink) -> Node:
    child = incarnation.supervision.children[name]
    if isinstance(link.incarnation, SupervisorIncarnation):
        return node(link.incarnation, name, child.status.value, child)
    return Node(
        name,
        incarnation.maker.child_path(name),
        "actor" if isinstance(link.cell, Cell) else "supervisor",
        child.status.value,
        child.why,
        child.until,
        child.incarnation,
        child.restarts,
        _error(child),
        statistics(link.cell.mailbox, link.cell) if isinstance(link.cell, Cell) else None,
    )


def _error(child: Child | None) -> str:
    if child is None or child.error is None:
        return ""
    kind = type(child.error).__name__
    try:
        return f"{kind}: {child.error}"[:500]
    except Exception:  # noqa: BLE001 - the error's own __str__ failed
        return kind
