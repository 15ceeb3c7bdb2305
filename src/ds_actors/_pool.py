"""Pools: workers of a kind under one supervisor, behind one reference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, cast

from ds_actors._backoff import Backoff
from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped
from ds_actors._mailbox import MailboxStatistics
from ds_actors._mailbox_guard import statistics
from ds_actors._queue_mailboxes import QueueMailbox
from ds_actors._ref import ActorRef, Asks
from ds_actors._rules import Restart
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._supervisor_ref import SupervisorRef
from ds_actors._telemetry import DeadLetter

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

Balance: TypeAlias = Literal["round_robin", "least_loaded"]
_BALANCES = ("round_robin", "least_loaded")


class PoolRef(SupervisorRef, Generic[M_contra]):
    """A stable, typed reference to a pool: each message goes to one of its workers.

    It survives the restarts of the workers and of the pool's supervisor, and belongs to trio's thread. It is also the
    reference of that supervisor; `actors()` has the workers.
    """

    __slots__ = ()

    def tell(self, message: M_contra, /) -> bool:
        """Put a message into a worker's mailbox and return whether it was accepted; never waits.

        It is not accepted, and is a dead letter, while the pool's supervisor waits for its restart.

        Raises:
            TypeError: when the message's key cannot be hashed; other errors are those of the key function.
            RuntimeError: when called from another thread than trio's.
        """
        worker = self._choose(message)
        if worker is not None:
            return worker.tell(message)
        assert self._cell.incarnation is not None
        telemetry = self._cell.incarnation.telemetry
        if telemetry.listeners:
            telemetry.emit(DeadLetter(self.path, type(message).__name__, "no worker"))
        return False

    async def send(self, message: M_contra, /) -> None:
        """Choose a worker, wait until its mailbox has room, and put the message in.

        Raises:
            ActorStopped: when no worker is left, or the chosen one goes while this waits.
            SendDropped: when the mailbox refuses the message in spite of its turn.
            TypeError: when the message's key cannot be hashed.
            RuntimeError: when a worker sends to itself, or when called from another thread or trio run.
        """
        await self._choose_living(message).send(message)

    async def ask(self, request: Asks[M_contra, R], /, *, timeout: float) -> R:
        """Put a request into a worker's mailbox and return its reply, waiting `timeout` seconds at most.

        Raises:
            AskFailed, AskDropped, AskTimeout: as `ActorRef.ask` does.
            ActorStopped: when no worker is left, or the chosen one went with the request still waiting.
            TypeError: when the request's key cannot be hashed.
            RuntimeError: when a worker asks itself, or when called from another thread or trio run.
        """
        return await self._choose_living(request).ask(request, timeout=timeout)

    def statistics(self) -> MailboxStatistics:
        """Return the sums of the workers' counts, since the pool's supervisor started the last time."""
        counts = [statistics(worker.mailbox, worker) for worker in self._workers()]
        known = [count for count in counts if count is not None]
        dropped: dict[str, int] = {}
        for count in known:
            for reason, number in count.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + number
        names = ("capacity", "offered", "refused", "handled", "failed", "dead", "queued", "in_hand")
        sums: dict[str, Any] = {name: sum(getattr(count, name) for count in known) for name in names}
        return MailboxStatistics(**sums, dropped=dropped)

    def _workers(self) -> Iterator[Cell]:
        incarnation = self._cell.incarnation
        assert incarnation is not None  # there is a reference when it was started
        links = incarnation.links
        for name in cast("PoolSpec[Any]", incarnation.spec).worker_names:
            if name in links:  # a temporary one that has ended is forgotten
                yield cast("Cell", links[name].cell)

    def _choose_living(self, message: object) -> ActorRef[Any]:
        self._cell.check_run()
        worker = self._choose(message)
        if worker is None:
            raise ActorStopped(f"{self.path} has no worker for this message")
        return worker

    def _choose(self, message: object) -> ActorRef[Any] | None:
        self._cell.check_thread()
        incarnation = self._cell.incarnation
        assert incarnation is not None
        # Any, because a call of `cast` for each worker costs as much as the rest.
        spec: Any = incarnation.spec
        links: dict[str, Any] = incarnation.links
        names, route = spec.worker_names, spec.route
        if callable(route):
            link = links.get(names[_hash(route(message)) % len(names)])
            return None if link is None else ActorRef(link.cell)
        best: Any = None
        least = 0
        start = self._cell.turn
        for turn in range(start, start + len(names)):
            link = links.get(names[turn % len(names)])
            if link is None or link.cell.gone:
                continue
            load = _load(link.cell) if route == "least_loaded" else 0
            if best is None or load < least:
                best, least = link.cell, load
                self._cell.turn = turn + 1
            if load == 0:
                break
        return None if best is None else ActorRef(best)


def _load(cell: Cell) -> int:
    mailbox: Any = cell.mailbox
    if isinstance(mailbox, QueueMailbox):
        return mailbox.held()
    counts = statistics(mailbox, cell)
    return 0 if counts is None else counts.queued + counts.in_hand


def _hash(key: Hashable) -> int:
    try:
        return hash(key)
    except TypeError:
        raise TypeError(
            "the key of a message must be hashable, as a str or a tuple of them is; this one is of type"
            f" {type(key).__name__}"
        ) from None


class PoolSpec(SupervisorSpec, Generic[M]):
    """How a pool is made and supervised: `size` workers, restarted one for one, behind one `PoolRef`.

    Args:
        name: of the pool's supervisor; the workers are called 1, 2 and so on.
        worker: how each worker is made and supervised; its name plays no part.
        size: how many workers there are, 1 or more.
        route: which worker gets a message: "round_robin" each in turn; "least_loaded" the one with the fewest messages
            queued and in hand; or a function that returns the message's key, so that one worker gets all messages of a
            key, in order, across all restarts.
        max_restarts: restarts of workers allowed within `within` seconds, all workers together, for those without their
            own backoff.
        within: seconds.
        restart: whether the pool's supervisor is started again.
        backoff: judges the pool's supervisor by its own consecutive failures.
        max_failures: with a backoff, more consecutive failures than these make the parent give up.
        stable_after: seconds of healthy life after which failures are forgotten.

    Raises:
        TypeError: when the worker is not a ChildSpec.
        ValueError: for a pool without workers, or figures that make no sense.

    Example:
        ```python
        resizers = await app.start(PoolSpec("resizers", ChildSpec(Resizer), 8, route="least_loaded"))
        resizers.tell(Picture(...))
        ```
    """

    ref_type: ClassVar[type[SupervisorRef]] = PoolRef

    __slots__ = ("route", "size", "worker", "worker_names")

    worker: ChildSpec[M]
    size: int
    route: Balance | Callable[[M], Hashable]
    worker_names: tuple[str, ...]

    def __init__(
        self,
        name: str,
        worker: ChildSpec[M],
        size: int,
        *,
        route: Balance | Callable[[M], Hashable] = "round_robin",
        max_restarts: int = 3,
        within: float = 5.0,
        restart: Restart = "permanent",
        backoff: Backoff | None = None,
        max_failures: int | None = None,
        stable_after: float = 10.0,
    ) -> None:
        if not isinstance(cast("object", worker), ChildSpec):
            raise TypeError(f"a pool's worker is a spec: write ChildSpec(...), not {worker!r}")
        if not isinstance(cast("object", size), int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"a pool needs 1 worker or more, not {size!r}")
        if not callable(route) and route not in _BALANCES:
            raise ValueError(f"route must be one of {', '.join(_BALANCES)}, or a function, not {route!r}")
        names = tuple(str(number) for number in range(1, size + 1))
        super().__init__(
            name,
            "one_for_one",
            [_named(worker, each) for each in names],
            max_restarts,
            within,
            restart=restart,
            backoff=backoff,
            max_failures=max_failures,
            stable_after=stable_after,
        )
        for attribute, value in (("worker", worker), ("size", size), ("route", route), ("worker_names", names)):
            object.__setattr__(self, attribute, value)  # the base is frozen


def _named(worker: ChildSpec[M], name: str) -> ChildSpec[M]:
    named = copy.copy(worker)
    named.name = name
    return named
