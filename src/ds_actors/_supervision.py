"""Who is started again, in what order, and when to give up: the rules of OTP's supervisor, without any I/O.

`Supervision.handle(event, now, u)` owns the state and returns effects; the trio shell performs them and reports back
with further events. An incarnation is named by its child's name and a number that only grows, so that a late report
about an earlier one is recognised and ignored.

A child moves through

    DOWN -> STARTING -> RUNNING -> (ends) -> STARTING | WAITING -> STARTING | DOWN
                 any living status -> STOPPING -> DOWN

What differs between strategies and restart kinds is a row in `STRATEGIES` or `RESTARTS`.

Source: stdlib's supervisor.erl and its documentation; Elixir's DynamicSupervisor for the dynamic strategy. One
deviation: a child with a backoff of its own does not spend the supervisor's window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from attrs import define, field, frozen

from ds_actors._backoff import MAX_FAILURES_KEPT, Backoff, Failure

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "dynamic"]


@frozen
class StrategyRow:
    """What a strategy decides, beside the restart itself."""

    forgets_finished: bool
    """A child that is not started again leaves no spec behind."""
    stops_in_order: bool
    """Children stop one by one, the last started first; otherwise all at once."""


STRATEGIES: Final[Mapping[str, StrategyRow]] = MappingProxyType(
    {
        "one_for_one": StrategyRow(forgets_finished=False, stops_in_order=True),
        "dynamic": StrategyRow(forgets_finished=True, stops_in_order=False),
    }
)


@frozen
class RestartRow:
    """After which ends a child is started again."""

    after_finish: bool
    after_crash: bool
    kept: bool
    """The spec stays when the child is not started again."""


RESTARTS: Final[Mapping[str, RestartRow]] = MappingProxyType(
    {
        "permanent": RestartRow(after_finish=True, after_crash=True, kept=True),
        "transient": RestartRow(after_finish=False, after_crash=True, kept=True),
        "temporary": RestartRow(after_finish=False, after_crash=False, kept=False),
    }
)


class Status(Enum):
    """Where a child stands."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """Will be started again when its backoff is over."""
    STOPPING = "stopping"


ALIVE: Final = frozenset({Status.STARTING, Status.RUNNING, Status.STOPPING})


class Phase(Enum):
    """Where the supervisor stands."""

    BOOTING = "booting"
    RUNNING = "running"
    STOPPING = "stopping"
    HALTED = "halted"


@frozen
class Rules:
    """What the decisions need to know of a child.

    Raises:
        ValueError: for an empty name, an unknown restart kind, or figures that make no sense together.
    """

    name: str
    restart: Restart = "permanent"
    backoff: Backoff | None = None
    max_failures: int | None = None
    stable_after: float = 10.0

    def __attrs_post_init__(self) -> None:
        if not self.name:
            raise ValueError("a child's name must not be empty")
        if self.restart not in RESTARTS:
            raise ValueError(f"restart must be one of {', '.join(RESTARTS)}, not {self.restart!r}")
        if self.max_failures is not None and self.backoff is None:
            raise ValueError("max_failures belongs to a child with a backoff; without one the window decides")
        if self.max_failures is not None and self.max_failures < 0:
            raise ValueError(f"max_failures must be 0 or more, not {self.max_failures!r}")
        if not (math.isfinite(self.stable_after) and self.stable_after >= 0):
            raise ValueError(f"stable_after must be 0 or more seconds, not {self.stable_after!r}")


# ---- events


@frozen
class Boot:
    """Start the children in order, each when the one before is ready."""


@frozen
class Ready:
    """An incarnation's `started` returned."""

    name: str
    incarnation: int


@frozen
class Ended:
    """An incarnation is gone; without a Ready before it, its start failed (unless it was being stopped)."""

    name: str
    incarnation: int
    error: BaseException | None = None
    healthy: bool = True


@frozen
class Due:
    """The wait after a failure is over; `incarnation` is the one that failed."""

    name: str
    incarnation: int


@frozen
class Add:
    """Start one more child, after the others."""

    rules: Rules


@frozen
class Terminate:
    """Stop a child and do not start it again."""

    name: str


@frozen
class Shutdown:
    """Stop everything."""


Event = Boot | Ready | Ended | Due | Add | Terminate | Shutdown

# ---- effects


@frozen
class Start:
    """Begin this incarnation."""

    name: str
    incarnation: int


@frozen
class Stop:
    """Ask this incarnation to stop; it is cancelled when its grace is over."""

    name: str
    incarnation: int


@frozen
class Wake:
    """Report `Due` at this time."""

    name: str
    incarnation: int
    at: float


@frozen
class Rest:
    """The child is down and will not be started again by itself; `forgotten` when its spec went too."""

    name: str
    forgotten: bool
    error: BaseException | None
    start_failed: bool = False


@frozen
class Booted:
    """Every child of the first batch is ready."""


