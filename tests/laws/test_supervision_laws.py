"""The laws of supervision, L1 to L25, on the pure state machine: each checks whole random histories.

Source of the laws: supervisor.erl and its documentation. L22, the grace, is the shell's: `tests/test_supervisor.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from histories import CRASH, NAMES, ChildView, Step, World, worlds
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from ds_actors import ExponentialBackoff, Failure
from ds_actors._events import (
    IGNORED,
    Add,
    Boot,
    Booted,
    BootFailed,
    Delete,
    Due,
    Ended,
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
from ds_actors._rules import ALIVE, RESTARTS, STRATEGIES, ChildRules, ChildStatus, Origin, Phase
from ds_actors._supervision import Supervision
from ds_actors.testing._model import Model
from ds_actors.testing._stories import End, Story, SupervisorPlan, WorkerPlan

GROUPS = ("one_for_all", "rest_for_one")


class Hasty:
    """Never waits."""

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        return 0.0


def later_siblings(children: dict[str, ChildView], name: str) -> list[ChildView]:
    order = list(children)
    return [children[sibling] for sibling in order[order.index(name) + 1 :]]


def bound(step: Step, strategy: str) -> list[str]:
    """Return the children that restart with the step's child: the strategy in two lines."""
    order = list(step.before)
    return {"one_for_all": order, "rest_for_one": order[order.index(step.name) :]}.get(strategy, [step.name])


def over(steps: list[Step]) -> int:
    """Return the index of the step after which nothing may start; there is one, as every history is finished."""
    return next(
        n
        for n, step in enumerate(steps)
        if isinstance(step.event, Shutdown) or step.has(GaveUp | BootFailed | ShutDown)  # type: ignore[arg-type]
    )


def l1_starts_go_in_order_and_stops_in_reverse(world: World) -> None:
    """When a child is asked to stop, but not by name, no later sibling lives; a set's starts have increasing places."""
    for step in world.trace:
        for stop in (effect for effect in step.effects if isinstance(effect, Stop)):
            if STRATEGIES[world.supervision.strategy].stops_in_order and not isinstance(step.event, Terminate):
                before = [child for child in later_siblings(step.before, stop.name) if child.status in ALIVE]
                gone = [child for child in before if child.rules.name == step.name and isinstance(step.event, Ended)]
                assert len(before) == len(gone)


def l2_nobody_starts_before_the_set_has_stopped(world: World) -> None:
    """A child that starts with its set finds no later sibling alive, and the earlier ones of the set ready."""
    if world.supervision.strategy not in GROUPS:
        return
    for step, start in world.starts():
        child = step.after.get(start.name)
        if isinstance(step.event, (Add, StartAgain)) or child is None or child.origin in (Origin.REQUEST, Origin.ADD):
            continue
        order = list(step.after)
        place = order.index(start.name)
        for name in order[place + 1 :]:
            assert step.after[name].status not in ALIVE or step.after[name].origin is Origin.ADD, "later ones are down"
        for name in order[:place]:
            # An earlier one may be in the middle of a stop or start of its own that was asked for.
            asked = step.after[name].origin is not None or step.after[name].status is ChildStatus.STOPPING
            assert asked or step.after[name].status in (ChildStatus.RUNNING, ChildStatus.DOWN)


def l3_one_incarnation_at_a_time_and_each_number_once(world: World) -> None:
    """A start finds the child not alive, and its number is one more than the last."""
    for step, start in world.starts():
        known = step.before.get(start.name)
        ended = isinstance(step.event, Ended) and step.name == start.name
        assert known is None or known.status not in ALIVE or ended
        assert start.incarnation == (known.incarnation if known else 0) + 1


def l4_one_for_one_touches_nobody_else(world: World) -> None:
    """The end of a child leads to nothing for others, while the first batch is up and the supervisor goes on."""
    if world.supervision.strategy in GROUPS:
        return
    for step in world.trace[: over(world.trace)]:
        if isinstance(step.event, Ended) and step.phase is Phase.RUNNING:
            assert {getattr(effect, "name", step.name) for effect in step.effects} <= {step.name}


def l5_one_for_all_and_l6_rest_for_one_start_their_sets(world: World) -> None:
    """After a granted request exactly the set starts, once each; a prefix is untouched, however often it is retried."""
    strategy, steps = world.supervision.strategy, world.trace
    for at, request in enumerate(steps):
        if not request.granted or strategy not in GROUPS:
            continue
        members, named = bound(request, strategy), set[str]()
        count = dict.fromkeys(members, 0)
        for step in steps[at:]:
            if step is not request and (step.granted or (isinstance(step.event, (Shutdown, Ended)) and step.judged)):
                break
            if step.has(GaveUp) or step.has(ShutDown) or step.has(BootFailed) or isinstance(step.event, Shutdown):
                break
            if isinstance(step.event, (Terminate, StartAgain, Delete, Add)):
                named.add(step.name or step.event.rules.name)  # type: ignore[union-attr]
            for effect in step.effects:
                if isinstance(effect, (Start, Stop)) and effect.name not in named:
                    owed = step.before.get(effect.name)
                    assert effect.name in members or (owed is not None and owed.origin is not None)
                if isinstance(effect, Start) and effect.name in count:
                    count[effect.name] += 1
            if step.round_over:
                for name in members:
                    kept = RESTARTS[request.before[name].rules.restart].kept
                    if name not in named and request.before[name].origin is None:
                        assert count[name] == kept
                break


