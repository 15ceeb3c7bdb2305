"""Supervisors: the trio shell that performs what `_supervision` decides.

Every child runs in a task of its supervisor's one nursery, under a shielded cancel scope of its own, so that a
cancellation from outside reaches the supervisor alone and the children are stopped in order.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, cast, overload

import trio
from attrs import define, field

from ds_actors import _supervision as rules
from ds_actors._actor import Actor, Incarnation
from ds_actors._backoff import Backoff
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, RestartLimitReached, StartFailed
from ds_actors._exits import Exit, combine, judge
from ds_actors._mailbox import Mailbox, Reject
from ds_actors._ref import ActorRef
from ds_actors._specs import Children, ChildSpec, SupervisorSpec
from ds_actors._supervision import Restart, Strategy, Supervision
from ds_actors._telemetry import (
    ChildEnded,
    ChildReady,
    Listener,
    Node,
    RestartScheduled,
    SupervisorGaveUp,
    Telemetry,
    TelemetryEvent,
)

M = TypeVar("M")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("ds_actors")


# Seconds after which a cancelled actor that still runs is named once more.
_CANCELLATION_TAKES = 1.0


def escape(name: str) -> str:
    """Return a name as a path's part: no slash, no control character, nothing that is not ASCII or printable."""
    return "".join(
        c if c.isprintable() and c not in "/%" else "".join(f"%{b:02x}" for b in c.encode("utf-8", "replace"))
        for c in name
    )


@define(eq=False)
class _Link:
    """One child as the shell holds it, across its incarnations."""

    spec: ChildSpec[Any] | SupervisorSpec
    cell: Cell | None
    """The mailbox of an actor; a supervisor has none."""
    ref: SupervisorRef | None
    life: Incarnation | _Life | None = None
    waiter: trio.Event | None = None
    """Set when the first start is decided."""
    failure: BaseException | None = None
    failed: bool = False
    ready: bool = False
    """Some incarnation became ready."""
    timers: list[trio.CancelScope] = field(factory=list[trio.CancelScope])
    gone: trio.Event = field(factory=trio.Event)


