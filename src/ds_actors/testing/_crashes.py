"""Crashes on command: in the middle of whatever an actor does, or while it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, TypeVarTuple

import trio

from ds_actors._actor import Actor
from ds_actors._incarnation import Incarnation
from ds_actors._ref import ActorRef
from ds_actors._supervisor import SupervisorRef
from ds_actors._supervisor_incarnation import SupervisorCell, SupervisorIncarnation, escape
from ds_actors._telemetry import ChildEnded, TelemetryEvent

M = TypeVar("M")
Ts = TypeVarTuple("Ts")


class Crashed(Exception):
    """What `crash` and `FailingStarts` raise, unless they are told otherwise."""


async def crash(supervisor: SupervisorRef, actor: ActorRef[Any] | str, error: Exception | None = None) -> None:
    """Make an actor fail now, whatever it awaits, and wait until that incarnation is over and its supervisor knows.

    Args:
        supervisor: the actor's supervisor, or one above it.
        actor: a reference, or the path below `supervisor` as `find` takes it.
        error: what it fails with; a `Crashed` by default. In production it would come from the actor itself.

    Raises:
        LookupError: there is nothing at that path.
        RuntimeError: it does not run just now, it is a supervisor, or it is the actor that calls this.
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
    supervisor.find(path)  # which raises where there is nothing
    above, _, name = path.rpartition("/")
    ref = supervisor.find(above) if above else supervisor
    assert isinstance(ref, SupervisorRef)
    parent = ref._living()  # noqa: SLF001 - the library's own modules share what users must not touch
    [link] = [link for key, link in parent.links.items() if escape(key) == name]
    if isinstance(link.cell, SupervisorCell):
        raise RuntimeError(f"{path} is a supervisor; crash an actor below it")  # noqa: TRY004 - of its state
    if not isinstance(link.incarnation, Incarnation):
        raise RuntimeError(f"{path} does not run just now")  # noqa: TRY004 - of its state
    return parent, link.incarnation


class FailingStarts(Generic[*Ts, M]):
    """A factory whose actors do not start when they should not: `FailingStarts(Counter, {2, 3})`.

    Args:
        factory: makes the actor.
        failing: the numbers of the starts that fail, the first being 1.
        error: what they fail with; a `Crashed` by default.
    """

    def __init__(
        self, factory: Callable[[*Ts], Actor[M]], failing: set[int], *, error: Exception | None = None
    ) -> None:
        self._factory = factory
        self._failing = failing
        self._error = error
        self.starts: int = 0
        """Starts so far, those that failed included."""

    def __call__(self, *args: *Ts) -> Actor[M]:
        """Return a new actor, or fail."""
        self.starts += 1
        if self.starts in self._failing:
            raise self._error or Crashed(f"a test made start {self.starts} fail")
        return self._factory(*args)
