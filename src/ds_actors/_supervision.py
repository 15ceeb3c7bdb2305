"""Who is started again, in what order, and when to give up: the rules of OTP's supervisor, without any I/O.

`Supervision.handle(event, now, u)` owns the state and returns effects; the trio shell performs them and reports back
with further events. An incarnation is named by its child's name and a number that only grows, so that a late report
about an earlier one is recognised and ignored.

A child moves through

    DOWN -> STARTING -> RUNNING -> (ends) -> STARTING | WAITING -> STARTING | DOWN
                 any living status -> STOPPING -> DOWN | WAITING

What differs between strategies and restart kinds is a row of a table in `_rules`. Children that belong together start
in a *round*: first those that live stop, the last started first; then, when the backoff of the one that caused it is
over, they start in order, each when the one before is ready. The first batch is a round without stops. A child that
asks for its restart while a round is under way begins a new one, which takes the place of the old: it costs as much
as any other request, and what the old one had left to do is within the new one.

Two deviations from supervisor.erl are decided here: a child with its own backoff does not spend the supervisor's
window, and starts in one_for_one do not wait for each other, so they interleave. `docs/actors/deviations.md` lists all.
"""

from __future__ import annotations

import math
from collections import deque
from typing import cast

from attrs import define, evolve, field

from ds_actors._backoff import MAX_FAILURES_KEPT, Backoff, Failure, forget_frames
from ds_actors._events import (
    CRASHED,
    DELETED,
    FINISHED,
    IGNORED,
    START_FAILED,
    SUPERVISOR_STOPS,
    TERMINATED,
    Add,
    Boot,
    Booted,
    BootFailed,
    Delete,
    Due,
    Effect,
    Ended,
    Event,
    GaveUp,
    Halted,
    Ready,
    Rest,
    ShutDown,
    Shutdown,
    Start,
    StartAgain,
    Stop,
    Terminate,
    Wake,
)
from ds_actors._rules import (
    ALIVE,
    AUTO_SHUTDOWNS,
    LONG_AGO,
    RESTARTS,
    STRATEGIES,
    AutoShutdown,
    Child,
    ChildRules,
    ChildStatus,
    Origin,
    Phase,
    Strategy,
    StrategyRow,
)

# In Python 3.11 each look at a member of an Enum is a call, and a start and a stop take a dozen.
_DOWN, _STARTING, _RUNNING, _WAITING, _STOPPING = ChildStatus
_SUPERVISOR_BOOTING, _SUPERVISOR_RUNNING, _SUPERVISOR_STOPPING, _SUPERVISOR_HALTED = Phase


def _checked_delay(delay: object) -> float:
    if not isinstance(delay, (int, float)) or math.isnan(delay):
        raise TypeError(f"delay must return a number of seconds, not {delay!r}")
    return max(0.0, delay)


@define
class Round:
    """Children that stop together, and then start together."""

    cause: str | None
    """Whose restart this is; None for the first batch."""
    stops: dict[str, None]
    """Who still lives and must stop first, in start order."""
    starts: deque[str]
    """Who is to be ready next, in start order; the first of them may be starting."""
    awaited: str | None = None
    """Whose backoff the next start waits for."""