class _Life:
    """One incarnation of a supervisor."""

    def __init__(self, spec: SupervisorSpec, path: str, telemetry: Telemetry, draw: Callable[[], float]) -> None:
        self.spec = spec
        self.path = path
        self.healthy = True
        self.links: dict[str, _Link] = {}
        self.supervision = Supervision(spec.strategy, spec.max_restarts, spec.within)
        self._telemetry = telemetry
        self._draw = draw
        self._nursery: trio.Nursery | None = None
        self._booted = trio.Event()
        self.halted = trio.Event()
        self._upward: list[BaseException] = []
        self._failure: BaseException | None = None
        self._deadline = math.inf
        self._stopped = False
        self.on_give_up: Callable[[], object] | None = None

    # ---- its life

    @asynccontextmanager
    @trio.lowlevel.enable_ki_protection
    async def open(self) -> AsyncGenerator[None]:
        """Start the children in order, yield, and stop what lives in reverse order.

        Raises nothing of its own: afterwards `failure()` says what went wrong.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                specs = self.spec.children
                for child in specs() if callable(specs) else specs:
                    name = self._name(child)
                    link = self._link(child, name)
                    self.supervision.adopt(child.rules(name))
                    self.links[name] = link
                self.feed(rules.Boot())
                await self._booted.wait()
                yield
            finally:
                self.stop(trio.current_time() + self.spec.grace)
                with trio.CancelScope(shield=True):
                    await self.halted.wait()

    async def live(self, ready: Callable[[], None]) -> Exit:
        """Run as somebody's child; never raises."""
        escaped: list[BaseException] = []
        try:
            with trio.CancelScope(shield=True):
                async with self.open():
                    if not self.halted.is_set():
                        ready()
                    await self.halted.wait()
        except BaseException as error:  # noqa: BLE001 - judged below
            escaped.append(_unwrapped(error))
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

    def stop(self, deadline: float) -> None:
        """Stop everything by `deadline` (trio's clock, seconds); a second call can only shorten the time."""
        self._stopped = True
        self.cut(deadline)
        self.feed(rules.Shutdown())

    def cut(self, deadline: float) -> None:
        """Shorten the time left to everything below."""
        self._deadline = min(self._deadline, deadline)
        for link in self.links.values():
            if link.life is not None and self.supervision.phase is rules.Phase.STOPPING:
                self._limit(link, self._deadline)

    def kill(self) -> None:
        """Cancel everything below at once."""
        self.cut(trio.current_time())
        for link in self.links.values():
            if link.life is not None:
                link.life.kill()

    # ---- decide and act

    @trio.lowlevel.enable_ki_protection
    def feed(self, event: rules.Event) -> None:
        """Hand an event to the decisions and perform what they return, without a checkpoint."""
        for effect in self.supervision.handle(event, trio.current_time(), self._draw()):
            self._perform(effect)

    def _perform(self, effect: rules.Effect) -> None:
        match effect:
            case rules.Start(name, number):
                self._begin(name, number)
            case rules.Stop(name):
                self._request_stop(self.links[name])
            case rules.Wake(name, number, at):
                self._wake(name, number, at)
            case rules.Rest(name):
                self._rest(effect)
            case rules.GaveUp(name, error, limit):
                self._give_up(name, error, limit)
            case rules.BootFailed(name, error):
                self._failure = StartFailed(f"{self.path}/{escape(name)} did not start")
                self._failure.__cause__ = error
                self._abandon()
            case rules.Booted():
                self._booted.set()
            case rules.Halted():
                self._booted.set()
                self.halted.set()

    def _begin(self, name: str, number: int) -> None:
        link = self.links[name]
        assert self._nursery is not None
        spec, cell = link.spec, link.cell
        life: Incarnation | _Life
        if isinstance(spec, SupervisorSpec):
            assert link.ref is not None
            life = _Life(spec, link.ref.path, self._telemetry, self._draw)
            link.ref._life = life  # noqa: SLF001 - the ref is this module's
        else:
            assert cell is not None
            factory, args = spec.factory, spec.args
            life = Incarnation(
                cell,
                number,
                lambda: factory(*args),
                grace=spec.grace,
                drain=spec.drain,
                start_timeout=spec.start_timeout,
                expected=spec.expected,
                spawner=self._nursery.start_soon,
            )
        link.life = life
        self._nursery.start_soon(self._run, link, life, name, number, name=f"{self.path}/{escape(name)}")

    @trio.lowlevel.enable_ki_protection
    async def _run(self, link: _Link, life: Incarnation | _Life, name: str, number: int) -> None:
        def ready() -> None:
            self.feed(rules.Ready(name, number))
            if self.supervision.children[name].status is rules.Status.RUNNING:
                link.ready = True
                self._decided(link)
            if self._telemetry.listeners:
                self._emit(ChildReady(self._path(name), number))

        try:
            end = await life.live(ready)
        except BaseException as error:  # noqa: BLE001 - of the mailbox, which people may write
            end = judge(error)
        link.life = None
        for timer in link.timers:
            timer.cancel()
        link.timers.clear()
        if self._telemetry.listeners:
            self._emit(ChildEnded(self._path(name), number, end.kind, end.crash or end.upward))
        if end.upward is not None:
            self._upward.append(end.upward)
            self._abandon()
            self.feed(rules.Shutdown())
        link.failure = end.crash
        self.feed(rules.Ended(name, number, end.crash, life.healthy))

    def _decided(self, link: _Link) -> None:
        if link.waiter is not None:
            link.waiter.set()
            link.waiter = None

    def _rest(self, effect: rules.Rest) -> None:
        link = self.links[effect.name]
        link.failed = effect.start_failed
        for timer in link.timers:
            timer.cancel()
        if link.cell is not None:
            link.cell.close()
        if effect.forgotten:
            del self.links[effect.name]
        link.gone.set()
        self._decided(link)

    def _request_stop(self, link: _Link) -> None:
        if link.life is None:
            return  # it is about to report its end
        deadline = min(self._deadline, trio.current_time() + link.spec.grace)
        link.life.stop(deadline)
        self._limit(link, deadline)

    def _limit(self, link: _Link, deadline: float) -> None:
        life = link.life
        if life is None or math.isinf(deadline):
            return
        life.cut(deadline)

        if isinstance(life, Incarnation):  # a supervisor does the same with its own children
            self._timer(link, deadline, lambda: self._over(link, life))

    def _over(self, link: _Link, life: Incarnation) -> None:
        path = life.cell.path
        logger.warning("%s did not stop in time and is cancelled", path)
        life.kill()
        self._timer(
            link,
            trio.current_time() + _CANCELLATION_TAKES,
            lambda: logger.warning("%s ignores its cancellation; trio can do no more than wait for it", path),
        )

    def _wake(self, name: str, number: int, at: float) -> None:
        if self._telemetry.listeners:
            self._emit(RestartScheduled(self._path(name), at, self.supervision.children[name].consecutive))
        self._timer(self.links[name], at, lambda: self.feed(rules.Due(name, number)))

    def _timer(self, link: _Link, at: float, act: Callable[[], None]) -> None:
        scope = trio.CancelScope(shield=True)
        link.timers.append(scope)

        async def wait() -> None:
            with scope:
                await trio.sleep_until(at)
                if scope in link.timers:
                    link.timers.remove(scope)
                act()

        assert self._nursery is not None
        self._nursery.start_soon(wait)

    def _give_up(self, name: str, error: BaseException | None, limit: str) -> None:
        self._failure = RestartLimitReached(f"{self.path} gave up: {limit}, the last by {escape(name)}")
        self._failure.__cause__ = error
        if self._telemetry.listeners:
            self._emit(SupervisorGaveUp(self.path, self._path(name), limit))
        self._abandon()

    def _abandon(self) -> None:
        self._deadline = min(self._deadline, trio.current_time() + self.spec.grace)
        if self.on_give_up is not None:
            self.on_give_up()

    # ---- children

    def _emit(self, event: TelemetryEvent) -> None:
        self._telemetry.emit(event)

    def _path(self, name: str) -> str:
        return f"{self.path}/{escape(name)}"

    def _name(self, spec: ChildSpec[Any] | SupervisorSpec) -> str:
        if spec.name is not None:
            if spec.name in self.supervision.children:
                raise ValueError(f"{self.path} already has a child called {spec.name!r}")
            return spec.name
        base, name, number = spec.default_name(), spec.default_name(), 1
        while name in self.supervision.children:
            number += 1
            name = f"{base}-{number}"
        return name

    def _link(self, spec: ChildSpec[Any] | SupervisorSpec, name: str) -> _Link:
        path = self._path(name)
        if isinstance(spec, SupervisorSpec):
            return _Link(spec, None, SupervisorRef(name, path))
        return _Link(spec, Cell(name, path, spec.mailbox(), self._telemetry), None)

    async def add(self, spec: ChildSpec[Any] | SupervisorSpec) -> _Link:
        """Start one more child and wait until it is ready."""
        if self.supervision.phase is rules.Phase.BOOTING:
            self._refuse_from_start()
            await self._booted.wait()
        if self.supervision.phase is not rules.Phase.RUNNING:
            raise ActorStopped(f"{self.path} is stopping")
        most = self.spec.max_children
        if most is not None and len(self.links) >= most:
            raise StartFailed(f"{self.path} has its {most} children already")
        name, waiter = self._name(spec), trio.Event()
        link = self._add(spec, name, waiter)
        try:
            await waiter.wait()
        except BaseException:
            self.feed(rules.Terminate(name))
            raise
        if link.failed:
            raise StartFailed(f"{self._path(name)} did not start") from link.failure
        if not link.ready:
            raise ActorStopped(f"{self._path(name)} was stopped before it was ready") from link.failure
        return link

    @trio.lowlevel.enable_ki_protection
    def _add(self, spec: ChildSpec[Any] | SupervisorSpec, name: str, waiter: trio.Event) -> _Link:
        link = self._link(spec, name)
        child = spec.rules(name)
        link.waiter = waiter
        self.links[name] = link
        self.feed(rules.Add(child))
        return link

    def _refuse_from_start(self) -> None:
        # A first batch waits for each child's started(): a sibling started from there would wait for ever.
        task = trio.lowlevel.current_task()
        if any(self._runs(link, task, starting=True) for link in self.links.values()):
            raise RuntimeError(
                f"{self.path} is still starting its children; start further ones from a task spawned there"
            )

    def _runs(self, link: _Link, task: trio.lowlevel.Task, *, starting: bool = False) -> bool:
        life = link.life
        if isinstance(life, _Life):
            return any(life._runs(one, task, starting=starting) for one in life.links.values())  # noqa: SLF001
        return life is not None and life.cell.task is task and not (starting and life.ready_at is not None)

    async def terminate(self, name: str) -> None:
        """Stop a child in order and wait until it is gone."""
        link = self.links.get(name)
        if link is None:
            raise LookupError(f"{self.path} has no child called {name!r}")
        if self._runs(link, trio.lowlevel.current_task()):
            raise RuntimeError(
                f"{self._path(name)} must not be stopped from within and waited for; use self.context.stop()"
            )
        self.feed(rules.Terminate(name))
        if link.life is not None:
            await link.gone.wait()

    def node(self, name: str, status: str, child: rules.Child | None) -> Node:
        """Return the snapshot of this supervisor and all below it."""
        # A listener may ask in the middle of a stop, when a child is decided to go and still linked.
        known = self.supervision.children
        nodes = tuple(self._child_node(one, link) for one, link in self.links.items() if one in known)
        return Node(
            name,
            self.path,
            "supervisor",
            status,
            why=child.why if child else "",
            until=child.until if child else None,
            incarnation=child.incarnation if child else 1,
            restarts=child.restarts if child else 0,
            error=_error(child),
            mailbox=None,
            children=nodes,
        )

    def _child_node(self, name: str, link: _Link) -> Node:
        child = self.supervision.children[name]
        if isinstance(link.life, _Life):
            return link.life.node(name, child.status.value, child)
        statistics = link.cell.mailbox.statistics() if link.cell is not None else None
        return Node(
            name,
            self._path(name),
            "actor" if link.cell is not None else "supervisor",
            child.status.value,
            child.why,
            child.until,
            child.incarnation,
            child.restarts,
            _error(child),
            statistics,
        )


