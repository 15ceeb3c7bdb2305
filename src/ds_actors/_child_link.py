"""One child as its supervisor's shell holds it: its name, its path and its cell."""

from __future__ import annotations

from collections.abc import Container
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define

from ds_actors._cell import Cell
from ds_actors._errors import StartFailed
from ds_actors._incarnation import Incarnation
from ds_actors._lifetime import Lifetime
from ds_actors._parking import may_park
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._telemetry import Telemetry
from ds_actors._text import escape
from ds_actors._timers import Timer

if TYPE_CHECKING:
    from ds_actors._supervisor_incarnation import SupervisorIncarnation

_MAILBOX: Final = ("put", "has_room", "take", "settle", "interrupted", "close", "statistics")


MAX_DEPTH: Final = 100
"""Levels of supervisors; each level takes a few frames of Python's stack when the tree stops."""


class SupervisorCell(Lifetime):
    """What stays of a supervisor while its incarnations come and go."""

    __slots__ = ("incarnation", "turn")

    def __init__(
        self, name: str, above: str, thread: int | None = None, token: trio.lowlevel.TrioToken | None = None
    ) -> None:
        super().__init__(name, above, thread, token)
        self.incarnation: SupervisorIncarnation | None = None
        """The incarnation that runs, or the last one that did."""
        self.turn: int = 0
        """Whose turn is next, in a pool."""


@define(eq=False, weakref_slot=False)
class ChildLink:
    """One child as the shell holds it, across its incarnations."""

    spec: ChildSpec[Any] | SupervisorSpec
    cell: Cell | SupervisorCell
    incarnation: Incarnation | SupervisorIncarnation | None = None
    waiter: trio.Event | None = None
    """Set when a requested start is decided."""
    failure: BaseException | None = None
    ready: bool = False
    """It became ready since its start was requested."""
    why: str = ""
    """Why it is at rest; empty while it is not."""
    rested: bool = False
    """It came to rest since its start was requested."""
    timers: tuple[Timer, ...] = ()
    gone: trio.Event | None = None
    """Set when it is at rest; made when a caller waits for that."""
    asker: trio.lowlevel.Task | None = None
    """The task whose requested start is not decided yet."""

    def is_run_by(self, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        """Return whether a task is that of an actor here or below; with `starting`, of one that is not ready yet."""
        return self.incarnation is not None and self.incarnation.runs(task, starting=starting)


class LinkMaker:
    """Makes the links of one supervisor's children."""

    def __init__(self, path: str, telemetry: Telemetry) -> None:
        self._path = path
        self._above = path + "/"
        self._telemetry = telemetry
        self._thread = get_ident()  # one number for all children: each call makes a new one, of 32 bytes
        self._token = trio.lowlevel.current_trio_token()
        self._numbers: dict[str, int] = {}

    def child_path(self, name: str) -> str:
        """Return the path of a child."""
        return self._above + escape(name)

    def name_for(self, spec: ChildSpec[Any] | SupervisorSpec, taken: Container[str]) -> str:
        if spec.name is not None:
            if spec.name in taken:
                raise ValueError(f"{self._path} already has a child called {spec.name!r}")
            return spec.name
        assert isinstance(spec, ChildSpec)  # a supervisor's always has a name
        base = name = spec.default_name()
        while name in taken:
            # Counted on, so that the ten-thousandth child need not try all the names before its own.
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            name = f"{base}-{number}"
        return name

    def cell_for(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> Cell | SupervisorCell:
        if isinstance(spec, SupervisorSpec):
            if self._above.count("/") > MAX_DEPTH:
                raise StartFailed(f"{escape(name)} would be more than {MAX_DEPTH} levels deep in its tree")
            return SupervisorCell(name, self._above, self._thread, self._token)
        mailbox = spec.mailbox()
        if may_park(mailbox):
            return Cell(name, self._above, mailbox, self._telemetry, self._thread, token=self._token)
        missing = [method for method in _MAILBOX if not callable(getattr(mailbox, method, None))]
        if missing:
            path = self.child_path(name)
            raise TypeError(f"the mailbox of {path} must have {', '.join(missing)}; {type(mailbox).__name__} has not")
        return Cell(name, self._above, mailbox, self._telemetry, self._thread, token=self._token)

    def link_for(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> ChildLink:
        return ChildLink(spec, self.cell_for(spec, name))