@define
class Supervision:
    """The state of one supervisor; everything that changes it is in this file.

    Args:
        strategy: a key of STRATEGIES.
        max_restarts: restarts granted in any closed interval of `within` seconds; one more, and it gives up.
        within: seconds, not rounded (OTP truncates to whole ones).
        auto_shutdown: whether the end of any significant child, or of the last one, ends the supervisor.
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    within: float = 5.0
    auto_shutdown: AutoShutdown = "never"
    children: dict[str, Child] = field(factory=dict[str, Child])
    phase: Phase = Phase.BOOTING
    _window: deque[float] = field(factory=deque[float], alias="_window")
    _round: Round | None = field(default=None, alias="_round")
    _shut_down_by: str | None = field(default=None, alias="_shut_down_by")
    _effects: list[Effect] = field(factory=list[Effect], init=False, eq=False, repr=False)
    """Of the event at hand; an effect that stayed would keep an error's traceback."""

    def __attrs_post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, not {self.strategy!r}")
        restarts = cast("object", self.max_restarts)
        if not isinstance(restarts, int) or isinstance(restarts, bool) or restarts < 0:
            raise ValueError(f"max_restarts must be an integer, 0 or more, not {restarts!r}")
        if not (math.isfinite(self.within) and self.within > 0):
            raise ValueError(f"within must be a finite number of seconds above 0, not {self.within!r}")
        if self.auto_shutdown != "never" and self.strategy == "dynamic":
            raise ValueError("a dynamic supervisor has no auto_shutdown: its children come and go; use one_for_one")
        if self.auto_shutdown not in AUTO_SHUTDOWNS:
            raise ValueError(f"auto_shutdown must be one of {', '.join(AUTO_SHUTDOWNS)}, not {self.auto_shutdown!r}")

    def adopt(self, rules: ChildRules) -> None:
        """Add a child to the first batch.

        Raises:
            ValueError: when the name is taken, or the child is significant to a supervisor that never shuts down by
                itself.
        """
        self.check(rules)
        self.children[rules.name] = Child(rules)

    def check(self, rules: ChildRules) -> None:
        """Refuse a child that cannot be here, as `adopt` does."""
        if rules.name in self.children:
            raise ValueError(f"two children are called {rules.name!r}")
        if rules.significant and self.auto_shutdown == "never":
            raise ValueError(f"{rules.name!r} is significant, so its supervisor needs an auto_shutdown")

    def handle(self, event: Event, now: float, u: float = 0.0) -> list[Effect]:
        """Apply one event at `now` (seconds); `u` in [0, 1) is the jitter of a backoff this event may begin."""
        # Appended, not yielded: a crash passes six methods, and a generator for each costs more than what they do.
        match event:
            case Boot():
                if self.phase is _SUPERVISOR_BOOTING:  # else it was stopped before it began
                    self._boot(now)
            case Ready(name, incarnation) | Ended(name, incarnation) | Due(name, incarnation):
                child = self.children.get(name)
                if child is not None and child.incarnation == incarnation:
                    self._reported(child, event, now, u)
            case Add() | Terminate() | StartAgain() | Delete():
                if self.phase not in (_SUPERVISOR_STOPPING, _SUPERVISOR_HALTED):
                    self._requested(event, now)
            case Shutdown():  # pragma: no branch - there are no others
                self._shut_down()
        effects, self._effects = self._effects, []
        return effects

    def _reported(self, child: Child, event: Ready | Ended | Due, now: float, u: float) -> None:
        match event:
            case Ready() if child.status is _STARTING:
                self._ready(child, now)
            case Ended() if child.status in ALIVE:
                self._ended(child, event, now, u)
            case Due() if child.status is _WAITING:
                self._due(child, now)
            case _:
                pass  # too late: something else has been decided

    def _requested(self, event: Add | Terminate | StartAgain | Delete, now: float) -> None:
        if isinstance(event, Add):
            self.adopt(event.rules)
            self._start_on_request(self.children[event.rules.name], Origin.ADD)
            return
        child = self.children.get(event.name)
        if child is None:
            return
        match event:
            case Terminate():
                self._terminate(child, now)
            case StartAgain() if child.status is _DOWN:
                self._start_on_request(child, Origin.REQUEST)
            case Delete() if child.status is _DOWN:
                self._rest(child, DELETED, forget=True)
            case _:
                pass  # it is not at rest

    @property
    def starts_in_order(self) -> bool:
        """A start that is requested now waits for those of others."""
        return self._round is not None

    @property
    def _row(self) -> StrategyRow:
        return STRATEGIES[self.strategy]

    # ---- starts

    def _boot(self, now: float) -> None:
        for child in self.children.values():
            child.status, child.origin = _WAITING, Origin.BOOT
        self._round = Round(None, {}, deque(self.children))
        self._continue(now)

    def _start(self, child: Child) -> None:
        child.restarts += child.incarnation > 0
        child.incarnation += 1
        child.status = _STARTING
        child.was_ready = child.unwanted = False
        child.not_before = LONG_AGO
        child.why, child.until = "starting", None
        self._effects.append(Start(child.rules.name, child.incarnation))

    def _start_on_request(self, child: Child, origin: Origin) -> None:
        child.origin = origin
        if self._round is not None and self._row.restarts != "itself":
            # Its elder siblings are on their way down or up: it starts behind them.
            child.status, child.why = _WAITING, "waiting for its turn"
            self._round.starts.append(child.rules.name)
        else:
            self._start(child)

    def _ready(self, child: Child, now: float) -> None:
        child.status = _RUNNING
        child.origin = None
        child.was_ready = True
        if child.rules.backoff is not None:  # which alone asks for it; a million floats take 24 MB
            child.ready_at = now
        child.why = ""
        if self._round is not None:
            self._continue(now)

    def _due(self, child: Child, now: float) -> None:
        child.not_before = LONG_AGO
        if self._row.restarts == "itself":
            self._start(child)
        else:
            self._stop_waiting_for(child, now)

    def _stop_waiting_for(self, child: Child, now: float) -> None:
        if self._round is not None and self._round.awaited == child.rules.name:
            self._round.awaited = None
        self._continue(now)

    # ---- rounds

    def _again(self, child: Child, now: float) -> None:
        """Have a child start again when its backoff is over, with those that its strategy binds to it."""
        child.status = _WAITING
        if self._row.restarts == "itself":
            if child.not_before >= now:
                self._effects.append(Wake(child.rules.name, child.incarnation, child.not_before))
            else:
                self._start(child)
            return
        names = list(self.children)
        bound = names if self._row.restarts == "all" else names[names.index(child.rules.name) :]
        stops, starts = dict[str, None](), deque[str]()
        for name in bound:
            sibling = self.children[name]
            if sibling.status in ALIVE:
                stops[name] = None
            elif sibling is not child:
                self._wait_for(sibling, child)
            if sibling.starts_with_siblings:
                starts.append(name)
        self._round = Round(child.rules.name, stops, starts)

    def _wait_for(self, child: Child, cause: Child) -> None:
        child.status = _WAITING
        child.why = f"waiting for the restart of {cause.rules.name!r}"
        until = max(child.not_before, cause.not_before)
        child.until = until if math.isfinite(until) else None

    def _continue(self, now: float) -> None:
        """Do what the round allows now; without effect while it waits for a stop, a start or a backoff."""
        current = self._round
        if current is None or current.awaited is not None:
            return
        if current.stops:
            self._stop(self.children[next(reversed(current.stops))], "stopping", again=True)
            return
        while current.starts:
            child = self.children.get(current.starts[0])
            if child is not None and child.status in (_STARTING, _STOPPING):
                return
            if child is not None and child.status is _WAITING:
                self._start_in_turn(current, child, now)
                return
            current.starts.popleft()
        self._round = None
        self._booted()

    def _start_in_turn(self, current: Round, child: Child, now: float) -> None:
        cause = self.children.get(current.cause) if current.cause is not None else None
        for waits in (cause, child):
            if waits is not None and waits.status is _WAITING and waits.not_before >= now:
                current.awaited = waits.rules.name
                self._effects.append(Wake(waits.rules.name, waits.incarnation, waits.not_before))
                return
        self._start(child)

    def _booted(self) -> None:
        if self.phase is _SUPERVISOR_BOOTING:
            self.phase = _SUPERVISOR_RUNNING
            self._effects.append(Booted())
            if self._shut_down_by is not None:
                self._shut_down_for(self._shut_down_by)

    # ---- ends

    def _ended(self, child: Child, event: Ended, now: float, u: float) -> None:
        asked = child.status is _STOPPING
        child.status = _DOWN
        child.error = event.error
        if self.phase is _SUPERVISOR_STOPPING:
            self._rest(child, SUPERVISOR_STOPS, forget=True)
            self._stop_next()
            return
        if self._round is not None and child.rules.name in self._round.stops:
            del self._round.stops[child.rules.name]
            self._ended_in_round(child, event, self._round, now)
        elif asked:
            self._rest(child, TERMINATED, forget=self._leaves_nothing(child))
        elif event.ignored:
            child.origin = None  # it is no start called off
            self._rest(child, IGNORED, forget=self._leaves_nothing(child))
        elif child.origin is not None:
            self._requested_start_failed(child, event)
        else:
            self._judge(child, event, now, u)
        if self._round is not None:
            self._continue(now)

    def _ended_in_round(self, child: Child, event: Ended, current: Round, now: float) -> None:
        # Whether it stopped as asked or ended by itself meanwhile is all the same: it costs nothing.
        self._forgive(child, event, now)
        assert current.cause is not None  # the first batch stops no child
        if child.starts_with_siblings:
            self._wait_for(child, self.children.get(current.cause, child))
        elif child.unwanted:
            self._rest(child, TERMINATED, forget=self._leaves_nothing(child))
        else:
            self._rest(child, f"stopped with {current.cause!r}", forget=True)

    def _leaves_nothing(self, child: Child) -> bool:
        """No spec stays: as its strategy or kind says, or because its first start was called off."""
        called_off = child.origin in (Origin.BOOT, Origin.ADD)
        return self._row.forgets_finished or not RESTARTS[child.rules.restart].kept or called_off

    def _requested_start_failed(self, child: Child, event: Ended) -> None:
        origin = child.origin
        self._rest(child, START_FAILED, forget=origin is not Origin.REQUEST)
        if origin is Origin.BOOT:
            self._effects.append(BootFailed(child.rules.name, event.error))
            self._shut_down()

    def _judge(self, child: Child, event: Ended, now: float, u: float) -> None:
        kind = RESTARTS[child.rules.restart]
        child.why = FINISHED if event.error is None else CRASHED
        if not (kind.after_finish if event.error is None else kind.after_crash):
            self._rest(child, child.why, forget=self._row.forgets_finished or not kind.kept)
            self._judge_significance(child)
        elif child.rules.backoff is None:
            self._judge_by_window(child, event, now)
        else:
            self._judge_by_failures(child, child.rules.backoff, event, now, u)

    def _judge_significance(self, child: Child) -> None:
        if not child.rules.significant:
            return
        if self.auto_shutdown == "all_significant" and any(
            other.rules.significant and self._goes_on(other) for other in self.children.values()
        ):
            return
        if self.phase is _SUPERVISOR_BOOTING:
            self._shut_down_by = child.rules.name
        else:
            self._shut_down_for(child.rules.name)

    def _goes_on(self, child: Child) -> bool:
        """A significant child that holds the supervisor up: it lives, or will again by itself."""
        return child.status is not _DOWN

    def _judge_by_window(self, child: Child, event: Ended, now: float) -> None:
        window = self._window
        window.append(now)
        while window[0] < now - self.within:
            window.popleft()
        if len(window) > self.max_restarts:
            limit = f"more than {self.max_restarts} restarts within {self.within:g} s"
            self._give_up(child, event, limit)
        else:
            self._again(child, now)

    def _judge_by_failures(self, child: Child, backoff: Backoff, event: Ended, now: float, u: float) -> None:
        rules = child.rules
        self._forgive(child, event, now)
        lived = now - child.ready_at if child.was_ready else 0.0
        child.consecutive += 1
        if child.failures:
            forget_frames(child.failures[-1].error)
        failure = Failure(event.error, now, lived, child.was_ready and event.healthy)
        child.failures = (*child.failures, failure)[-MAX_FAILURES_KEPT:]
        if rules.max_failures is not None and child.consecutive > rules.max_failures:
            self._give_up(child, event, f"more than {rules.max_failures} failures in a row")
            return
        try:
            delay = _checked_delay(backoff.delay(child.failures, u))
        except Exception as error:  # noqa: BLE001 - the user's own backoff: without a delay there is no restart
            limit = f"its backoff failed ({type(error).__name__})"
            self._give_up(child, evolve(event, error=error), limit)
            return
        child.until = child.not_before = now + delay
        self._again(child, now)

    def _forgive(self, child: Child, event: Ended, now: float) -> None:
        """Forget the failures before a healthy life that was long enough."""
        if child.was_ready and event.healthy and now - child.ready_at >= child.rules.stable_after:
            child.failures = ()
            child.consecutive = 0

    def _give_up(self, child: Child, event: Ended, limit: str) -> None:
        self._rest(child, limit, forget=True)
        self._effects.append(GaveUp(child.rules.name, event.error, limit))
        self._shut_down()

    def _rest(self, child: Child, why: str, *, forget: bool) -> None:
        child.why, child.until, child.not_before = why, None, LONG_AGO
        child.origin, child.unwanted = None, False
        if forget:
            del self.children[child.rules.name]
        self._effects.append(Rest(child.rules.name, forget, child.error, why))

    # ---- stops

    def _terminate(self, child: Child, now: float) -> None:
        child.unwanted = child.status is not _DOWN
        if self._round is not None and child.rules.name in self._round.stops:
            return  # its turn to stop comes, in order
        if child.status in (_STARTING, _RUNNING):
            self._stop(child, "terminating")
        elif child.status is _WAITING:
            child.status = _DOWN
            self._rest(child, TERMINATED, forget=self._leaves_nothing(child))
            self._stop_waiting_for(child, now)

    def _shut_down_for(self, name: str) -> None:
        self._effects.append(ShutDown(name))
        self._shut_down()

    def _shut_down(self) -> None:
        if self.phase in (_SUPERVISOR_STOPPING, _SUPERVISOR_HALTED):
            return
        self.phase = _SUPERVISOR_STOPPING
        self._round = None
        for child in list(self.children.values()):
            if child.status not in ALIVE:
                self._rest(child, SUPERVISOR_STOPS, forget=True)
        if not self._row.stops_in_order:
            for child in list(self.children.values()):
                self._stop(child, SUPERVISOR_STOPS)
        self._stop_next()

    def _stop_next(self) -> None:
        if not self.children:
            self.phase = _SUPERVISOR_HALTED
            self._effects.append(Halted())
        elif self._row.stops_in_order:
            self._stop(next(reversed(self.children.values())), SUPERVISOR_STOPS)

    def _stop(self, child: Child, why: str, *, again: bool = False) -> None:
        if child.status is not _STOPPING:
            child.status = _STOPPING
            child.why = why
            self._effects.append(Stop(child.rules.name, child.incarnation, again and child.starts_with_siblings))
