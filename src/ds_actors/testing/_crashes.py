"""Crashes on command: at whatever an actor awaits, or during its start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, TypeVarTuple

import trio

from ds_actors._actor import Actor
from ds_actors._child_link import SupervisorCell
from ds_actors._incarnation import Incarnation
from ds_actors._ref import ActorRef
from ds_actors._supervisor_incarnation import SupervisorIncarnation
from ds_actors._supervisor_ref import SupervisorRef
from ds_actors._telemetry import ChildEnded, TelemetryEvent
from ds_actors._text import escape

M = TypeVar("M")
Ts = TypeVarTuple("Ts")


class Crashed(Exception):
    """The default error of `crash` and `FailingStarts`."""


async def crash(supervisor: SupervisorRef, actor: ActorRef[Any] | str, error: Exception | None = None) -> None:
    """Make an actor fail at its current await, and wait until its supervisor has handled the crash.

    Args:
        supervisor: the actor's supervisor, or an ancestor of it.
        actor: a reference, or the path below `supervisor` as `find` takes it.
        error: the exception to raise in it; a `Crashed` by default.

    Raises:
        LookupError: there is nothing at that path.
        RuntimeError: it is not running, it is a supervisor, or it is the calling actor itself.
    """
    path = actor if isinstance(actor, str) else actor.path.removeprefix(supervisor.path + "/")
    parent, incarnation = _running(supervisor, path)
    if incarnation.cell.task is trio.lowlevel.current_task():
        raise RuntimeError(f"{path} cannot wait for its own crash; raise instead")
    over = trio.Event()

    def notice(event: TelemetryEvent) -> None:
        if event == ChildEnded(incarnation.cell.path, incarnation.number, "crashed", failure):
            over.set()

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise failure

    failure = error or Crashed(f"a test made {path} crash")
    forget = parent.telemetry.add(notice)
    incarnation.spawn(fail)
    try:
        await over.wait()
    finally:
        forget()


def _running(supervisor: SupervisorRef, path: str) -> tuple[SupervisorIncarnation, Incarnation]:
    supervisor.find(path)  # raises when there is no such actor
    above, _, name = path.rpartition("/")
    ref = supervisor.find(above) if above else supervisor
    assert isinstance(ref, SupervisorRef)
    parent = ref._living()  # noqa: SLF001 - the library's own modules share what users must not touch
    [link] = [link for key, link in parent.links.items() if escape(key) == name]
    if isinstance(link.cell, SupervisorCell):
        raise RuntimeError(f"{path} is a supervisor; crash an actor below it")  # noqa: TRY004 - of its state
    if not isinstance(link.incarnation, Incarnation):
        raise RuntimeError(f"{path} is not running")  # noqa: TRY004 - of its state
    return parent, link.incarnation


class FailingStarts(Generic[*Ts, M]):
    """A factory some of whose actors fail to start: `FailingStarts(Counter, {2, 3})`.

    Args:
        factory: makes the actor.
        failing: the numbers of the starts that fail, the first being 1.
        error: the exception of a failing start; a `Crashed` by default.
    """

    def __init__(
        self, factory: Callable[[*Ts], Actor[M]], failing: set[int], *, error: Exception | None = None
    ) -> None:
        self._factory = factory
        self._failing = failing
        self._error = error
        self.starts: int = 0
        """The number of starts so far, including failed ones."""

    def __call__(self, *args: *Ts) -> Actor[M]:
        """Return a new actor, or fail."""
        self.starts += 1
        if self.starts in self._failing:
            raise self._error or Crashed(f"a test made start {self.starts} fail")
        return self._factory(*args)
