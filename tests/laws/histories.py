"""Random histories of one supervisor, played on the pure state machine and recorded for the laws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen
from hypothesis import strategies as st

from ds_actors import ExponentialBackoff
from ds_actors._events import (
    Add,
    Boot,
    Delete,
    Due,
    Effect,
    Ended,
    Event,
    Ready,
    Shutdown,
    Start,
    StartAgain,
    Terminate,
    Wake,
)
from ds_actors._rules import ALIVE, AutoShutdown, ChildRules, ChildStatus, Origin, Phase, Strategy
from ds_actors._supervision import Supervision

NAMES = "abcd"
CRASH = ValueError("crash")


@frozen
class ChildView:
    """The state of one child at a moment."""

    rules: ChildRules
    status: ChildStatus
    incarnation: int
    origin: Origin | None
    ready_at: float | None
    in_stops: bool
    """It was about to be stopped by a round."""


@frozen
class Step:
    """One event, its effects, and the state before and after."""

    now: float
    event: Event
    effects: tuple[Effect, ...]
    before: dict[str, ChildView]
    after: dict[str, ChildView]
    phase: Phase
    """Before the event."""
    spent: int
    """How many restarts were entered into the window."""
    round_over: bool
    """No round is under way after the event."""

    @property
    def name(self) -> str:
        return getattr(self.event, "name", "")

    @property
    def subject(self) -> ChildView | None:
        """The child that the event concerns, as it was before."""
        return self.before.get(self.name)

    def has(self, kind: type[Any]) -> bool:
        return any(isinstance(effect, kind) for effect in self.effects)

    @property
    def judged(self) -> bool:
        """A child ended by itself after it was ready or in a restart: the rules decide what follows."""
        subject = self.subject
        return (
            isinstance(self.event, Ended)
            and subject is not None
            and subject.incarnation == self.event.incarnation
            and subject.status in (ChildStatus.STARTING, ChildStatus.RUNNING)
            and not subject.in_stops
            and not self.event.ignored
            and subject.origin is None
            and self.phase in (Phase.BOOTING, Phase.RUNNING)
        )

    @property
    def granted(self) -> bool:
        """A child asked to be started again, and will be."""
        after = self.after.get(self.name)
        return self.judged and after is not None and after.status in (ChildStatus.WAITING, ChildStatus.STARTING)


@define
class World:
    """Takes the shell's part: performs the decisions and the steps of a history."""

    supervision: Supervision
    prompt: bool = False
    """Starts and stops are over before the next thing happens."""
    now: float = 0.0
    trace: list[Step] = field(factory=list[Step])
    wakes: list[Wake] = field(factory=list[Wake])

    def seen(self) -> dict[str, ChildView]:
        current = self.supervision._round
        stops = current.stops if current is not None else {}
        return {
            name: ChildView(
                child.rules,
                child.status,
                child.incarnation,
                child.origin,
                child.ready_at if child.was_ready else None,
                name in stops,
            )
            for name, child in self.supervision.children.items()
        }

    def feed(self, event: Event, u: float = 0.5) -> tuple[Effect, ...]:
        machine = self.supervision
        before, phase, window = self.seen(), machine.phase, list(machine._window)
        effects = tuple(machine.handle(event, self.now, u))
        still = [at for at in window if at >= self.now - machine.within]
        spent = 0 if list(machine._window) == window else len(machine._window) - len(still)
        step = Step(self.now, event, effects, before, self.seen(), phase, spent, machine._round is None)
        self.trace.append(step)
        self.wakes += [effect for effect in effects if isinstance(effect, Wake)]
        return effects

    def boot(self, batch: list[ChildRules]) -> None:
        for rule in batch:
            self.supervision.adopt(rule)
        self.feed(Boot())

    def settle(self) -> None:
        """Complete all starts and stops until nothing changes."""
        while acting := [
            name for name, child in self.seen().items() if child.status in (ChildStatus.STARTING, ChildStatus.STOPPING)
        ]:
            for name in acting:
                self.do("ready", name)
                self.do("stopped", name)

    def do(self, what: str, with_: Any) -> None:
        child = self.supervision.children.get(with_)
        match what:
            case "later":
                self.now += with_
            case "add":
                if with_.name not in self.supervision.children:
                    self.feed(Add(with_))
            case "terminate":
                self.feed(Terminate(with_))
            case "again":
                self.feed(StartAgain(with_))
            case "delete":
                self.feed(Delete(with_))
            case "due":
                for wake in [wake for wake in self.wakes if wake.name == with_ and wake.at <= self.now]:
                    self.wakes.remove(wake)
                    self.feed(Due(wake.name, wake.incarnation))
            case _ if child is None or child.status not in ALIVE:
                pass
            case "ready":
                self.feed(Ready(with_, child.incarnation))
            case "crash":
                self.feed(Ended(with_, child.incarnation, CRASH))
            case "finish":
                # Before it is ready it can only fail, unless it is stopped.
                early = child.status is ChildStatus.STARTING
                self.feed(Ended(with_, child.incarnation, CRASH if early else None))
            case "ignore":
                if child.status is ChildStatus.STARTING:
                    self.feed(Ended(with_, child.incarnation, ignored=True))
            case "stopped":
                if child.status is ChildStatus.STOPPING:
                    self.feed(Ended(with_, child.incarnation))
            case _:
                raise AssertionError(what)

    def play(self, history: list[tuple[str, Any]]) -> None:
        for what, with_ in history:
            if self.prompt:
                self.settle()
            self.do(what, with_)

    def finish(self) -> None:
        """Shut down, and let all end."""
        self.feed(Shutdown())
        while self.supervision.phase is not Phase.HALTED:
            stopping = [name for name, child in self.seen().items() if child.status is ChildStatus.STOPPING]
            assert stopping, "some child is always the next to stop"
            self.do("stopped", stopping[0])

    def starts(self) -> Iterator[tuple[Step, Start]]:
        for step in self.trace:
            for effect in step.effects:
                if isinstance(effect, Start):
                    yield step, effect


