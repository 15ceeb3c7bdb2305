"""One life of a supervisor: the trio shell that performs what `_supervision` decides.

Every child runs in a task of its supervisor's one nursery, under a shielded cancel scope of its own, so that a
cancellation from outside reaches the supervisor alone and the children are stopped in order.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from threading import get_ident
from typing import Any, cast

import trio
from attrs import define

from ds_actors import _events as events
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, Ignore, RestartLimitReached, StartFailed
from ds_actors._exits import Exit, combine, judge
from ds_actors._incarnation import Incarnation
from ds_actors._rules import ChildStatus, Phase
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._supervision import Supervision
from ds_actors._telemetry import (
    ChildEnded,
    ChildReady,
    RestartScheduled,
    SupervisorGaveUp,
    Telemetry,
)
from ds_actors._timers import Alarm, Timers

logger = logging.getLogger("ds_actors")

# Seconds after which a cancelled actor that still runs is named once more.
_CANCELLATION_TAKES = 1.0


def escape(name: str) -> str:
    """Return a name as a path's part: no slash, no control character, nothing that is not ASCII or printable."""
    if name.isprintable() and "/" not in name and "%" not in name:
        return name
    return "".join(
        c if c.isprintable() and c not in "/%" else "".join(f"%{b:02x}" for b in c.encode("utf-8", "replace"))
        for c in name
    )


