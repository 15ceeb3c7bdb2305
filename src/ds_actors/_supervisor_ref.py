"""References to supervisors, and what can be asked of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple, cast, overload

import trio

from ds_actors._actor import Actor
from ds_actors._backoff import Backoff
from ds_actors._cell import Cell
from ds_actors._child_link import ChildLink, SupervisorCell
from ds_actors._child_requests import ChildRequests
from ds_actors._errors import ActorStopped
from ds_actors._mailbox import Mailbox
from ds_actors._queue_mailboxes import Reject
from ds_actors._ref import ActorRef, lifetime_of
from ds_actors._rules import Restart
from ds_actors._snapshot import Counts, below, count, lone_node, node
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._supervisor_incarnation import SupervisorIncarnation
from ds_actors._telemetry import Node
from ds_actors._text import escape

if TYPE_CHECKING:
    from ds_actors._pool import PoolRef, PoolSpec

M = TypeVar("M")
Ts = TypeVarTuple("Ts")


Child: TypeAlias = "str | ActorRef[Any] | SupervisorRef"


def _ref(link: ChildLink) -> ActorRef[Any] | SupervisorRef:
    if isinstance(link.cell, Cell):
        return ActorRef(link.cell)
    kind = cast("SupervisorSpec", link.spec).ref_type or SupervisorRef
    return cast("SupervisorRef", kind(link.cell))


class SupervisorRef:
    """A stable reference to a supervisor: it survives the supervisor's own restarts."""

    __slots__ = ("_cell",)

    def __init__(self, cell: SupervisorCell) -> None:
        self._cell = cell

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SupervisorRef) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    @property
    def name(self) -> str:
        """The name among its siblings."""
        return self._cell.name

    @property
    def path(self) -> str:
        """The names from the root, joined by slashes; slashes and control characters in names are escaped."""
        return self._cell.path

    @property
    def stopped(self) -> bool:
        """True once the supervisor is gone for good."""
        return self._cell.down is not None

    async def wait_stopped(self) -> None:
        """Wait until the supervisor is gone for good; its restarts do not count.

        Raises:
            RuntimeError: when an actor below waits for it, which would never end.
        """
        self._cell.check_run()
        incarnation = self._cell.incarnation
        if incarnation is not None and incarnation.runs(trio.lowlevel.current_task()):
            raise RuntimeError(f"{self.path} cannot stop while an actor below waits for that; spawn a task to wait")
        await self._cell.wait_down()

    def _requests(self) -> ChildRequests:
        living = self._living()
        self._cell.check_run()
        return ChildRequests(living)

    def _living(self) -> SupervisorIncarnation:
        if self._cell.incarnation is None or self._cell.incarnation.halted.is_set():
            raise ActorStopped(f"{self.path} is not running")
        return self._cell.incarnation

    @overload
    async def start(self, spec: PoolSpec[M], /) -> PoolRef[M]: ...
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
        significant: bool = False,
    ) -> ActorRef[M]: ...
    async def start(
        self, factory: Callable[[*Ts], Actor[M]] | ChildSpec[M] | SupervisorSpec, /, *args: *Ts, **options: Any
    ) -> ActorRef[Any] | SupervisorRef:
        """Start a child from a spec or a factory, and return its reference once it is ready.

        The options are those of `ChildSpec`. When the start was ignored, the reference is a stopped one.

        Raises:
            StartFailed: it did not become ready (`__cause__`); no sibling is touched, no restart is tried.
            ValueError: the name is taken, or the child is significant here without an `auto_shutdown`.
            ActorStopped: this supervisor is stopping, or stopped the child before it was ready.
            RuntimeError: called from `started` of a child that this supervisor's own start waits for.
        """
        if isinstance(factory, (ChildSpec, SupervisorSpec)):
            if args or options:
                raise TypeError("a spec already has every option; change it there")
            spec = cast("ChildSpec[Any] | SupervisorSpec", factory)
        else:
            spec = ChildSpec(factory, *args, **options)
        return _ref(await self._requests().start(spec))

    async def terminate(self, child: Child, /) -> None:
        """Stop a child, given by name or reference, in order and wait until it is gone; it is not restarted.

        Raises:
            LookupError: there is no such child.
            RuntimeError: called by the child itself, or from below it, which would wait for itself.
        """
        await self._requests().terminate(self._name_of(child))

    @overload
    async def restart(self, child: ActorRef[M], /) -> ActorRef[M]: ...
    @overload
    async def restart(self, child: SupervisorRef, /) -> SupervisorRef: ...
    @overload
    async def restart(self, child: Child, /) -> ActorRef[Any] | SupervisorRef: ...
    async def restart(self, child: Child, /) -> ActorRef[Any] | SupervisorRef:
        """Start a child that is at rest (it finished, ignored its start or was terminated); wait until it is ready.

        This spends none of the allowed restarts, and a failure is not retried. Return its new reference:
        messages sent to an actor's old one after its end went to dead letters.

        Raises:
            LookupError: there is no such child.
            StartFailed: it did not become ready (`__cause__`); it stays at rest.
            ActorStopped: this supervisor is stopping, or stopped the child before it was ready.
            RuntimeError: it is not at rest, or this is called from `started` of a child of the first batch.
        """
        return _ref(await self._requests().restart(self._name_of(child)))

    def delete(self, child: Child, /) -> None:
        """Forget a child that is at rest, which frees its name.

        Raises:
            LookupError: there is no such child.
            RuntimeError: it is not at rest.
        """
        self._requests().delete(self._name_of(child))

    def find(self, path: str) -> ActorRef[Any] | SupervisorRef:
        """Return the reference at a path below this supervisor, as in `find("tracks/TR_1")`.

        A path from the root, as `ref.path` has it, works too. Type checkers know more of `find_actor` and
        `find_supervisor`.

        Raises:
            LookupError: there is nothing there.
        """
        if path == self.path:
            return self
        first, _, rest = path.removeprefix(self.path + "/").partition("/")
        for name, link in self._living().links.items():
            if escape(name) == first:
                found = _ref(link)
                if not rest:
                    return found
                if isinstance(found, SupervisorRef):
                    return found.find(rest)
        raise LookupError(f"{self.path} has nothing at {path!r}")

    def find_actor(self, path: str) -> ActorRef[Any]:
        """Return the reference of the actor at a path, as `find` takes it.

        Raises:
            LookupError: there is no actor there.
        """
        found = self.find(path)
        if isinstance(found, SupervisorRef):
            raise LookupError(f"{found.path} is a supervisor; use find_supervisor")  # noqa: TRY004 - nothing to find
        return found

    def find_supervisor(self, path: str) -> SupervisorRef:
        """Return the reference of the supervisor at a path, as `find` takes it.

        Raises:
            LookupError: there is no supervisor there.
        """
        found = self.find(path)
        if not isinstance(found, SupervisorRef):
            raise LookupError(f"{found.path} is an actor; use find_actor")  # noqa: TRY004 - nothing to find
        return found

    def get_childspec(self, child: Child, /) -> ChildSpec[Any] | SupervisorSpec:
        """Return the spec of a child, given by name or reference (OTP's get_childspec).

        Raises:
            LookupError: there is no such child.
        """
        return self._living().known(self._name_of(child)).spec

    def _name_of(self, child: Child) -> str:
        if isinstance(child, str):
            return child
        link = self._living().links.get(child.name)
        if link is not None and link.cell is lifetime_of(child):
            return child.name
        raise LookupError(f"{child.path} is not a child of {self.path}")

    def actors(self) -> list[ActorRef[Any]]:
        """Return references to the actors directly below, in start order."""
        return [ActorRef(link.cell) for link in self._living().links.values() if isinstance(link.cell, Cell)]

    def count(self) -> Counts:
        """Return how many children there are directly below, how many are alive, and of which kind they are.

        Raises:
            ActorStopped: the supervisor is not running.
        """
        return count(self._living())

    def which(self) -> tuple[Node, ...]:
        """Return snapshots of the children directly below, in start order, each with all below it.

        Raises:
            ActorStopped: the supervisor is not running.
        """
        return below(self._living())

    def tree(self) -> Node:
        """Return a snapshot of the whole tree below: what is running, what is not, why, and until when.

        It never raises: before the start and after the end, it is the supervisor alone.
        """
        incarnation = self._cell.incarnation
        if incarnation is None:
            return lone_node(self.name, self.path)
        return node(incarnation, self.name, incarnation.supervision.phase.value, None)
