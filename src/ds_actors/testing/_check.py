"""The search for a timeline that breaks a law, and for the smallest one that does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Promise, SampleDue, SamplingPolicy, make_policy
from ds_actors.testing._law_broken import LawBroken
from ds_actors.testing._laws import EPS, LAWS, History, Violation, drifts, unkept
from ds_actors.testing._timeline import BEGIN, Moment, PolicyCrashed, Timeline, Track, without_errors, written
from ds_actors.testing.strategies import timelines

Factory = Callable[[], SamplingPolicy]


@frozen
class Counterexample:
    """A broken law, with the history that shows it when one is needed."""

    why: str
    history: tuple[Moment, ...] = ()


_ORIGINS: Final = (0.0, 1e9)
_SHIFT_EPS: Final = 1e-3
"""Seconds: a clock near a billion has a resolution of a tenth of a microsecond, which adds up."""
_SOME_MORE: Final = 60
"""Timelines that are tried after the first violation: another law may describe the fault better."""


_UNCONCERNED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""Suppressed: a busy machine may draw timelines slowly, which is not the policy's fault."""


class _StopSearch(Exception):
    """This timeline breaks the law in question, or enough timelines were tried."""


def check(factory: Factory, examples: int, number: int) -> None:
    """Search for broken laws, and raise for the first in the order of `LAWS`; see `check_sampling_policy`."""
    policy = make_policy(factory)
    name = type(policy).__name__
    if factory() is policy:
        raise LawBroken("own", _text(name, "own", Counterexample("the factory returned the same object twice")))
    promise = policy.promise
    wrong = unkept(promise)
    if wrong:
        raise LawBroken("promise", _text(name, "promise", Counterexample(wrong)))
    seen = _seen(factory, promise, examples, number)
    if not {"own", "promise", "crash", "replay"} & seen.keys():
        steady = next((drift for level in (Level.CLEAR, Level.ALERT) if (drift := drifts(factory(), level))), "")
        if steady:
            seen["drift"] = Counterexample(steady)
    for law in LAWS:
        if law in seen:
            smallest = seen[law] if law == "drift" else _smallest(factory, promise, examples, number, law)
            raise LawBroken(law, _text(name, law, smallest or seen[law]))


def broken_laws(factory: Factory, promise: Promise, timeline: Timeline) -> dict[str, Counterexample]:
    """Return the laws that a policy breaks first on one timeline; later violations may be consequences."""
    track = Track(factory, timeline)
    if track.promise != promise:
        return {"promise": Counterexample(f"it promised {promise}, and the next time {track.promise}")}
    try:
        history = track.run()
    except PolicyCrashed as error:
        return {"crash": Counterexample(str(error), tuple(track.history))}
    found: dict[str, Counterexample] = {}

    def note(law: str, broken: Violation | None) -> None:
        if broken is not None:
            found[law] = Counterexample(broken.why, tuple(history[: broken.at + 1]))

    note("replay", _replayed(factory, timeline, history))
    note("error", _differs(history, Track(factory, without_errors(timeline)), 0.0, EPS))
    origin = _ORIGINS[len(timeline.steps) % len(_ORIGINS)]
    note("shift", _differs(history, Track(factory, timeline, origin), origin - BEGIN, _SHIFT_EPS))
    known = History(history, track.promise)
    for law, (_, find_violation) in LAWS.items():
        if find_violation is not None:
            note(law, find_violation(known))
    first = min((len(violation.history) for violation in found.values()), default=0)
    return {law: violation for law, violation in found.items() if len(violation.history) == first}


def _replayed(factory: Factory, timeline: Timeline, history: list[Moment]) -> Violation | None:
    again = Track(factory, timeline)
    try:
        again.run()
    except PolicyCrashed as error:
        return Violation(len(again.history) - 1, f"the second time, it {error}")
    for at, (step, other) in enumerate(zip(history, again.history, strict=False)):
        if step.plan != other.plan:
            return Violation(at, f"the second time the plan was {other.plan}")
    return None


def _differs(history: list[Moment], other: Track, shift: float, tolerance: float) -> Violation | None:
    """Return the first place where another run of the same story, later by `shift`, plans otherwise.

    The comparison ends where rounding may decide: after a jump of the clock, and where the order of two events differs.
    """
    with suppress(PolicyCrashed):
        other.run()
    for at, (step, again) in enumerate(zip(history, other.history, strict=False)):
        sampled = isinstance(step.event, SampleDue), isinstance(again.event, SampleDue)
        apart = abs(again.now - shift - step.now) > tolerance
        if apart or sampled[0] != sampled[1] or (shift and step.jumped):
            return None
        due, there = step.plan.due, again.plan.due
        if (due is None) != (there is None):
            return Violation(at, "the other time, one of the two plans no sample")
        if due is not None and there is not None and abs(there - shift - due) > tolerance:
            return Violation(at, f"the other time, the next sample was due {there - shift - due:+.3f} s from here")
    return None


def _seen(factory: Factory, promise: Promise, examples: int, number: int) -> dict[str, Counterexample]:
    seen: dict[str, Counterexample] = {}
    left = examples

    def look(timeline: Timeline) -> None:
        nonlocal left
        left = min(left, _SOME_MORE) - 1 if seen else left
        if left < 0:
            raise _StopSearch
        for law, found in broken_laws(factory, promise, timeline).items():
            seen.setdefault(law, found)

    with suppress(_StopSearch, Flaky):
        _try(look, promise, examples, number, Phase.generate)
    return seen


def _smallest(factory: Factory, promise: Promise, examples: int, number: int, law: str) -> Counterexample | None:
    smallest: Counterexample | None = None

    def look(timeline: Timeline) -> None:
        nonlocal smallest
        found = broken_laws(factory, promise, timeline).get(law)
        if found is not None:
            smallest = found  # the last one that hypothesis runs is the smallest
            raise _StopSearch

    with suppress(_StopSearch, Flaky):  # a policy with a hidden clock is flaky
        _try(look, promise, examples, number, Phase.generate, Phase.shrink)
    return smallest


def _try(look: Callable[[Timeline], None], promise: Promise, examples: int, number: int, *phases: Phase) -> None:
    decorated = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=_UNCONCERNED,
        print_blob=False,
    )(given(timelines(promise))(look))
    seed(number)(decorated)()


def _text(name: str, law: str, found: Counterexample) -> str:
    head = f"{name} breaks the law {law!r}: {LAWS[law][0]}.\n{found.why}"
    return "\n".join([head, *(("", *written(found.history)) if found.history else ())])