def rules(names: st.SearchStrategy[str], *, auto: bool) -> st.SearchStrategy[ChildRules]:
    """Children of every kind, most of them under the window."""
    kinds = st.sampled_from(["permanent", "permanent", "transient", "temporary"])
    backoffs = st.none() | st.none() | st.builds(ExponentialBackoff, st.just(2.0), st.just(8.0))

    def build(name: str, kind: Any, backoff: Any, most: int | None, stable: float, significant: bool) -> ChildRules:
        significant = significant and auto and kind != "permanent"
        return ChildRules(name, kind, backoff, most if backoff else None, stable, significant)

    figures = (st.none() | st.integers(0, 2), st.sampled_from([0.0, 3.0]), st.booleans())
    return st.builds(build, names, kinds, backoffs, *figures)


names = st.sampled_from(NAMES)


def steps(*, auto: bool) -> st.SearchStrategy[tuple[str, Any]]:
    words = ["crash"] * 5 + ["finish"] * 2 + ["ready"] * 2 + ["stopped"] * 2
    words += ["due", "due", "terminate", "again", "delete", "ignore"]
    return (
        st.tuples(st.sampled_from(words), names)
        | st.tuples(st.sampled_from(words), names)
        | st.tuples(st.sampled_from(words), names)
        | st.tuples(st.just("later"), st.integers(0, 4))
        | st.tuples(st.just("add"), rules(names, auto=auto))
    )


_BATCHES = {
    auto: st.lists(rules(names, auto=auto), max_size=4, unique_by=lambda rule: rule.name)
    | st.lists(rules(names, auto=auto), min_size=3, max_size=4, unique_by=lambda rule: rule.name)
    for auto in (False, True)
}
# By default, hypothesis makes most lists short.
_HISTORIES = {
    auto: st.lists(steps(auto=auto), max_size=10) | st.lists(steps(auto=auto), min_size=20, max_size=40)
    for auto in (False, True)
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds whose history has been played to its end."""
    auto: AutoShutdown = draw(st.sampled_from(["never", "never", "any_significant", "all_significant"]))
    kept: list[Strategy] = ["one_for_one", "one_for_all", "rest_for_one"]
    strategy: Strategy = draw(st.sampled_from([*kept, "dynamic"] if auto == "never" else kept))
    supervision = Supervision(
        strategy,
        draw(st.sampled_from([0, 1, 2, 4, 8])),
        draw(st.sampled_from([1.0, 5.0])),
        auto,
    )
    world = World(supervision, prompt=draw(st.sampled_from([True, True, False])))
    world.boot(draw(_BATCHES[auto != "never"]))
    world.play(draw(_HISTORIES[auto != "never"]))
    world.finish()
    return world
