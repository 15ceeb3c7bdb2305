"""One incarnation of a supervisor: the trio shell that performs what `_supervision` decides.

Every child runs in a task of its supervisor's one nursery, under shielded cancel scopes of its own, so that a
cancellation from outside reaches the supervisor alone and the children are stopped in order.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import field, frozen

from ds_actors import _events as events
from ds_actors._cell import Cell
from ds_actors._child_link import ChildLink, LinkMaker, SupervisorCell
from ds_actors._child_timers import ChildTimers, cancel_timers
from ds_actors._decision_loop import DecisionLoop
from ds_actors._errors import Ignore, RestartLimitReached, StartFailed
from ds_actors._exits import Exit, combine, judge, unwrapped
from ds_actors._incarnation import Incarnation
from ds_actors._parking import Parking
from ds_actors._rules import STRATEGIES, ChildStatus, Phase
from ds_actors._specs import ChildSpec, SupervisorSpec, check_children
from ds_actors._standby import Standby
from ds_actors._supervision import Supervision
from ds_actors._telemetry import (
    ChildEnded,
    ChildReady,
    RestartScheduled,
    SupervisorGaveUp,
    Telemetry,
)
from ds_actors._text import escape
from ds_actors._timers import Timers


@frozen
class TreeParts:
    """What all supervisors of a tree share."""

    telemetry: Telemetry
    draw: Callable[[], float]
    """Draws the jitter, in [0, 1)."""
    make_ref: Callable[[SupervisorCell], object]
    standby: Standby = field(factory=Standby)


def _nothing() -> None:
    return None


class SupervisorIncarnation(DecisionLoop):
    """One incarnation of a supervisor."""

    def __init__(self, spec: SupervisorSpec, cell: SupervisorCell, parts: TreeParts) -> None:
        supervision = Supervision(spec.strategy, spec.max_restarts, spec.within, spec.auto_shutdown)
        super().__init__(cell.path, supervision, parts.draw)
        self.spec = spec
        self._cell_of_this = cell
        self._parts = parts
        self.healthy = True
        self.links: dict[str, ChildLink] = {}
        self.asking: dict[trio.lowlevel.Task, ChildLink] = {}
        """The children whose requested start is not decided yet, by the task that waits for it."""
        self.telemetry: Telemetry = parts.telemetry
        self._nursery: trio.Nursery | None = None
        self._timers: ChildTimers | None = None
        self.parking: Parking = Parking(parts.standby, self._resumed, self._end_passing)
        self.maker: LinkMaker = LinkMaker(cell.path, parts.telemetry)
        self.booted: trio.Event = trio.Event()
        """The first batch is over: it became ready, or the supervisor stops."""
        self.up: bool = False
        """Every child of the first batch became ready."""
        self.halted: trio.Event = trio.Event()
        self._deadline = math.inf
        self._stopped = False
        self.on_end: Callable[[], object] | None = None
        """Called when it begins to stop by itself."""

    # ---- start and end

    @asynccontextmanager
    @trio.lowlevel.enable_ki_protection
    async def open(self) -> AsyncGenerator[None]:
        """Start the children in order, yield, and stop what lives in reverse order.

        Raises nothing of its own: afterwards `failure()` says what went wrong.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            timers = Timers(nursery)
            self._timers = ChildTimers(timers)
            self.parking.open(nursery, timers)
            is_root = self._parts.standby.open(nursery)
            try:
                if not self.halted.is_set():
                    self._adopt_children()
                    self.feed(events.Boot())
                await self.booted.wait()
                yield
            finally:
                try:
                    self.stop(trio.current_time() + self.spec.grace)
                    with trio.CancelScope(shield=True):
                        await self.halted.wait()
                finally:
                    if is_root:
                        self._parts.standby.close()

    def _adopt_children(self) -> None:
        specs = self.spec.children
        for child in check_children(specs() if callable(specs) else specs):
            name = self.maker.name_for(child, self.supervision.children)
            link = self.maker.link_for(child, name)
            self.supervision.adopt(child.rules(name))
            self.links[name] = link

    async def live(self, ready: Callable[[], None]) -> Exit:
        """Run as a child; never raises."""
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

    def stop(self, deadline: float, *, again: bool = False) -> None:
        """Stop everything by `deadline` (trio's clock, seconds); a second call can only shorten the time."""
        self._stopped = True
        self._deadline = min(self._deadline, deadline)
        self.feed(events.Shutdown())
        self.cut(deadline)

    def cut(self, deadline: float) -> None:
        """Shorten the time left to everything below."""
        self._deadline = min(self._deadline, deadline)
        for name, link in self.links.items():
            child = self.supervision.children.get(name)
            if child is not None and child.status is ChildStatus.STOPPING:
                self._limit(link, self._deadline)

    # ---- act

    def spawn(self, function: Callable[..., Awaitable[object]], /, *args: Any) -> None:
        """Run a task of a child."""
        assert self._nursery is not None
        self._nursery.start_soon(function, *args)

    def has_crashed(self, cell: Cell) -> None:
        """Note that a child's tasks are cancelled because it crashed."""
        assert self._timers is not None
        self._timers.name_if_it_stays(self.links[cell.name])

    def make_ref(self) -> object:
        """Return a reference to this supervisor."""
        return self._parts.make_ref(self._cell_of_this)

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
                self.booted.set()
            case events.Halted():  # pragma: no branch - there are no others
                if self._timers is not None:  # else it was stopped before its task had begun
                    self._timers.close()
                self.booted.set()
                self.halted.set()

    def _begin(self, name: str, number: int) -> None:
        link = self.links[name]
        assert self._nursery is not None
        prepare: Callable[[], None] = _nothing
        if link.why:  # it was at rest, so its old mailbox is closed and its watchers were notified
            link.gone, link.why = None, ""
            prepare = partial(self._renew_cell, link, name)
        elif number > 1 and isinstance(link.cell, Cell) and STRATEGIES[self.spec.strategy].restarts != "itself":
            prepare = partial(link.cell.flush, "its group starts again")
        try:
            prepare()
        except BaseException as error:  # noqa: BLE001 - the user's mailbox failed, and with it the start
            self._ended(link, name, number, judge(error), healthy=False)
            return
        incarnation: Incarnation | SupervisorIncarnation
        if isinstance(link.cell, SupervisorCell):
            assert isinstance(link.spec, SupervisorSpec)
            incarnation = link.cell.incarnation = SupervisorIncarnation(link.spec, link.cell, self._parts)
        else:
            assert isinstance(link.spec, ChildSpec)
            spec = link.spec
            incarnation = Incarnation(link.cell, number, spec, self)
        link.incarnation = incarnation
        # A restart always takes a turn, so that one that fails at once cannot keep the program to itself.
        if (
            number == 1
            and isinstance(incarnation, Incarnation)
            and self.parking.takes_no_turn()
            and incarnation.start_parked()
        ):
            self.feed(events.Ready(name, number))
            if incarnation.cell.has_work():
                incarnation.cell.wake_receiver()
            return
        self._nursery.start_soon(self._run, link, incarnation, name, number, name=link.cell.path)

    def _resumed(self, incarnation: Incarnation) -> Coroutine[Any, Any, None]:
        name = incarnation.cell.name
        return self._run(self.links[name], incarnation, name, incarnation.number)

    async def _end_passing(self, incarnation: Incarnation) -> None:
        name, end = incarnation.cell.name, await incarnation.end()
        self._ended(self.links[name], name, incarnation.number, end, healthy=incarnation.healthy)
        del end  # its traceback holds this frame on newer Pythons

    def _renew_cell(self, link: ChildLink, name: str) -> None:
        link.cell = self.maker.cell_for(link.spec, name)

    @trio.lowlevel.enable_ki_protection
    async def _run(
        self, link: ChildLink, incarnation: Incarnation | SupervisorIncarnation, name: str, number: int
    ) -> None:
        try:
            end = await incarnation.live(partial(self._report_ready, name, number))
        except BaseException as error:  # noqa: BLE001 - of the mailbox, which people may write
            end = judge(error)
        if end is not None:
            self._ended(link, name, number, end, healthy=incarnation.healthy)
        del end  # its traceback holds this frame on newer Pythons

    def _ended(self, link: ChildLink, name: str, number: int, end: Exit, *, healthy: bool) -> None:
        link.incarnation = None
        cancel_timers(link)
        if self.telemetry.listeners:
            self.telemetry.emit(ChildEnded(self.maker.child_path(name), number, end.kind, end.crash or end.upward))
        if end.upward is not None:
            self.escape(end.upward)
        link.failure = end.crash
        self.feed(events.Ended(name, number, end.crash, healthy, end.ignored))

    def runs(self, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        """Return whether a task is that of an actor below; with `starting`, of one that is not ready yet."""
        return any(link.is_run_by(task, starting=starting) for link in self.links.values())

    def _report_ready(self, name: str, number: int) -> None:
        self.feed(events.Ready(name, number))

    def _became_ready(self, event: events.Ready) -> None:
        link = self.links.get(event.name)
        if link is not None and self.supervision.children[event.name].status is ChildStatus.RUNNING:
            link.ready = True
            self._decided(link)
        if self.telemetry.listeners:
            self.telemetry.emit(ChildReady(self.maker.child_path(event.name), event.incarnation))

    def _decided(self, link: ChildLink) -> None:
        if link.waiter is not None:
            link.waiter.set()
            assert link.asker is not None
            self.asking.pop(link.asker, None)
            link.waiter = link.asker = None

    def _rest(self, effect: events.Rest) -> None:
        link = self.links[effect.name]
        link.why, link.rested = effect.why, True
        cancel_timers(link)
        if effect.forgotten:
            del self.links[effect.name]
        try:
            link.cell.end(effect.why, effect.error)
        finally:  # a mailbox or a watch may raise SystemExit
            if link.gone is not None:
                link.gone.set()
            self._decided(link)

    def _request_stop(self, link: ChildLink, *, again: bool) -> None:
        if link.incarnation is None:
            return  # it has ended, and reports that next
        if self.asking and (self.supervision.starts_in_order or self.supervision.phase is Phase.STOPPING):
            self._call_off_starts_of(link)
        if isinstance(link.incarnation, Incarnation) and self.parking.takes_no_turn():
            number, healthy = link.incarnation.number, link.incarnation.healthy
            end = link.incarnation.stop_parked()
            if end is not None:
                self._ended(link, link.cell.name, number, end, healthy=healthy)
                return
        deadline = min(self._deadline, trio.current_time() + link.spec.grace)
        link.incarnation.stop(deadline, again=again)
        self._limit(link, deadline)

    def _limit(self, link: ChildLink, deadline: float) -> None:
        assert self._timers is not None
        self._timers.limit(link, deadline)

    def _call_off_starts_of(self, link: ChildLink) -> None:
        # An actor that waits for a start here would wait for the others, and they for it.
        if isinstance(link.incarnation, Incarnation):
            task = link.incarnation.cell.task
            asking = [self.asking[task]] if task in self.asking else []
        else:
            asking = [asked for task, asked in self.asking.items() if link.is_run_by(task)]
        for asked in asking:
            self._decided(asked)

    def _wake(self, name: str, number: int, at: float) -> None:
        if self.telemetry.listeners:
            failures = self.supervision.children[name].consecutive
            self.telemetry.emit(RestartScheduled(self.maker.child_path(name), at, failures))
        assert self._timers is not None
        self._timers.set(self.links[name], at, lambda: self.feed(events.Due(name, number)))

    def _give_up(self, name: str, error: BaseException | None, limit: str) -> None:
        self._failure = RestartLimitReached(f"{self.path} gave up: {limit}, the last by {escape(name)}")
        self._failure.__cause__ = error
        if self.telemetry.listeners:
            self.telemetry.emit(SupervisorGaveUp(self.path, self.maker.child_path(name), limit))
        self._abandon()

    def _abandon(self) -> None:
        self.cut(trio.current_time() + self.spec.grace)
        self.booted.set()  # a start that waits for the first batch learns now that it is called off
        if self.on_end is not None:
            self.on_end()

    def known(self, name: str) -> ChildLink:
        """Return the link of a child.

        Raises:
            LookupError: there is no child of that name.
        """
        link = self.links.get(name)
        if link is None:
            raise LookupError(f"{self.path} has no child called {name!r}")
        return link