def _error(child: rules.Child | None) -> str:
    if child is None or child.error is None:
        return ""
    return f"{type(child.error).__name__}: {child.error}"[:500]


class SupervisorRef:
    """A stable reference to a supervisor: it survives the supervisor's own restarts."""

    __slots__ = ("_life", "name", "path")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self._life: _Life | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def _living(self) -> _Life:
        if self._life is None:
            raise ActorStopped(f"{self.path} is not running")
        return self._life

    @overload
    async def start(self, spec: SupervisorSpec, /) -> SupervisorRef: ...
    @overload
    async def start(self, spec: ChildSpec[M], /) -> ActorRef[M]: ...
    @overload
    async def start(
        self,
        factory: Callable[[*Ts], Actor[M]],
        /,
        *args: *Ts,
        name: str | None = None,
        restart: Restart = "permanent",
        backoff: Backoff | None = None,
        max_failures: int | None = None,
        stable_after: float = 10.0,
        grace: float = 5.0,
        start_timeout: float = 30.0,
        mailbox: Callable[[], Mailbox[Any]] = Reject,
        drain: bool = False,
        expected: tuple[type[Exception], ...] = (),
    ) -> ActorRef[M]: ...
    async def start(
        self, factory: Callable[[*Ts], Actor[M]] | ChildSpec[M] | SupervisorSpec, /, *args: *Ts, **options: Any
    ) -> ActorRef[Any] | SupervisorRef:
        """Start a child, by a spec or by what makes the actor, and return its reference when it is ready.

        The options are those of `ChildSpec`.

        Raises:
            StartFailed: it did not become ready (`__cause__`); no sibling is touched, no restart is tried.
            ValueError: the name is taken.
            ActorStopped: this supervisor is stopping, or stopped the child before it was ready.
            RuntimeError: called from `started` of a child that this supervisor's own start waits for.
        """
        if isinstance(factory, (ChildSpec, SupervisorSpec)):
            if args or options:
                raise TypeError("a spec already says all; change it there")
            spec = cast("ChildSpec[Any] | SupervisorSpec", factory)
        else:
            spec = ChildSpec(factory, *args, **options)
        link = await self._living().add(spec)
        if link.ref is not None:
            return link.ref
        assert link.cell is not None
        return ActorRef(link.cell)

    async def terminate(self, name: str) -> None:
        """Stop a child in order and wait until it is gone; it is not started again.

        Raises:
            LookupError: there is no child of that name.
            RuntimeError: called by the child itself, or from below it, which would wait for itself.
        """
        await self._living().terminate(name)

    def find(self, path: str) -> ActorRef[Any] | SupervisorRef:
        """Return the reference at a path below this supervisor, as in `find("tracks/TR_1")`.

        Raises:
            LookupError: there is nothing there.
        """
        first, _, rest = path.partition("/")
        for name, link in self._living().links.items():
            if escape(name) == first:
                if link.ref is not None:
                    return link.ref.find(rest) if rest else link.ref
                if link.cell is not None and not rest:
                    return ActorRef(link.cell)
        raise LookupError(f"{self.path} has nothing at {path!r}")

    def actors(self) -> list[ActorRef[Any]]:
        """Return references to the actors directly below, in start order."""
        return [ActorRef(link.cell) for link in self._living().links.values() if link.cell is not None]

    def tree(self) -> Node:
        """Return a snapshot of this supervisor and all below it: what runs, what does not, why, and until when."""
        life = self._living()
        return life.node(self.name, life.supervision.phase.value, None)