def unwrapped(error: BaseException) -> BaseException:
    """Return the one exception in a nursery's group, or the group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    first, *others = group.exceptions
    return group if others else unwrapped(first)


@define(eq=False)
class SupervisorCell:
    """What stays of a supervisor while its incarnations come and go."""

    name: str
    path: str
    life: SupervisorIncarnation | None = None
    """The incarnation that runs, or the last one that did."""


@define(eq=False)
class ChildLink:
    """One child as the shell holds it, across its incarnations."""

    spec: ChildSpec[Any] | SupervisorSpec
    cell: Cell | SupervisorCell
    life: Incarnation | SupervisorIncarnation | None = None
    waiter: trio.Event | None = None
    """Set when a requested start is decided."""
    failure: BaseException | None = None
    ready: bool = False
    """It became ready since its start was requested."""
    why: str = ""
    """Why it is at rest; empty while it is not."""
    alarms: tuple[Alarm, ...] = ()
    gone: trio.Event | None = None
    """Set when it is at rest; made when somebody waits for that."""


class SupervisorIncarnation:
    """One incarnation of a supervisor."""

    def __init__(self, spec: SupervisorSpec, path: str, telemetry: Telemetry, draw: Callable[[], float]) -> None:
        self.spec = spec
        self.path = path
        self.healthy = True
        self.links: dict[str, ChildLink] = {}
        self.supervision: Supervision = Supervision(spec.strategy, spec.max_restarts, spec.within, spec.auto_shutdown)
        self.telemetry = telemetry
        self._draw = draw
        self._thread = get_ident()  # one number for all children: each call makes a new one, of 32 bytes
        self._nursery: trio.Nursery | None = None
        self._alarms: Timers | None = None
        self._numbers: dict[str, int] = {}
        self._booted = trio.Event()
        self.up: bool = False
        """Every child of the first batch became ready."""
        self.halted: trio.Event = trio.Event()
        self._upward: list[BaseException] = []
        self._failure: BaseException | None = None
        self._deadline = math.inf
        self._stopped = False
        self.on_end: Callable[[], object] | None = None
        """Called when it begins to stop by itself."""

    # ---- its life

    @asynccontextmanager
    @trio.lowlevel.enable_ki_protection
    async def open(self) -> AsyncGenerator[None]:
        """Start the children in order, yield, and stop what lives in reverse order.

        Raises nothing of its own: afterwards `failure()` says what went wrong.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._alarms = Timers(nursery)
            try:
                if not self.halted.is_set():
                    self._adopt_children()
                    self.feed(events.Boot())
                await self._booted.wait()
                yield
            finally:
                self.stop(trio.current_time() + self.spec.grace)
                with trio.CancelScope(shield=True):
                    await self.halted.wait()

    def _adopt_children(self) -> None:
        specs = self.spec.children
        for child in specs() if callable(specs) else specs:
            name = self._name(child)
            link = self._link(child, name)
            self.supervision.adopt(child.rules(name))
            self.links[name] = link

    async def live(self, ready: Callable[[], None]) -> Exit:
        """Run as somebody's child; never raises."""
        escaped: list[BaseException] = []
        try:
            with trio.CancelScope(shield=True):
                async with self.open():
                    if self.up:
                        ready()
                    await self.halted.wait()
        except BaseException as error:  # noqa: BLE001 - judged below
            escaped.append(unwrapped(error))
        if not self.up and len(escaped) == 1 and isinstance(escaped[0], Ignore):
            return Exit(ignored=True)
        failure = self.failure()
        if failure is not None:
            escaped.append(failure)
        return judge(combine(escaped, f"{self.path} failed in several ways"), stopped=self._stopped)

    def failure(self) -> BaseException | None:
        """Return what must be raised after the end: the limit reached, a failed start, what goes up."""
        errors = list(self._upward)
        if self._failure is not None:
            errors.append(self._failure)
        return combine(errors, f"{self.path} failed in several ways")

    def stop(self, deadline: float, *, again: bool = False) -> None:
        """Stop everything by `deadline` (trio's clock, seconds); a second call can only shorten the time."""
        self._stopped = True
        self.cut(deadline)
        self.feed(events.Shutdown())

    def cut(self, deadline: float) -> None:
        """Shorten the time left to everything below."""
        self._deadline = min(self._deadline, deadline)
        for link in self.links.values():
            if link.life is not None and self.supervision.phase is Phase.STOPPING:
                self._limit(link, self._deadline)

    # ---- decide and act

    @trio.lowlevel.enable_ki_protection
    def feed(self, event: events.Event) -> None:
        """Hand an event to the decisions and perform what they return, without a checkpoint."""
        for effect in self.supervision.handle(event, trio.current_time(), self._draw()):
            self._perform(effect)

    def _perform(self, effect: events.Effect) -> None:
        match effect:
            case events.Start(name, number):
                self._begin(name, number)
            case events.Stop(name, _, again):
                self._request_stop(self.links[name], again=again)
            case events.Wake(name, number, at):
                self._wake(name, number, at)
            case events.Rest():
                self._rest(effect)
            case events.GaveUp(name, error, limit):
                self._give_up(name, error, limit)
            case events.BootFailed(name, error):
                self._failure = StartFailed(f"{self.path}/{escape(name)} did not start")
                self._failure.__cause__ = error
                self._abandon()
            case events.ShutDown():
                self._abandon()
            case events.Booted():
                self.up = True
                self._booted.set()
            case events.Halted():  # pragma: no branch - there are no others
                if self._alarms is not None:  # else it was stopped before its task had begun
                    self._alarms.close()
                self._booted.set()
                self.halted.set()

    def _begin(self, name: str, number: int) -> None:
        link = self.links[name]
        assert self._nursery is not None
        if link.why:  # it was at rest, so its old mailbox is closed and who watched it was told
            link.cell = self._cell(link.spec, name) if isinstance(link.cell, Cell) else link.cell
            link.gone, link.why = None, ""
        life: Incarnation | SupervisorIncarnation
        if isinstance(link.cell, SupervisorCell):
            assert isinstance(link.spec, SupervisorSpec)
            life = link.cell.life = SupervisorIncarnation(link.spec, link.cell.path, self.telemetry, self._draw)
        else:
            assert isinstance(link.spec, ChildSpec)
            spec = link.spec
            life = Incarnation(
                link.cell,
                number,
                partial(spec.factory, *spec.args),
                grace=spec.grace,
                drain=spec.drain,
                start_timeout=spec.start_timeout,
                expected=spec.expected,
                spawner=self._nursery.start_soon,
            )
        link.life = life
        self._nursery.start_soon(self._run, link, life, name, number, name=link.cell.path)

    @trio.lowlevel.enable_ki_protection
    async def _run(self, link: ChildLink, life: Incarnation | SupervisorIncarnation, name: str, number: int) -> None:
        try:
            end = await life.live(partial(self._ready, link, name, number))
        except BaseException as error:  # noqa: BLE001 - of the mailbox, which people may write
            end = judge(error)
        link.life = None
        self._cancel_alarms(link)
        if self.telemetry.listeners:
            self.telemetry.emit(ChildEnded(self.child_path(name), number, end.kind, end.crash or end.upward))
        if end.upward is not None:
            self._upward.append(end.upward)
            self._abandon()
            self.feed(events.Shutdown())
        link.failure = end.crash
        self.feed(events.Ended(name, number, end.crash, life.healthy, end.ignored))
        del end  # its traceback holds this frame on newer Pythons

    def _ready(self, link: ChildLink, name: str, number: int) -> None:
        self.feed(events.Ready(name, number))
        if self.supervision.children[name].status is ChildStatus.RUNNING:
            link.ready = True
            self._decided(link)
        if self.telemetry.listeners:
            self.telemetry.emit(ChildReady(self.child_path(name), number))

    def _decided(self, link: ChildLink) -> None:
        if link.waiter is not None:
            link.waiter.set()
            link.waiter = None

    def _rest(self, effect: events.Rest) -> None:
        link = self.links[effect.name]
        link.why = effect.why
        self._cancel_alarms(link)
        if isinstance(link.cell, Cell):
            link.cell.close()
        if effect.forgotten:
            del self.links[effect.name]
        if link.gone is not None:
            link.gone.set()
        self._decided(link)

    def _request_stop(self, link: ChildLink, *, again: bool) -> None:
        if link.life is None:
            return  # it is about to report its end
        deadline = min(self._deadline, trio.current_time() + link.spec.grace)
        link.life.stop(deadline, again=again)
        self._limit(link, deadline)

    def _limit(self, link: ChildLink, deadline: float) -> None:
        life = link.life
        if life is None or math.isinf(deadline):
            return
        life.cut(deadline)
        if isinstance(life, Incarnation):  # a supervisor does the same with its own children
            self._alarm(link, deadline, lambda: self._over(link, life))

    def _over(self, link: ChildLink, life: Incarnation) -> None:
        path = life.cell.path
        logger.warning("%s did not stop in time and is cancelled", path)
        life.kill()
        self._alarm(
            link,
            trio.current_time() + _CANCELLATION_TAKES,
            lambda: logger.warning("%s ignores its cancellation; trio can do no more than wait for it", path),
        )

    def _wake(self, name: str, number: int, at: float) -> None:
        if self.telemetry.listeners:
            failures = self.supervision.children[name].consecutive
            self.telemetry.emit(RestartScheduled(self.child_path(name), at, failures))
        self._alarm(self.links[name], at, lambda: self.feed(events.Due(name, number)))

    def _alarm(self, link: ChildLink, at: float, act: Callable[[], None]) -> None:
        assert self._alarms is not None
        link.alarms = (*link.alarms, self._alarms.set(at, act))

    @staticmethod
    def _cancel_alarms(link: ChildLink) -> None:
        for alarm in link.alarms:
            alarm.cancel()
        link.alarms = ()

    def _give_up(self, name: str, error: BaseException | None, limit: str) -> None:
        self._failure = RestartLimitReached(f"{self.path} gave up: {limit}, the last by {escape(name)}")
        self._failure.__cause__ = error
        if self.telemetry.listeners:
            self.telemetry.emit(SupervisorGaveUp(self.path, self.child_path(name), limit))
        self._abandon()

    def _abandon(self) -> None:
        self._deadline = min(self._deadline, trio.current_time() + self.spec.grace)
        if self.on_end is not None:
            self.on_end()

    # ---- children

    def child_path(self, name: str) -> str:
        """Return the path of a child."""
        return f"{self.path}/{escape(name)}"

    def _name(self, spec: ChildSpec[Any] | SupervisorSpec) -> str:
        if spec.name is not None:
            if spec.name in self.supervision.children:
                raise ValueError(f"{self.path} already has a child called {spec.name!r}")
            return spec.name
        assert isinstance(spec, ChildSpec)  # a supervisor's always has a name
        base = name = spec.default_name()
        while name in self.supervision.children:
            # Counted on, so that the ten-thousandth child need not try all the names before its own.
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            name = f"{base}-{number}"
        return name

    def _cell(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> Cell | SupervisorCell:
        path = self.child_path(name)
        if isinstance(spec, SupervisorSpec):
            return SupervisorCell(name, path)
        return Cell(name, path, spec.mailbox(), self.telemetry, self._thread)

    def _link(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> ChildLink:
        return ChildLink(spec, self._cell(spec, name))

    def known(self, name: str) -> ChildLink:
        """Return the link of a child.

        Raises:
            LookupError: there is no child of that name.
        """
        link = self.links.get(name)
        if link is None:
            raise LookupError(f"{self.path} has no child called {name!r}")
        return link

    async def add(self, spec: ChildSpec[Any] | SupervisorSpec) -> ChildLink:
        """Start one more child and wait until it is ready."""
        await self._accept_starts()
        most = self.spec.max_children
        if most is not None and len(self.links) >= most:
            raise StartFailed(f"{self.path} has its {most} children already")
        name = self._name(spec)
        return await self._requested(name, lambda: self._add(spec, name))

    async def restart(self, name: str) -> ChildLink:
        """Start a child that is at rest and wait until it is ready."""
        await self._accept_starts()
        self._refuse_unless_at_rest(name, "started again")
        return await self._requested(name, lambda: self.feed(events.StartAgain(name)))

    def delete(self, name: str) -> None:
        """Forget a child that is at rest."""
        self._refuse_unless_at_rest(name, "deleted")
        self.feed(events.Delete(name))

    def _refuse_unless_at_rest(self, name: str, what: str) -> None:
        self.known(name)
        status = self.supervision.children[name].status
        if status is not ChildStatus.DOWN:
            raise RuntimeError(f"{self.child_path(name)} is {status.value}; only a child at rest can be {what}")

    async def _accept_starts(self) -> None:
        if self.supervision.starts_in_order:
            self._refuse_from_start()
        if self.supervision.phase is Phase.BOOTING:
            await self._booted.wait()
        if self.supervision.phase is not Phase.RUNNING:
            raise ActorStopped(f"{self.path} is stopping")

    async def _requested(self, name: str, request: Callable[[], None]) -> ChildLink:
        waiter = trio.Event()
        link = self._request(name, request, waiter)
        try:
            await waiter.wait()
        except BaseException:
            self.feed(events.Terminate(name))
            raise
        if link.ready or link.why == events.IGNORED:
            return link
        if link.why == events.START_FAILED:
            raise StartFailed(f"{self.child_path(name)} did not start") from link.failure
        raise ActorStopped(f"{self.child_path(name)} was stopped before it was ready") from link.failure

    @trio.lowlevel.enable_ki_protection
    def _request(self, name: str, request: Callable[[], None], waiter: trio.Event) -> ChildLink:
        request()
        link = self.links[name]  # no start is decided before the next checkpoint
        link.waiter, link.ready = waiter, False
        return link

    def _add(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> None:
        link = self._link(spec, name)
        child = spec.rules(name)
        self.supervision.check(child)
        self.links[name] = link
        self.feed(events.Add(child))

    def _refuse_from_start(self) -> None:
        # Each of a set waits for the one before: a sibling started from one's started() would wait forever.
        task = trio.lowlevel.current_task()
        if any(self._runs(link, task, starting=True) for link in self.links.values()):
            raise RuntimeError(
                f"{self.path} is still starting its children; start further ones from a task spawned there"
            )

    def _runs(self, link: ChildLink, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        life = link.life
        if isinstance(life, SupervisorIncarnation):
            return any(life._runs(one, task, starting=starting) for one in life.links.values())  # noqa: SLF001
        return life is not None and life.cell.task is task and not (starting and life.ready_at is not None)

    async def terminate(self, name: str) -> None:
        """Stop a child in order and wait until it is gone."""
        link = self.known(name)
        if self._runs(link, trio.lowlevel.current_task()):
            raise RuntimeError(
                f"{self.child_path(name)} must not be stopped from within and waited for; use self.context.stop()"
            )
        self.feed(events.Terminate(name))
        if link.life is not None:
            if link.gone is None:
                link.gone = trio.Event()
            await link.gone.wait()
