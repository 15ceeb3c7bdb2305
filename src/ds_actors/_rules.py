"""OTP's rules as tables, and what a supervisor knows of each child: the data that `_supervision` decides with.

Source: stdlib's supervisor.erl and its documentation; Elixir's DynamicSupervisor for the dynamic strategy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from attrs import define, frozen

from ds_actors._backoff import Backoff, Failure

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "dynamic"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]


@frozen
class StrategyRow:
    """What a strategy decides."""

    restarts: Literal["itself", "all", "rest"]
    """What starts again with a child: nothing else, every child, or those after it in start order."""
    forgets_finished: bool
    """A child that is not started again leaves no spec behind."""
    stops_in_order: bool
    """Children stop one by one, the last started first; otherwise all at once."""


STRATEGIES: Final[Mapping[str, StrategyRow]] = MappingProxyType(
    {
        "one_for_one": StrategyRow("itself", forgets_finished=False, stops_in_order=True),
        "one_for_all": StrategyRow("all", forgets_finished=False, stops_in_order=True),
        "rest_for_one": StrategyRow("rest", forgets_finished=False, stops_in_order=True),
        "dynamic": StrategyRow("itself", forgets_finished=True, stops_in_order=False),
    }
)


@frozen
class RestartRow:
    """After which ends a child is started again."""

    after_finish: bool
    after_crash: bool
    kept: bool
    """The spec stays when the child is not started again by itself; what is kept is started again with its siblings."""
    may_be_significant: bool
    """Its own end may end the supervisor; of a child that is always started again, it never could."""


RESTARTS: Final[Mapping[str, RestartRow]] = MappingProxyType(
    {
        "permanent": RestartRow(after_finish=True, after_crash=True, kept=True, may_be_significant=False),
        "transient": RestartRow(after_finish=False, after_crash=True, kept=True, may_be_significant=True),
        "temporary": RestartRow(after_finish=False, after_crash=False, kept=False, may_be_significant=True),
    }
)

AUTO_SHUTDOWNS: Final = ("never", "any_significant", "all_significant")


class ChildStatus(Enum):
    """Where a child stands."""

    DOWN = "down"
    """At rest: it finished, ignored its start or was terminated, and is not about to be started."""
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """Will be started by itself: when its backoff is over, or its turn among its siblings comes."""
    STOPPING = "stopping"


ALIVE: Final = (ChildStatus.STARTING, ChildStatus.RUNNING, ChildStatus.STOPPING)


class Phase(Enum):
    """Where the supervisor stands."""

    BOOTING = "booting"
    RUNNING = "running"
    STOPPING = "stopping"
    HALTED = "halted"


class Origin(Enum):
    """Who wants the start under way, when it is no restart: a failure of it is theirs, and is not tried again."""

    BOOT = "the first batch"
    ADD = "a child added later"
    REQUEST = "a child at rest, started again on request"


@frozen(weakref_slot=False)
class ChildRules:
    """What the decisions need to know of a child.

    Raises:
        ValueError: for an empty name, an unknown restart kind, or figures that make no sense together.
        TypeError: for a backoff that cannot say a delay.
    """

    name: str
    restart: Restart = "permanent"
    backoff: Backoff | None = None
    max_failures: int | None = None
    stable_after: float = 10.0
    significant: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.name:
            raise ValueError("a child's name must not be empty")
        if self.restart not in RESTARTS:
            raise ValueError(f"restart must be one of {', '.join(RESTARTS)}, not {self.restart!r}")
        if self.backoff is not None and not callable(getattr(self.backoff, "delay", None)):
            raise TypeError(f"backoff must have delay(failures, u), as ExponentialBackoff() has, not {self.backoff!r}")
        if self.max_failures is not None and self.backoff is None:
            raise ValueError("max_failures belongs to a child with a backoff; without one the window decides")
        if self.max_failures is not None and self.max_failures < 0:
            raise ValueError(f"max_failures must be 0 or more, not {self.max_failures!r}")
        if not (math.isfinite(self.stable_after) and self.stable_after >= 0):
            raise ValueError(f"stable_after must be 0 or more seconds, not {self.stable_after!r}")
        if self.significant and not RESTARTS[self.restart].may_be_significant:
            raise ValueError(f"a {self.restart} child is always started again, so it cannot be significant")


LONG_AGO: Final = -math.inf
"""One object, because each negation makes a new one."""


@define(weakref_slot=False)
class Child:
    """What the supervisor knows of one child."""

    rules: ChildRules
    status: ChildStatus = ChildStatus.DOWN
    origin: Origin | None = None
    """Who wanted the start that is under way or due; None once it was ready."""
    unwanted: bool = False
    """Its end was asked for by name, so no round starts it again."""
    incarnation: int = 0
    restarts: int = 0
    ready_at: float = 0.0
    failures: tuple[Failure, ...] = ()
    consecutive: int = 0
    """Consecutive failures; more than are kept, after a long outage."""
    was_ready: bool = False
    """The incarnation became ready."""
    not_before: float = LONG_AGO
    """When its own backoff is over."""
    why: str = "not started yet"
    until: float | None = None
    """When it is started again, as far as is known."""
    error: BaseException | None = None

    @property
    def starts_with_siblings(self) -> bool:
        """A round starts it: its spec is kept, or it was never ready and is still owed its first start."""
        owed = self.origin in (Origin.BOOT, Origin.ADD)
        return (RESTARTS[self.rules.restart].kept or owed) and not self.unwanted