def l7_l8_l9_what_each_kind_does_after_its_own_end(world: World) -> None:
    """Permanent and crashed transient: started again or given up; finished transient: kept; temporary: gone at once."""
    for step in world.trace:
        if not step.judged:
            continue
        assert step.subject is not None
        assert isinstance(step.event, Ended)
        kind, crashed = step.subject.rules.restart, step.event.error is not None
        if kind == "permanent" or (kind == "transient" and crashed):
            assert step.granted or step.has(GaveUp)
        else:
            assert not step.granted
            assert not step.has(GaveUp)
            if kind == "temporary" or world.supervision.strategy == "dynamic" or step.has(ShutDown):
                assert step.name not in step.after
            else:
                assert step.after[step.name].status is ChildStatus.DOWN


def l9_a_temporary_child_starts_once(world: World) -> None:
    """Unless its first start was still owed when a round took it down."""
    for step, start in world.starts():
        known = step.before.get(start.name)
        if known is not None and known.rules.restart == "temporary" and known.incarnation > 0:
            assert known.origin is not None


def by_window(step: Step) -> bool:
    if not step.judged or step.subject is None:
        return False
    kind, error = RESTARTS[step.subject.rules.restart], step.event.error  # type: ignore[union-attr]
    return step.subject.rules.backoff is None and (kind.after_finish if error is None else kind.after_crash)


def l10_l11_l12_the_window_against_brute_force(world: World) -> None:
    """Each request costs one, whatever the set; given up at exactly one more than is granted in a closed interval."""
    most, within, history = world.supervision.max_restarts, world.supervision.within, list[float]()
    for step in world.trace:
        if by_window(step):
            history.append(step.now)
            recent = sum(step.now - within <= at <= step.now for at in history)
            assert step.has(GaveUp) == (recent > most)
            assert step.granted == (recent <= most)
        elif step.has(GaveUp):
            assert step.subject is not None
            assert step.subject.rules.backoff is not None


def l12_nothing_else_costs(world: World) -> None:
    """First starts, requests, stops and restarts by backoff cost nothing."""
    for step in world.trace:
        assert step.spent == by_window(step)


def l13_nothing_granted_means_the_first_request_is_the_last(world: World) -> None:
    """With max_restarts=0."""
    requests = [step for step in world.trace if by_window(step)]
    if world.supervision.max_restarts == 0 and requests:
        assert requests[0].has(GaveUp)


def l14_after_the_end_only_stops_and_one_halt(world: World) -> None:
    """Nothing starts after a shutdown, giving up or a failed boot; no child is alive at the single halt."""
    rest = world.trace[over(world.trace) + 1 :]
    assert all(isinstance(effect, (Stop, Rest, Halted)) for step in rest for effect in step.effects)
    assert not any(isinstance(effect, Start) for effect in world.trace[over(world.trace)].effects)
    assert sum(step.has(Halted) for step in world.trace) == 1
    assert world.trace[-1].after == {} or not any(child.status in ALIVE for child in world.trace[-1].after.values())


def l15_a_late_report_changes_nothing(world: World) -> None:
    """Of any earlier incarnation, in the state that the history left."""
    replayed = World(
        Supervision(
            world.supervision.strategy,
            world.supervision.max_restarts,
            world.supervision.within,
            world.supervision.auto_shutdown,
        )
    )
    first = world.trace[0]
    replayed.boot([child.rules for child in first.before.values()])
    for step in world.trace[1:]:
        replayed.now = step.now
        seen = replayed.seen()
        for name, child in seen.items():
            old = child.incarnation - 1
            for late in (Ended(name, old, CRASH), Ended(name, old), Ready(name, old), Due(name, old)):
                assert replayed.feed(late) == ()
        assert replayed.seen() == seen == step.before
        replayed.feed(step.event)


def l16_terminating_what_waits_cancels_its_restart(world: World) -> None:
    """It starts again only by a new request, its own or a sibling's."""
    for at, step in enumerate(world.trace):
        child = step.subject
        if not isinstance(step.event, Terminate) or child is None or child.status is not ChildStatus.WAITING:
            continue
        assert step.name not in step.after or step.after[step.name].status is ChildStatus.DOWN
        for next_ in world.trace[at + 1 :]:
            if next_.granted or isinstance(next_.event, (StartAgain, Add)):
                break
            assert not any(isinstance(effect, Start) and effect.name == step.name for effect in next_.effects)