class Supervisor(SupervisorRef):
    """The root of a tree, for an `async with` block: leaving it stops the children in order.

    Args:
        name: the first part of every path.
        strategy: "one_for_one", or "dynamic" (children that finish are forgotten, all stop together).
        children: specs started in order, each when the one before is ready.
        max_restarts: restarts granted within `within` seconds to children that have no backoff of their own.
        within: seconds.
        max_children: most children at a time; None for any number.
        close_within: seconds that stopping may take in all; every grace below is cut to what is left of them.
        listeners: called with every telemetry event.
        random: draws the jitter, in [0, 1).

    Raises:
        StartFailed: from the block's start, when a child of the first batch did not become ready.
        RestartLimitReached: from the block's end, when the limit was reached; the body is cancelled then. An error
            of the body comes out as it is, both together as a group.
    """

    __slots__ = ("_body", "_draw", "_opened", "_spec", "telemetry")

    def __init__(
        self,
        name: str = "app",
        strategy: Strategy = "one_for_one",
        children: Children = (),
        *,
        max_restarts: int = 3,
        within: float = 5.0,
        max_children: int | None = None,
        close_within: float = 10.0,
        listeners: tuple[Listener, ...] = (),
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(name, "/" + escape(name))
        if not close_within >= 0:
            raise ValueError(f"close_within must be 0 or more seconds, not {close_within!r}")
        self._spec = SupervisorSpec(name, strategy, children, max_restarts, within, max_children, grace=close_within)
        self.telemetry = Telemetry()
        for listener in listeners:
            self.telemetry.add(listener)
        self._draw = random
        self._body = trio.CancelScope()
        self._opened: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("a Supervisor's block can be entered once; make a new one")
        self._opened = self._open()
        await self._opened.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._opened is not None
        return await self._opened.__aexit__(kind, error, traceback)

    @asynccontextmanager
    @trio.lowlevel.enable_ki_protection
    async def _open(self) -> AsyncGenerator[None]:
        life = self._life = _Life(self._spec, self.path, self.telemetry, self._draw)
        life.on_give_up = self._body.cancel
        errors: list[BaseException] = []
        try:
            async with life.open():
                if not life.halted.is_set():
                    try:
                        with self._body:
                            yield
                    except BaseException as error:  # noqa: BLE001 - raised again when the tree has stopped
                        errors.append(error)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(_unwrapped(error))
        failure = life.failure()
        if failure is not None:
            errors.append(failure)
        final = combine(_telling(errors), "the block and its tree failed")
        if final is not None:
            raise final

    async def wait(self) -> None:
        """Wait until the tree has stopped by itself, which ends the block's body too."""
        await self._living().halted.wait()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every telemetry event from now on; the returned function ends that."""
        return self.telemetry.add(listener)


def _telling(errors: list[BaseException]) -> list[BaseException]:
    """Leave out what says nothing new: a cancellation beside an error, a second Ctrl-C."""
    telling = [error for error in errors if not isinstance(error, trio.Cancelled)] or errors
    repeated = all(isinstance(error, (trio.Cancelled, KeyboardInterrupt)) for error in telling)
    return telling[:1] if repeated else telling


def _unwrapped(error: BaseException) -> BaseException:
    """Return the one exception in a nursery's group, or the group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    first, *others = group.exceptions
    return group if others else _unwrapped(first)
