"""The laws of supervision, on the pure machine: OTP's rules, against brute force over the whole history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from hypothesis import event, example, given
from hypothesis import strategies as st

from ds_actors import ExponentialBackoff
from ds_actors._events import (
    Add,
    Boot,
    Booted,
    BootFailed,
    Due,
    Effect,
    Ended,
    Event,
    GaveUp,
    Halted,
    Ready,
    Rest,
    Shutdown,
    Start,
    Stop,
    Terminate,
    Wake,
)
from ds_actors._rules import ALIVE, RESTARTS, STRATEGIES, Phase, Rules, Status
from ds_actors._supervision import Supervision

NAMES = "abcd"
CRASH = ValueError("crash")


@define
class Spec:
    """What the model knows of one child; a name that is free again is another child."""

    rules: Rules
    dynamic: bool
    """Added later, not of the first batch."""
    incarnation: int = 0
    ever_ready: bool = False
    ready_at: int | None = None
    failures: int = 0
    terminated: bool = False


@define
class World:
    """Plays the shell: performs effects, and judges each step against the laws."""

    supervision: Supervision
    now: int = 0
    specs: dict[str, Spec] = field(factory=dict[str, Spec])
    live: dict[str, int] = field(factory=dict[str, int])
    """The incarnation of each name that runs now."""
    stopping: dict[str, int] = field(factory=dict[str, int])
    wakes: dict[tuple[str, int], float] = field(factory=dict[tuple[str, int], float])
    requests: list[int] = field(factory=list[int])
    """When a child without a backoff asked to be started again: the whole history."""
    granted: list[int] = field(factory=list[int])
    starts: int = 0
    ends: int = 0
    over: bool = False
    """A shutdown, a failed boot or giving up was seen."""
    halted: int = 0
    booted: int = 0

    def boot(self, rules: list[Rules]) -> None:
        for one in rules:
            self.supervision.adopt(one)
            self.specs[one.name] = Spec(one, dynamic=False)
        self.feed(Boot())

    def feed(self, what: Event, u: float = 0.5) -> list[Effect]:
        effects = self.supervision.handle(what, float(self.now), u)
        for effect in effects:
            self.perform(effect)
        alive = {name for name, child in self.supervision.children.items() if child.status in ALIVE}
        assert alive == set(self.live)
        assert set(self.supervision.children) == set(self.specs)
        return effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case Start(name, incarnation):
                spec = self.specs[name]
                assert not self.over, "no start after a shutdown or giving up"
                assert name not in self.live, "one incarnation of a child at a time"
                assert not spec.terminated, "a terminated child stays down"
                assert incarnation == spec.incarnation + 1, "incarnations are counted"
                spec.incarnation = self.live[name] = incarnation
                spec.ready_at = None
                self.starts += 1
            case Stop(name, incarnation):
                assert self.live[name] == incarnation
                assert name not in self.stopping, "asked to stop once"
                if self.over and STRATEGIES[self.supervision.strategy].stops_in_order:
                    assert name == list(self.specs)[-1], "the last started stops first"
                self.stopping[name] = incarnation
            case Wake(name, incarnation, at):
                self.wakes[name, incarnation] = at
            case Rest(name, forgotten):
                assert name not in self.live
                if forgotten:
                    del self.specs[name]
            case GaveUp() | BootFailed():
                assert not self.over, "given up once"
                self.over = True
            case Booted():
                self.booted += 1
                assert self.booted == 1
            case Halted():
                self.halted += 1
                assert self.halted == 1
                assert not self.live
                assert not self.specs

    # ---- what may happen

    def ready(self, name: str) -> None:
        if name not in self.live or self.specs[name].ready_at is not None:
            return
        if name not in self.stopping:
            self.specs[name].ready_at = self.now
            self.specs[name].ever_ready = True
        effects = self.feed(Ready(name, self.live[name]))
        assert all(isinstance(effect, (Start, Booted)) for effect in effects)

    def end(self, name: str, error: Exception | None) -> None:
        incarnation = self.live.get(name)
        if incarnation is None:
            return
        spec = self.specs[name]
        if spec.ready_at is None and name not in self.stopping:
            error = error or CRASH  # before it is ready it can only fail
        stopped, booting = self.stopping.pop(name, None), self.supervision.phase is Phase.BOOTING
        del self.live[name]
        self.ends += 1
        allowed = self.expected(spec, error) if not (self.over or stopped) else None
        was_over = self.over
        effects = self.feed(Ended(name, incarnation, error))
        kinds = [type(effect) for effect in effects if getattr(effect, "name", name) == name]
        if was_over:
            assert set(map(type, effects)) <= {Rest, Stop, Halted}
        elif allowed is None:
            assert kinds[0] is Rest
            assert GaveUp not in kinds
            assert Start not in kinds
        else:
            assert kinds[0] is allowed[0]
            assert kinds[1:2] == allowed[1:]
        others = {effect.name for effect in effects if isinstance(effect, (Start, Stop, Wake, Rest))} - {name}
        if others and not self.over:
            assert booting, "one child's end touches no other"
        # Whatever is reported once more about an incarnation that is gone changes nothing.
        assert self.feed(Ended(name, incarnation, CRASH)) == []
        assert self.feed(Ready(name, incarnation)) == []

    def expected(self, spec: Spec, error: Exception | None) -> list[type]:
        """Say what must come first of the effects on a child that ended by itself, from the history alone."""
        kind = RESTARTS[spec.rules.restart]
        if not spec.ever_ready:
            return [Rest] if spec.dynamic else [Rest, BootFailed]
        if not (kind.after_finish if error is None else kind.after_crash):
            return [Rest]
        if spec.rules.backoff is not None:
            lived = self.now - spec.ready_at if spec.ready_at is not None else 0
            if spec.ready_at is not None and lived >= spec.rules.stable_after:
                spec.failures = 0
            spec.failures += 1
            most = spec.rules.max_failures
            return [Wake] if most is None or spec.failures <= most else [Rest, GaveUp]
        self.requests.append(self.now)
        recent = sum(self.now - self.supervision.within <= at for at in self.requests)
        if recent > self.supervision.max_restarts:
            return [Rest, GaveUp]
        self.granted.append(self.now)
        return [Start]

    def due(self, name: str) -> None:
        for (who, incarnation), at in list(self.wakes.items()):
            if who != name or (at > self.now and not self.over):
                continue
            del self.wakes[who, incarnation]
            child = self.supervision.children.get(name)
            waits = child is not None and child.status is Status.WAITING and child.incarnation == incarnation
            effects = self.feed(Due(name, incarnation))
            assert effects == ([Start(name, incarnation + 1)] if waits else [])

    def add(self, rules: Rules) -> None:
        if rules.name in self.specs and not self.over:
            return
        if not self.over:
            self.specs[rules.name] = Spec(rules, dynamic=True)
        effects = self.feed(Add(rules))
        assert effects == ([] if self.over else [Start(rules.name, 1)])

    def terminate(self, name: str) -> None:
        child = self.supervision.children.get(name)
        status = child.status if child is not None else Status.DOWN
        if name in self.specs and not self.over and status is not Status.DOWN:
            self.specs[name].terminated = True
        effects = self.feed(Terminate(name))
        if self.over or status in (Status.DOWN, Status.STOPPING):
            assert effects == []
        elif status is Status.WAITING:
            assert [type(effect) for effect in effects] == [Rest]
        else:
            assert effects == [Stop(name, self.live[name])]

    def shut_down(self) -> None:
        was_over, self.over = self.over, True
        effects = self.feed(Shutdown())
        assert set(map(type, effects)) <= {Rest, Stop, Halted}
        assert not (was_over and effects), "a second shutdown changes nothing"

    def finish(self) -> None:
        """Shut down, let all end in some order, and balance the books."""
        self.shut_down()
        while self.live:
            asked = [name for name in self.live if name in self.stopping]
            assert asked, "somebody is always asked to stop next"
            self.end(asked[0], None)
        assert self.halted == 1
        assert self.supervision.phase is Phase.HALTED
        assert self.starts == self.ends
        for at in self.granted:
            closed = sum(at - self.supervision.within <= other <= at for other in self.granted)
            assert closed <= self.supervision.max_restarts


def rules(name: st.SearchStrategy[str]) -> st.SearchStrategy[Rules]:
    """Children of every kind, most of them under the window."""
    restart = st.sampled_from(["permanent", "transient", "temporary"])
    window = st.builds(Rules, name, restart)
    own = st.builds(
        Rules,
        name,
        restart,
        st.builds(ExponentialBackoff, st.just(2.0), st.just(8.0)),
        st.none() | st.integers(0, 2),
        st.sampled_from([0.0, 3.0]),
    )
    return window | window | own


Step = Callable[[World], object]
names = st.sampled_from(NAMES)


def named(act: Callable[[World, str], object]) -> st.SearchStrategy[Step]:
    """Steps that do this to any child."""

    def step(name: str) -> Step:
        return lambda world: act(world, name)

    return names.map(step)


def adding(rules: Rules) -> Step:
    return lambda world: world.add(rules)


def later(seconds: int) -> Step:
    def wait(world: World) -> None:
        world.now += seconds

    return wait


steps: st.SearchStrategy[Step] = st.one_of(
    named(World.ready),
    named(World.ready),
    named(lambda world, name: world.end(name, CRASH)),
    named(lambda world, name: world.end(name, CRASH)),
    named(lambda world, name: world.end(name, None)),
    named(World.due),
    named(World.terminate),
    rules(names).map(adding),
    st.integers(0, 4).map(later),
)
supervisions = st.builds(
    Supervision, st.sampled_from(["one_for_one", "dynamic"]), st.integers(0, 3), st.sampled_from([1.0, 5.0])
)
batches = st.lists(rules(names), max_size=4, unique_by=lambda one: one.name)


@given(supervisions, batches, st.lists(steps, max_size=60), st.booleans())
def test_every_history_obeys_the_rules_of_otp(
    supervision: Supervision,
    batch: list[Rules],
    history: list[Step],
    prompt: bool,
) -> None:
    """Order, restart kinds, window, backoff, stale reports, stops, and as many ends as starts, in any interleaving."""
    world = World(supervision)
    world.boot(batch)
    for step in history:
        if prompt:
            for name in list(world.live):
                world.ready(name)
        step(world)
    event(f"phase {supervision.phase.value}")
    world.finish()


@given(supervisions, batches, st.lists(steps, max_size=20), st.lists(steps, max_size=20))
def test_nothing_starts_after_a_shutdown(
    supervision: Supervision, batch: list[Rules], before: list[Step], after: list[Step]
) -> None:
    """Not by a wait that ends, an add, a late report or a crash; and it halts once, when the last one is gone."""
    world = World(supervision)
    world.boot(batch)
    for step in before:
        step(world)
    world.shut_down()
    starts = world.starts
    for step in after:
        step(world)
    assert world.starts == starts
    world.finish()


@given(st.integers(0, 4), st.integers(1, 6), st.lists(st.integers(0, 4), min_size=1, max_size=40))
@example(3, 5, [0, 2, 3, 0])
@example(0, 1, [0])
def test_the_window_gives_up_at_exactly_one_more_restart_than_granted(most: int, within: int, gaps: list[int]) -> None:
    """In any closed interval of its length, whichever child asks; never earlier, and never later."""
    supervision = Supervision(max_restarts=most, within=float(within))
    for name in "ab":
        supervision.adopt(Rules(name))
    supervision.handle(Boot(), 0.0)
    supervision.handle(Ready("a", 1), 0.0)
    supervision.handle(Ready("b", 1), 0.0)
    history: list[int] = []
    for turn, gap in enumerate(gaps):
        name, now = "ab"[turn % 2], (history[-1] if history else 0) + gap
        history.append(now)
        incarnation = supervision.children[name].incarnation
        effects = supervision.handle(Ended(name, incarnation, CRASH), float(now))
        over = any(sum(at - within <= other <= at for other in history) > most for at in history)
        assert isinstance(effects[0], Rest if over else Start)
        assert any(isinstance(effect, GaveUp) for effect in effects) == over
        if over:
            return
        supervision.handle(Ready(name, incarnation + 1), float(now))


@given(st.integers(0, 5))
def test_a_child_that_never_starts_again_halts_the_supervisor(most: int) -> None:
    """Each failed start of a restart costs one: the budget is spent in as many steps, without any time passing."""
    supervision = Supervision(max_restarts=most)
    supervision.adopt(Rules("a"))
    supervision.handle(Boot(), 0.0)
    supervision.handle(Ready("a", 1), 0.0)
    starts = 1
    while supervision.phase is not Phase.HALTED:
        effects = supervision.handle(Ended("a", supervision.children["a"].incarnation, CRASH), 0.0)
        starts += sum(isinstance(effect, Start) for effect in effects)
    assert starts == most + 1


@given(st.lists(st.sampled_from([0.0, 1.0, 5.0, 50.0]), max_size=60), st.floats(0, 1, exclude_max=True))
def test_a_backoff_never_spends_the_window_and_waits_at_most_its_ceiling(lives: list[float], u: float) -> None:
    """The wait is u times the ceiling of the failures in a row; a stable life makes the next the first."""
    backoff = ExponentialBackoff(1.0, 30.0)
    supervision = Supervision(max_restarts=0)
    supervision.adopt(Rules("a", backoff=backoff, stable_after=10.0))
    supervision.handle(Boot(), 0.0)
    now, failures, incarnation = 0.0, 0, 1
    for lived in lives:
        supervision.handle(Ready("a", incarnation), now)
        now += lived
        failures = 1 if lived >= 10.0 else failures + 1
        (wake,) = supervision.handle(Ended("a", incarnation, CRASH), now, u)
        assert isinstance(wake, Wake)
        assert wake.at == now + u * backoff.ceiling(min(failures, 32))
        now = wake.at
        assert supervision.handle(Due("a", incarnation), now) == [Start("a", incarnation + 1)]
        incarnation += 1
    assert supervision.phase is not Phase.HALTED


@given(st.permutations(NAMES), st.sampled_from(["one_for_one", "dynamic"]))
def test_a_stop_goes_in_reverse_or_all_at_once(order: list[str], strategy: Any) -> None:
    """As the strategy's row says, whatever the names."""
    world = World(Supervision(strategy))
    world.boot([Rules(name) for name in order])
    for name in order:
        world.ready(name)
    effects = world.feed(Shutdown()) if not world.over else []
    world.over = True
    stops = [effect.name for effect in effects if isinstance(effect, Stop)]
    assert stops == ([order[-1]] if strategy == "one_for_one" else order)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_life_without_proof_of_health_forgives_nothing(proven: list[bool]) -> None:
    """However long it lasted; a proven one of the same length forgives all that went before."""
    supervision = Supervision()
    supervision.adopt(Rules("a", backoff=ExponentialBackoff(1.0, 30.0), max_failures=3, stable_after=10.0))
    supervision.handle(Boot(), 0.0)
    now, failures = 0.0, 0
    for incarnation, healthy in enumerate(proven, 1):
        supervision.handle(Ready("a", incarnation), now)
        now += 50.0
        failures = 1 if healthy else failures + 1
        effects = supervision.handle(Ended("a", incarnation, CRASH, healthy), now)
        assert any(isinstance(effect, GaveUp) for effect in effects) == (failures > 3)
        if failures > 3:
            return
        now += 50.0
        supervision.handle(Due("a", incarnation), now)