def l17_ends_that_were_asked_for_cost_nothing(world: World) -> None:
    """They do not spend the window, give up, shut down, or stop any other child."""
    for step in world.trace:
        child = step.subject
        if (
            isinstance(step.event, Ended)
            and child is not None
            and (child.status is ChildStatus.STOPPING or child.in_stops)
        ):
            assert step.spent == 0
            assert not step.has(GaveUp)
            assert not step.has(ShutDown) or step.has(Booted)


def l18_significant_children(world: World) -> None:
    """The reference: a significant child ended for good, by itself, and was any such, or the last one."""
    auto, due = world.supervision.auto_shutdown, False
    for step in world.trace[: over(world.trace) + 1]:
        if step.judged and not step.granted and not step.has(GaveUp):
            assert step.subject is not None
            others = [
                child for child in step.before.values() if child.rules.name != step.name and child.rules.significant
            ]
            alone = all(child.status is ChildStatus.DOWN for child in others)
            due = due or (step.subject.rules.significant and (auto == "any_significant" or alone))
        booting = step.phase is Phase.BOOTING and not step.has(Booted)
        assert step.has(ShutDown) == (due and not booting)


def l19_a_first_batch_that_fails_is_rolled_back(world: World) -> None:
    """The failed child is named, no later child starts, and the earlier ones stop, the last first."""
    for at, step in enumerate(world.trace):
        failed = [effect for effect in step.effects if isinstance(effect, BootFailed)]
        if failed:
            assert [failure.name for failure in failed] == [step.name]
            assert not any(later.has(Start) for later in world.trace[at:])
        child = step.subject
        fails = isinstance(step.event, Ended) and not step.event.ignored and step.phase is Phase.BOOTING
        if fails and child is not None and child.incarnation == step.event.incarnation:  # type: ignore[union-attr]
            assert bool(failed) == (child.status is ChildStatus.STARTING and child.origin is Origin.BOOT)
        else:
            assert not failed


def l20_what_is_held_and_what_lives(world: World) -> None:
    """As the model folds it from the effects alone."""
    held, alive = {*world.trace[0].before}, set[str]()
    for step in world.trace:
        if isinstance(step.event, Add) and step.phase in (Phase.BOOTING, Phase.RUNNING):
            held.add(step.event.rules.name)
        if isinstance(step.event, Ended) and step.event.incarnation == getattr(step.subject, "incarnation", None):
            alive.discard(step.name)
        for effect in step.effects:
            if isinstance(effect, Start):
                alive.add(effect.name)
            if isinstance(effect, Rest) and effect.forgotten:
                held.discard(effect.name)
        assert set(step.after) == held
        assert {name for name, child in step.after.items() if child.status in ALIVE} == alive


def l21_as_many_ends_as_starts(world: World) -> None:
    """Every start is followed by one end, and no child is asked to stop twice."""
    starts = [(start.name, start.incarnation) for _, start in world.starts()]
    alive = [
        (step.name, step.event.incarnation)
        for step in world.trace
        if isinstance(step.event, Ended) and step.subject is not None and step.subject.status in ALIVE
    ]
    for name in NAMES:
        # A name that was free again is another child, which counts its incarnations anew.
        assert sum(started == name for started, _ in starts) == sum(started == name for started, _ in alive)
    assert len(starts) == len(alive)
    stops = [
        (at, effect.name) for at, step in enumerate(world.trace) for effect in step.effects if isinstance(effect, Stop)
    ]
    for at, name in stops:
        assert world.trace[at].before[name].status in (ChildStatus.STARTING, ChildStatus.RUNNING) or any(
            isinstance(effect, Start) and effect.name == name for effect in world.trace[at].effects
        )


def l23_a_backoff_waits_u_times_the_ceiling(world: World) -> None:
    """Only its own consecutive failures count."""
    failures = dict[str, int]()
    for step in world.trace:
        if isinstance(step.event, Add):
            failures.pop(step.event.rules.name, None)
        child = step.subject
        if not isinstance(step.event, Ended) or child is None or child.rules.backoff is None:
            continue
        stable = child.ready_at is not None and step.now - child.ready_at >= child.rules.stable_after
        if child.in_stops and stable and step.phase is not Phase.STOPPING:
            failures[step.name] = 0
        if not step.judged or not (step.granted or step.has(GaveUp)):
            continue
        count = failures[step.name] = (0 if stable else failures.get(step.name, 0)) + 1
        assert step.has(GaveUp) == (child.rules.max_failures is not None and count > child.rules.max_failures)
        for wake in (effect for effect in step.effects if isinstance(effect, Wake) and effect.name == step.name):
            assert wake.at == step.now + 0.5 * min(8.0, 2.0 * 2 ** (count - 1))


def an_ignored_start_is_no_failure(world: World) -> None:
    """It costs nothing and stops no child; a kept child stays at rest."""
    for step in world.trace:
        child = step.subject
        if isinstance(step.event, Ended) and step.event.ignored and child is not None and not child.in_stops:
            if child.status is not ChildStatus.STARTING or step.phase not in (Phase.BOOTING, Phase.RUNNING):
                continue
            # It may be the last of a first batch that a significant child ends: then it is forgotten as well.
            rest = next(effect for effect in step.effects if isinstance(effect, Rest) and effect.name == step.name)
            kept = RESTARTS[child.rules.restart].kept and world.supervision.strategy != "dynamic"
            assert (rest.why, rest.forgotten) == (IGNORED, not kept)
            assert step.spent == 0