@frozen
class GaveUp:
    """The limit of restarts is reached: stops follow, then Halted."""

    name: str
    error: BaseException | None
    limit: str


@frozen
class BootFailed:
    """A child of the first batch did not start: stops follow, then Halted."""

    name: str
    error: BaseException | None


@frozen
class Halted:
    """Nothing lives any more, and nothing will be started."""


Effect = Start | Stop | Wake | Rest | Booted | GaveUp | BootFailed | Halted


@define
class Child:
    """What the supervisor knows of one child."""

    rules: Rules
    status: Status = Status.DOWN
    incarnation: int = 0
    restarts: int = 0
    ready_at: float = 0.0
    failures: deque[Failure] = field(factory=lambda: deque[Failure](maxlen=MAX_FAILURES_KEPT))
    consecutive: int = 0
    """Consecutive failures; more than are kept, after a long outage."""
    was_ready: bool = False
    """The incarnation became ready."""
    ever_ready: bool = False
    """Some incarnation became ready."""
    why: str = "not started yet"
    until: float | None = None
    error: BaseException | None = None


@define
class Supervision:
    """The state of one supervisor; everything that changes it is in this file.

    Args:
        strategy: a key of STRATEGIES.
        max_restarts: restarts granted in any closed interval of `within` seconds; one more, and it gives up.
        within: seconds, not rounded (OTP truncates to whole ones).
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    within: float = 5.0
    children: dict[str, Child] = field(factory=dict[str, Child])
    phase: Phase = Phase.BOOTING
    _window: deque[float] = field(factory=deque[float], alias="_window")
    _boot_queue: deque[str] = field(factory=deque[str], alias="_boot_queue")

    def __attrs_post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, not {self.strategy!r}")
        if self.max_restarts < 0:
            raise ValueError(f"max_restarts must be 0 or more, not {self.max_restarts!r}")
        if not (math.isfinite(self.within) and self.within > 0):
            raise ValueError(f"within must be a finite number of seconds above 0, not {self.within!r}")

    def adopt(self, rules: Rules) -> None:
        """Add a child to the first batch.

        Raises:
            ValueError: when the name is taken.
        """
        if rules.name in self.children:
            raise ValueError(f"two children are called {rules.name!r}")
        self.children[rules.name] = Child(rules)

    def handle(self, event: Event, now: float, u: float = 0.0) -> list[Effect]:
        """Apply one event at `now` (seconds); `u` in [0, 1) is the jitter of a backoff this event may begin."""
        return list(self._handle(event, now, u))

    def _handle(self, event: Event, now: float, u: float) -> Iterator[Effect]:
        match event:
            case Boot():
                self._boot_queue.extend(self.children)
                yield from self._boot_next()
            case Ready(name, incarnation):
                yield from self._ready(name, incarnation, now)
            case Ended(name, incarnation):
                child = self.children.get(name)
                if child is not None and child.incarnation == incarnation and child.status in ALIVE:
                    yield from self._ended(child, event, now, u)
            case Due(name, incarnation):
                child = self.children.get(name)
                if child is not None and child.incarnation == incarnation and child.status is Status.WAITING:
                    yield self._start(child)
            case Add(rules):
                if self.phase not in (Phase.STOPPING, Phase.HALTED):
                    self.adopt(rules)
                    yield self._start(self.children[rules.name])
            case Terminate(name):
                if self.phase is not Phase.STOPPING:  # then its turn comes, in order
                    yield from self._terminate(name)
            case Shutdown():
                yield from self._shut_down()

    def _start(self, child: Child) -> Start:
        child.restarts += child.incarnation > 0
        child.incarnation += 1
        child.status = Status.STARTING
        child.was_ready = False
        child.why, child.until = "starting", None
        return Start(child.rules.name, child.incarnation)

    def _boot_next(self) -> Iterator[Effect]:
        while self._boot_queue:
            child = self.children.get(self._boot_queue[0])
            if child is not None and child.status is Status.DOWN and child.incarnation == 0:
                yield self._start(child)
                return
            if child is not None and child.status is Status.STARTING and not child.ever_ready:
                return
            self._boot_queue.popleft()
        if self.phase is Phase.BOOTING:
            self.phase = Phase.RUNNING
            yield Booted()

    def _ready(self, name: str, incarnation: int, now: float) -> Iterator[Effect]:
        child = self.children.get(name)
        if child is None or child.incarnation != incarnation or child.status is not Status.STARTING:
            return
        child.status = Status.RUNNING
        child.was_ready = child.ever_ready = True
        child.ready_at = now
        child.why = ""
        if self.phase is Phase.BOOTING:
            yield from self._boot_next()

    def _ended(self, child: Child, event: Ended, now: float, u: float) -> Iterator[Effect]:
        stopped = child.status is Status.STOPPING
        child.status = Status.DOWN
        child.error = event.error
        if self.phase is Phase.STOPPING:
            child.why = "its supervisor is stopping"
            yield from self._rest(child, forget=True, why=child.why)
            yield from self._stop_next()
        elif stopped:
            row, kind = STRATEGIES[self.strategy], RESTARTS[child.rules.restart]
            # A start that was called off leaves no spec behind, as one that failed.
            forget = row.forgets_finished or not kind.kept or not child.ever_ready
            yield from self._rest(child, forget=forget, why="terminated")
            yield from self._after_boot_child()
        elif not child.ever_ready:
            yield from self._first_start_failed(child, event)
        else:
            yield from self._judge(child, event, now, u)

    def _after_boot_child(self) -> Iterator[Effect]:
        if self.phase is Phase.BOOTING:
            yield from self._boot_next()

    def _first_start_failed(self, child: Child, event: Ended) -> Iterator[Effect]:
        name = child.rules.name
        booting = self.phase is Phase.BOOTING and bool(self._boot_queue) and self._boot_queue[0] == name
        yield from self._rest(child, forget=True, why="its start failed", start_failed=True)
        if booting:
            yield BootFailed(name, event.error)
            yield from self._shut_down()

    def _judge(self, child: Child, event: Ended, now: float, u: float) -> Iterator[Effect]:
        kind = RESTARTS[child.rules.restart]
        again = kind.after_finish if event.error is None else kind.after_crash
        if not again:
            forget = STRATEGIES[self.strategy].forgets_finished or not kind.kept
            yield from self._rest(child, forget=forget, why="finished" if event.error is None else "crashed")
        elif child.rules.backoff is None:
            yield from self._judge_by_window(child, event, now)
        else:
            yield from self._judge_by_failures(child, child.rules.backoff, event, now, u)

    def _judge_by_window(self, child: Child, event: Ended, now: float) -> Iterator[Effect]:
        window = self._window
        window.append(now)
        while window[0] < now - self.within:
            window.popleft()
        if len(window) > self.max_restarts:
            limit = f"more than {self.max_restarts} restarts within {self.within:g} s"
            yield from self._give_up(child, event, limit)
        else:
            yield self._start(child)

    def _judge_by_failures(
        self, child: Child, backoff: Backoff, event: Ended, now: float, u: float
    ) -> Iterator[Effect]:
        rules = child.rules
        lived = now - child.ready_at if child.was_ready else 0.0
        healthy = child.was_ready and event.healthy
        if healthy and lived >= rules.stable_after:
            child.failures.clear()
            child.consecutive = 0
        child.consecutive += 1
        child.failures.append(Failure(event.error, now, lived, healthy))
        if rules.max_failures is not None and child.consecutive > rules.max_failures:
            yield from self._give_up(child, event, f"more than {rules.max_failures} failures in a row")
            return
        child.status = Status.WAITING
        child.until = now + max(0.0, backoff.delay(tuple(child.failures), u))
        child.why = "finished" if event.error is None else "crashed"
        yield Wake(rules.name, child.incarnation, child.until)

    def _give_up(self, child: Child, event: Ended, limit: str) -> Iterator[Effect]:
        yield from self._rest(child, forget=True, why=limit)
        yield GaveUp(child.rules.name, event.error, limit)
        yield from self._shut_down()

    def _rest(self, child: Child, *, forget: bool, why: str, start_failed: bool = False) -> Iterator[Effect]:
        child.why, child.until = why, None
        if forget:
            del self.children[child.rules.name]
        yield Rest(child.rules.name, forget, child.error, start_failed)

    def _terminate(self, name: str) -> Iterator[Effect]:
        child = self.children.get(name)
        if child is None:
            return
        if child.status in (Status.STARTING, Status.RUNNING):
            child.status = Status.STOPPING
            child.why = "terminating"
            yield Stop(name, child.incarnation)
        elif child.status is Status.WAITING:
            child.status = Status.DOWN
            forget = STRATEGIES[self.strategy].forgets_finished
            yield from self._rest(child, forget=forget, why="terminated")

    def _shut_down(self) -> Iterator[Effect]:
        if self.phase in (Phase.STOPPING, Phase.HALTED):
            return
        self.phase = Phase.STOPPING
        self._boot_queue.clear()
        for child in list(self.children.values()):
            if child.status not in ALIVE:
                child.status = Status.DOWN
                yield from self._rest(child, forget=True, why="its supervisor is stopping")
        if not STRATEGIES[self.strategy].stops_in_order:
            for child in list(self.children.values()):
                yield from self._stop(child)
        yield from self._stop_next()

    def _stop_next(self) -> Iterator[Effect]:
        if not self.children:
            self.phase = Phase.HALTED
            yield Halted()
        elif STRATEGIES[self.strategy].stops_in_order:
            yield from self._stop(next(reversed(self.children.values())))

    def _stop(self, child: Child) -> Iterator[Effect]:
        if child.status is not Status.STOPPING:
            child.status = Status.STOPPING
            child.why = "its supervisor is stopping"
            yield Stop(child.rules.name, child.incarnation)