LAWS: list[Callable[[World], None]] = [
    l1_starts_go_in_order_and_stops_in_reverse,
    l2_nobody_starts_before_the_set_has_stopped,
    l3_one_incarnation_at_a_time_and_each_number_once,
    l4_one_for_one_touches_nobody_else,
    l5_one_for_all_and_l6_rest_for_one_start_their_sets,
    l7_l8_l9_what_each_kind_does_after_its_own_end,
    l9_a_temporary_child_starts_once,
    l10_l11_l12_the_window_against_brute_force,
    l12_nothing_else_costs,
    l13_nothing_granted_means_the_first_request_is_the_last,
    l14_after_the_end_only_stops_and_one_halt,
    l15_a_late_report_changes_nothing,
    l16_terminating_what_waits_cancels_its_restart,
    l17_ends_that_were_asked_for_cost_nothing,
    l18_significant_children,
    l19_a_first_batch_that_fails_is_rolled_back,
    l20_what_is_held_and_what_lives,
    l21_as_many_ends_as_starts,
    l23_a_backoff_waits_u_times_the_ceiling,
    an_ignored_start_is_no_failure,
]


@settings(max_examples=4 * settings().max_examples)
@given(worlds())
def test_every_history_obeys_the_laws(world: World) -> None:
    """Any strategy, any children, anything that may happen to them, in any interleaving."""
    event(f"{world.supervision.strategy}, ended by {world.trace[over(world.trace)].event.__class__.__name__}")
    for law in LAWS:
        try:
            law(world)
        except AssertionError as error:
            error.add_note(f"{law.__name__}: {law.__doc__}")
            raise


@given(st.integers(0, 4), st.integers(1, 6), st.lists(st.integers(0, 4), min_size=1, max_size=40))
@example(3, 5, [0, 2, 3, 0])
@example(0, 1, [0])
def test_the_window_gives_up_at_exactly_one_more_restart_than_granted(most: int, within: int, gaps: list[int]) -> None:
    """In any closed interval of its length, whichever child asks; never earlier, and never later."""
    supervision = Supervision(max_restarts=most, within=float(within))
    for name in "ab":
        supervision.adopt(ChildRules(name))
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
    supervision.adopt(ChildRules("a"))
    supervision.handle(Boot(), 0.0)
    supervision.handle(Ready("a", 1), 0.0)
    starts = 1
    while supervision.phase is not Phase.HALTED:
        effects = supervision.handle(Ended("a", supervision.children["a"].incarnation, CRASH), 0.0)
        starts += sum(isinstance(effect, Start) for effect in effects)
    assert starts == most + 1


@given(st.lists(st.sampled_from([0.0, 1.0, 5.0, 50.0]), max_size=60), st.floats(0, 1, exclude_max=True))
def test_a_backoff_never_spends_the_window_and_waits_at_most_its_ceiling(lives: list[float], u: float) -> None:
    """The wait is u times the ceiling of the failures in a row; a stable incarnation resets the count."""
    backoff = ExponentialBackoff(1.0, 30.0)
    supervision = Supervision(max_restarts=0)
    supervision.adopt(ChildRules("a", backoff=backoff, stable_after=10.0))
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


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_life_without_proof_of_health_forgives_nothing(proven: list[bool]) -> None:
    """However long it lasted; a proven one of the same length forgives all that went before."""
    supervision = Supervision()
    supervision.adopt(ChildRules("a", backoff=ExponentialBackoff(1.0, 30.0), max_failures=3, stable_after=10.0))
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


# ---- the laws that need a history of their own


def booted(supervision: Supervision, *children: ChildRules) -> World:
    world = World(supervision, prompt=True)
    world.boot(list(children))
    world.settle()
    return world


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(order=st.permutations(NAMES))
def test_l1_a_shutdown_goes_in_reverse_or_all_at_once(strategy: Any, order: list[str]) -> None:
    """As the strategy's row says, whatever the names."""
    world = booted(Supervision(strategy), *map(ChildRules, order))
    effects = world.feed(Shutdown())
    stops = [effect.name for effect in effects if isinstance(effect, Stop)]
    assert stops == ([order[-1]] if STRATEGIES[strategy].stops_in_order else order)


@pytest.mark.parametrize("dead", [order for n in (2, 3, 4) for order in permutations(NAMES, n)])
def test_l24_simultaneous_ends_cost_one_and_come_to_the_same(dead: tuple[str, ...]) -> None:
    """One for all: whichever end is reported first, all others start once more, and one restart is spent."""
    world = booted(Supervision("one_for_all", max_restarts=1), *map(ChildRules, NAMES))
    # All are dead before the first end is reported, so the other ends arrive while the set stops.
    world.feed(Ended(dead[0], 1, CRASH))
    for name in dead[1:]:
        world.feed(Ended(name, 1, CRASH))
    world.settle()
    assert {name: (child.status, child.incarnation) for name, child in world.seen().items()} == dict.fromkeys(
        NAMES, (ChildStatus.RUNNING, 2)
    )
    assert len(world.supervision._window) == 1


@pytest.mark.parametrize(("first", "cost"), [("ab", 1), ("ba", 2)])
def test_l24_rest_for_one_costs_one_when_the_elder_is_heard_of_first(first: str, cost: int) -> None:
    """As measured on OTP 25: otherwise the elder's end is a second event, with a set of its own."""
    world = booted(Supervision("rest_for_one", max_restarts=2), *map(ChildRules, "abc"))
    world.feed(Ended(first[0], 1, CRASH))
    world.feed(Ended(first[1], 1, CRASH))
    world.settle()
    assert len(world.supervision._window) == cost
    assert all(child.status is ChildStatus.RUNNING for child in world.seen().values())


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@given(budgets=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_l25_nested_budgets_multiply(strategy: Any, budgets: list[int]) -> None:
    """A leaf that always crashes is started exactly the product of (budget + 1) times, then nothing is left."""
    leaf: WorkerPlan | SupervisorPlan = WorkerPlan("leaf")
    for level, most in enumerate(reversed(budgets)):
        leaf = SupervisorPlan(f"s{level}", strategy=strategy, max_restarts=most, children=(leaf,))
    assert isinstance(leaf, SupervisorPlan)
    product = 1
    for most in budgets:
        product *= most + 1
    model = Model()
    told = model.play(Story(leaf, (End("s0", (("leaf", "crash"),)),) * (product + 1)))
    assert model.starts["leaf"] == product
    assert told[product].endswith(";dead")
    assert all(";dead" not in line for line in told[:product])


def until_it_starts(world: World, wanted: str) -> None:
    while world.supervision.children[wanted].status is not ChildStatus.STARTING:
        for name in NAMES:
            world.do("stopped", name)
            world.do("ready" if name != wanted else "stopped", name)


@given(st.integers(0, 4), st.sampled_from(GROUPS))
def test_l6_only_the_suffix_of_the_child_that_fails_to_start_is_touched_again(fails: int, strategy: Any) -> None:
    """rest_for_one splits at the one that fails, one_for_all begins from the first; each failure costs one."""
    supervision = Supervision(strategy, max_restarts=10)
    world = booted(supervision, *map(ChildRules, "abcd"))
    world.feed(Ended("b", 1, CRASH))
    until_it_starts(world, "c")
    for _ in range(fails):
        world.feed(Ended("c", supervision.children["c"].incarnation, CRASH))
        until_it_starts(world, "c")
    world.settle()
    again = 1 + fails if strategy == "one_for_all" else 1
    first = again if strategy == "one_for_all" else 0
    restarts = {name: child.restarts for name, child in supervision.children.items()}
    assert restarts == {"a": first, "b": again, "c": 1 + fails, "d": 1}
    assert len(supervision._window) == 1 + fails


def test_the_delay_of_a_backoff_lies_between_the_stops_and_the_starts() -> None:
    """All children are down at once, and none starts before the wait ends, not even the earlier siblings."""
    supervision = Supervision("one_for_all", max_restarts=0)
    backoff = ExponentialBackoff(8.0)
    world = booted(supervision, ChildRules("a"), ChildRules("b", backoff=backoff), ChildRules("c"))
    world.now = 100.0
    assert world.feed(Ended("b", 1, CRASH)) == (Stop("c", 1, again=True),)
    assert world.feed(Ended("c", 1)) == (Stop("a", 1, again=True),)
    assert world.feed(Ended("a", 1)) == (Wake("b", 1, 104.0),)
    assert {sibling.why for sibling in supervision.children.values()} == {"crashed", "waiting for the restart of 'b'"}
    assert {sibling.until for sibling in supervision.children.values()} == {104.0}
    world.now = 104.0
    assert world.feed(Due("b", 1)) == (Start("a", 2),)
    assert world.feed(Ready("a", 2)) == (Start("b", 2),)


def test_a_backoff_of_nothing_is_waited_for_all_the_same() -> None:
    """In a set as alone: requests of the meantime are handled before the next start."""
    children = (ChildRules("a", backoff=Hasty()), ChildRules("b"))
    alone, together = booted(Supervision("one_for_one"), *children), booted(Supervision("rest_for_one"), *children)
    assert alone.feed(Ended("a", 1, CRASH)) == (Wake("a", 1, 0.0),)
    assert together.feed(Ended("a", 1, CRASH)) == (Stop("b", 1, again=True),)
    assert together.feed(Ended("b", 1)) == (Wake("a", 1, 0.0),)
    assert together.feed(Due("a", 1)) == (Start("a", 2),)


def test_a_set_that_waits_is_woken_once() -> None:
    """Whatever becomes of its members meanwhile."""
    world = booted(Supervision("one_for_all"), ChildRules("a"), ChildRules("b", backoff=ExponentialBackoff(8.0)))
    world.feed(Ended("b", 1, CRASH))
    assert world.feed(Ended("a", 1)) == (Wake("b", 1, 4.0),)
    (rest,) = world.feed(Terminate("a"))
    assert isinstance(rest, Rest)


def test_a_time_that_is_over_or_unknown_is_not_shown() -> None:
    """A child that waits for a sibling without a backoff starts as soon as possible."""
    supervision = Supervision("rest_for_one")
    world = booted(supervision, ChildRules("a"), ChildRules("b", backoff=ExponentialBackoff(8.0)), ChildRules("c"))
    untils: list[float | None] = []
    world.feed(Ended("b", 1, CRASH))
    world.feed(Ended("c", 1))
    untils.append(supervision.children["b"].until)
    world.now = 5.0
    world.feed(Ended("a", 1, CRASH))
    assert world.feed(Ready("a", 2)) == (Start("b", 2),), "its time is over, but not yet reported"
    world.settle()
    world.feed(Ended("a", 2, CRASH))
    for name in "cb":
        world.feed(Ended(name, 2))
        assert supervision.children[name].why == "waiting for the restart of 'a'"
        untils.append(supervision.children[name].until)
    assert untils == [4.0, None, None]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_starts_wait_for_others_only_while_a_set_is_on_its_way(strategy: Any) -> None:
    """The first batch of any strategy; later, the restart of a set."""
    supervision = Supervision(strategy)
    world = World(supervision)
    in_order: list[bool] = []
    for act in (
        partial(world.boot, [ChildRules("a"), ChildRules("b")]),
        world.settle,
        partial(world.feed, Ended("a", 1, CRASH)),
        world.settle,
        world.finish,
    ):
        act()
        in_order.append(supervision.starts_in_order)
    assert in_order == [True, False, strategy in GROUPS, False, False]


def test_no_start_waits_for_others_once_the_supervisor_stops() -> None:
    """In the middle of a set, whose other starts are off."""
    world = booted(Supervision("one_for_all"), ChildRules("a"), ChildRules("b"))
    world.feed(Ended("b", 1, CRASH))
    assert world.supervision.starts_in_order
    assert world.feed(Shutdown())
    assert not world.supervision.starts_in_order


def test_an_elder_siblings_crash_shortens_nobodys_backoff() -> None:
    """It starts at once; the one that waits keeps its time, and those after it wait for it."""
    supervision = Supervision("rest_for_one")
    world = booted(supervision, ChildRules("a"), ChildRules("b", backoff=ExponentialBackoff(8.0)), ChildRules("c"))
    world.feed(Ended("b", 1, CRASH))
    assert world.feed(Ended("c", 1)) == (Wake("b", 1, 4.0),)
    world.now = 1.0
    assert world.feed(Ended("a", 1, CRASH)) == (Start("a", 2),)
    assert world.feed(Ready("a", 2)) == (Wake("b", 1, 4.0),)
    world.now = 4.0
    assert world.feed(Due("b", 1)) == (Start("b", 2),)
    assert world.feed(Ready("b", 2)) == (Start("c", 2),)


def test_terminating_the_one_that_all_wait_for_lets_the_others_start() -> None:
    """At once; it stays down until a request, or until a sibling's restart includes it."""
    supervision = Supervision("one_for_all")
    world = booted(supervision, ChildRules("a"), ChildRules("b", backoff=ExponentialBackoff(8.0)))
    world.feed(Ended("b", 1, CRASH))
    world.feed(Ended("a", 1))
    rest, start = world.feed(Terminate("b"))
    assert isinstance(rest, Rest)
    assert start == Start("a", 2)
    assert world.feed(Ready("a", 2)) == ()
    assert world.feed(Due("b", 1)) == ()
    assert world.feed(Ended("a", 2, CRASH)) == (Start("a", 3),)
    assert world.feed(Ready("a", 3)) == (Start("b", 2),)


def test_a_child_added_while_the_set_is_down_starts_behind_it() -> None:
    """In its turn; and a failure of it is its caller's alone."""
    world = booted(Supervision("one_for_all"), ChildRules("a"), ChildRules("b"))
    world.feed(Ended("a", 1, CRASH))
    assert world.feed(Add(ChildRules("c"))) == ()
    assert world.feed(Ended("b", 1)) == (Start("a", 2),)
    assert world.feed(Ready("a", 2)) == (Start("b", 2),)
    assert world.feed(Ready("b", 2)) == (Start("c", 1),)
    (rest,) = world.feed(Ended("c", 1, CRASH))
    assert isinstance(rest, Rest)
    assert rest.forgotten


def test_a_child_on_its_way_down_that_is_terminated_keeps_its_turn_and_stays_down() -> None:
    """It stops in order, and the set starts without it."""
    world = booted(Supervision("one_for_all"), ChildRules("a"), ChildRules("b"), ChildRules("c"))
    world.feed(Ended("c", 1, CRASH))
    assert world.feed(Terminate("a")) == ()
    assert world.feed(Ended("b", 1)) == (Stop("a", 1),)
    rest, start = world.feed(Ended("a", 1))
    assert isinstance(rest, Rest)
    assert not rest.forgotten
    assert start == Start("b", 2)


def test_l18_what_cannot_be_significant_is_refused() -> None:
    """A permanent child, and any child of a supervisor that never shuts down by itself."""
    with pytest.raises(ValueError, match="always started again"):
        ChildRules("a", "permanent", significant=True)
    with pytest.raises(ValueError, match="needs an auto_shutdown"):
        Supervision().adopt(ChildRules("a", "transient", significant=True))
    with pytest.raises(ValueError, match="auto_shutdown must be one of"):
        Supervision(auto_shutdown="always")  # type: ignore[arg-type]


def test_l18_one_that_waits_for_its_restart_counts_as_alive() -> None:
    """And so do those that wait with it."""
    supervision = Supervision("rest_for_one", auto_shutdown="all_significant")
    backoff = ExponentialBackoff()
    significant = ChildRules("c", "transient", significant=True)
    world = booted(
        supervision,
        ChildRules("a", "temporary", significant=True),
        ChildRules("b", "transient", backoff=backoff),
        significant,
    )
    world.feed(Ended("b", 1, CRASH))
    world.feed(Ended("c", 1))
    assert not any(isinstance(effect, ShutDown) for effect in world.feed(Ended("a", 1)))


def test_a_shutdown_that_is_due_waits_for_the_first_batch() -> None:
    """As in OTP, whose supervisor handles no end before the start is over."""
    supervision = Supervision("one_for_one", auto_shutdown="any_significant")
    for rules in (ChildRules("a", "temporary", significant=True), ChildRules("b")):
        supervision.adopt(rules)
    supervision.handle(Boot(), 0.0)
    supervision.handle(Ready("a", 1), 0.0)
    assert all(isinstance(effect, Rest) for effect in supervision.handle(Ended("a", 1), 0.0))
    assert supervision.handle(Ready("b", 1), 0.0) == [Booted(), ShutDown("a"), Stop("b", 1)]


def test_a_backoff_is_told_how_each_life_went() -> None:
    """What it failed with, when, how long it lived, and whether it was healthy: a failed start lived 0.0 s."""
    told: list[tuple[Failure, ...]] = []

    class Listening:
        def delay(self, failures: Sequence[Failure], u: float) -> float:
            told.append(tuple(failures))
            return -1.0  # less than nothing is nothing

    supervision = Supervision()
    world = booted(supervision, ChildRules("a", backoff=Listening(), stable_after=10.0))
    world.now = 3.0
    assert world.feed(Ended("a", 1, CRASH)) == (Wake("a", 1, 3.0),)
    world.feed(Due("a", 1))
    world.now = 5.0
    other = ValueError("other")
    world.feed(Ended("a", 2, other))
    world.feed(Due("a", 2))
    world.feed(Ready("a", 3))
    world.now = 7.0
    world.feed(Ended("a", 3, None, healthy=False))
    assert told[-1] == (
        Failure(CRASH, 3.0, 3.0, healthy=True),
        Failure(other, 5.0, 0.0, healthy=False),
        Failure(None, 7.0, 2.0, healthy=False),
    )


@pytest.mark.parametrize(
    ("delay", "raised"),
    [(lambda: 1 / 0, ZeroDivisionError), (lambda: "soon", TypeError), (lambda: math.nan, TypeError)],
)
def test_a_backoff_that_tells_no_delay_is_what_the_supervisor_gives_up_for(
    delay: Callable[[], Any], raised: type[Exception]
) -> None:
    """It fails, or what it returns is no number: the child has crashed, but the limit is its backoff's."""

    class Wrong:
        def delay(self, failures: Sequence[Failure], u: float) -> Any:
            return delay()

    world = booted(Supervision(), ChildRules("a", backoff=Wrong()))
    rest, gave_up, halted = world.feed(Ended("a", 1, CRASH))
    limit = f"its backoff failed ({raised.__name__})"
    assert rest == Rest("a", forgotten=True, error=CRASH, why=limit)
    assert isinstance(gave_up, GaveUp)
    assert (gave_up.name, type(gave_up.error), gave_up.limit) == ("a", raised, limit)
    assert halted == Halted()


def test_only_the_newest_failure_keeps_its_frames() -> None:
    """Their variables live as long as a traceback, and a child may fail for days."""
    supervision = Supervision()
    world = booted(supervision, ChildRules("a", backoff=ExponentialBackoff()))
    for incarnation in range(1, 4):
        try:
            raise LookupError(incarnation)
        except LookupError as error:
            world.feed(Ended("a", incarnation, error))
        world.now += 60.0
        world.do("due", "a")
    errors = [failure.error for failure in supervision.children["a"].failures]
    assert [error is not None and error.__traceback__ is not None for error in errors] == [False, False, True]


@pytest.mark.parametrize(("lived", "forgiven"), [(9.5, False), (10.0, True), (10.5, True)])
@pytest.mark.parametrize("by", ["its own end", "a sibling's restart"])
def test_failures_are_forgotten_after_exactly_a_stable_life(lived: float, forgiven: bool, by: str) -> None:
    """Also when a sibling ended that incarnation."""
    supervision = Supervision("one_for_all")
    backoff = ExponentialBackoff(2.0, 100.0)
    world = booted(supervision, ChildRules("a", backoff=backoff, stable_after=10.0), ChildRules("b"))
    child = supervision.children["a"]
    world.feed(Ended("a", 1, CRASH))
    world.feed(Ended("b", 1))
    world.now = 1.0
    world.feed(Due("a", 1))
    world.settle()
    world.now = 1.0 + lived
    if by == "its own end":
        world.feed(Ended("a", 2, CRASH))
        assert child.consecutive == len(child.failures) == (1 if forgiven else 2)
    else:
        world.feed(Ended("b", 2, CRASH))
        world.feed(Ended("a", 2))
        assert child.consecutive == len(child.failures) == (0 if forgiven else 1)


def test_every_status_says_why() -> None:
    """In words that `tree()` shows."""
    supervision = Supervision("rest_for_one", max_restarts=1)
    supervision.adopt(ChildRules("a", "transient"))
    supervision.adopt(ChildRules("b", "temporary"))
    assert supervision.children["a"].why == "not started yet"
    world = World(supervision)
    world.feed(Boot())
    whys = {name: child.why for name, child in supervision.children.items()}
    assert whys == {"a": "starting", "b": "not started yet"}
    world.settle()
    world.do("ready", "b")
    child = supervision.children["a"]
    assert child.why == ""
    (stop,) = world.feed(Ended("a", 1, CRASH))
    assert stop == Stop("b", 1)
    assert (child.why, supervision.children["b"].why) == ("crashed", "stopping")
    (rest, _) = world.feed(Ended("b", 1))
    assert isinstance(rest, Rest)
    assert (rest.why, rest.forgotten, rest.error) == ("stopped with 'a'", True, None)
    world.settle()
    world.feed(Terminate("a"))
    assert child.why == "terminating"
    (rest,) = world.feed(Ended("a", 2))
    assert (rest.why, rest.forgotten) == ("terminated", False)  # type: ignore[union-attr]
    world.feed(StartAgain("a"))
    world.settle()
    world.feed(Ended("a", 3))
    assert (child.why, child.until) == ("finished", None)
    (rest,) = world.feed(Delete("a"))
    assert (rest.why, rest.forgotten) == ("deleted", True)  # type: ignore[union-attr]
    world.feed(Add(ChildRules("c")))
    world.settle()
    world.feed(Shutdown())
    assert supervision.children["c"].why == "its supervisor is stopping"
    (rest, halted) = world.feed(Ended("c", 1))
    assert (rest.why, rest.forgotten) == ("its supervisor is stopping", True)  # type: ignore[union-attr]
    assert halted == Halted()


def test_giving_up_says_who_and_what_and_rests_that_child_once() -> None:
    """Then the others stop."""
    world = booted(Supervision(max_restarts=0, within=2.5), ChildRules("a"), ChildRules("b"))
    limit = "more than 0 restarts within 2.5 s"
    assert world.feed(Ended("b", 1, CRASH)) == (
        Rest("b", forgotten=True, error=CRASH, why=limit),
        GaveUp("b", CRASH, limit),
        Stop("a", 1),
    )
    assert world.feed(Add(ChildRules("c"))) == world.feed(Terminate("a")) == world.feed(Boot()) == ()
    own = ChildRules("a", backoff=ExponentialBackoff(), max_failures=0)
    world = booted(Supervision(), own)
    limit = "more than 0 failures in a row"
    assert world.feed(Ended("a", 1, CRASH))[:2] == (Rest("a", True, CRASH, limit), GaveUp("a", CRASH, limit))


def test_figures_that_make_no_sense_are_refused_with_the_figure() -> None:
    """By the machine and by the rules of a child."""
    wrong: list[dict[str, Any]] = [{"strategy": "x"}, {"max_restarts": -1}, {"within": 0.0}, {"within": math.inf}]
    for options in wrong:
        with pytest.raises(ValueError, match=next(iter(options))):
            Supervision(**options)
    Supervision(max_restarts=0, within=0.5)
    backoff = ExponentialBackoff()
    child: dict[str, dict[str, Any]] = {
        "name": {"name": ""},
        "restart": {"restart": "always"},
        "max_failures belongs": {"max_failures": 1},
        "max_failures must": {"max_failures": -1, "backoff": backoff},
        "stable_after": {"stable_after": -1.0},
    }
    for name, options in child.items():
        given_name: dict[str, Any] = {"name": "a"}
        with pytest.raises(ValueError, match=name):
            ChildRules(**(given_name | options))
    ChildRules("a", backoff=backoff, max_failures=0, stable_after=0.0)
    supervision = Supervision()
    supervision.adopt(ChildRules("a"))
    with pytest.raises(ValueError, match="two children are called 'a'"):
        supervision.adopt(ChildRules("a"))
