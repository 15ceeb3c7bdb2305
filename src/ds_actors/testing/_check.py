"""The search for a timeline that breaks a law, and for the smallest one that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from attrs import frozen
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Promise, SampleDue, SamplingPolicy, make_policy
from ds_actors.testing._history import EPS, History, Violation
from ds_actors.testing._law_broken import LawBroken
from ds_actors.testing._laws import LAWS, unkept
from ds_actors.testing._steady import drifts
from ds_actors.testing._timeline import BEGIN, Timeline, without_errors
from ds_actors.testing._track import Moment, PolicyCrashed, Track
from ds_actors.testing._words import written
from ds_actors.testing.laws import Law
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


def check(factory: Factory, own: Sequence[Law], examples: int, number: int) -> None:
    """Search for broken laws, and raise for the first in order, your own last; see `check_sampling_policy`."""
    laws = _Laws(own)
    policy = make_policy(factory)
    name = type(policy).__name__
    if factory() is policy:
        raise laws.broken(name, "own", Counterexample("the factory returned the same object twice"))
    promise = policy.promise
    wrong = unkept(promise)
    if wrong:
        raise laws.broken(name, "promise", Counterexample(wrong))
    search = _Search(factory, promise, laws, examples, number)
    seen = search.seen()
    if not {"own", "promise", "crash", "replay"} & seen.keys():
        steady = next((drift for level in (Level.CLEAR, Level.ALERT) if (drift := drifts(factory(), level))), "")
        if steady:
            seen["drift"] = Counterexample(steady)
    for law in laws.all:
        if law in seen:
            smallest = seen[law] if law == "drift" else search.smallest(law)
            raise laws.broken(name, law, smallest or seen[law])


class _Laws:
    """The built-in laws and your own."""

    def __init__(self, own: Sequence[Law]) -> None:
        self.all = dict(LAWS)
        for law in own:
            if law.name in self.all:
                raise ValueError(f"two laws are called {law.name!r}; give yours another name")
            self.all[law.name] = (law.sentence, law.check)

    def broken(self, policy: str, law: str, found: Counterexample) -> LawBroken:
        """Return the error that reports a broken law."""
        head = f"{policy} breaks the law {law!r}: {self.all[law][0]}.\n{found.why}"
        return LawBroken(law, "\n".join([head, *(("", *written(found.history)) if found.history else ())]))


def broken_laws(factory: Factory, promise: Promise, laws: _Laws, timeline: Timeline) -> dict[str, Counterexample]:
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
    for law, (_, find_violation) in laws.all.items():
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


@frozen
class _Search:
    """Timelines drawn from a seed, in equal order whatever profile of hypothesis is loaded."""

    factory: Factory
    promise: Promise
    laws: _Laws
    examples: int
    seed: int

    def seen(self) -> dict[str, Counterexample]:
        """Return the laws that some timeline breaks, each with the first history that shows it."""
        seen: dict[str, Counterexample] = {}
        left = self.examples

        def look(timeline: Timeline) -> None:
            nonlocal left
            left = min(left, _SOME_MORE) - 1 if seen else left
            if left < 0:
                raise _StopSearch
            for law, found in broken_laws(self.factory, self.promise, self.laws, timeline).items():
                seen.setdefault(law, found)

        with suppress(_StopSearch, Flaky):
            self._try(look, Phase.generate)
        return seen

    def smallest(self, law: str) -> Counterexample | None:
        """Return the smallest history found that breaks the law."""
        smallest: Counterexample | None = None

        def look(timeline: Timeline) -> None:
            nonlocal smallest
            found = broken_laws(self.factory, self.promise, self.laws, timeline).get(law)
            if found is not None:
                smallest = found  # the last one that hypothesis runs is the smallest
                raise _StopSearch

        with suppress(_StopSearch, Flaky):  # a policy with a hidden clock is flaky
            self._try(look, Phase.generate, Phase.shrink)
        return smallest

    def _try(self, look: Callable[[Timeline], None], *phases: Phase) -> None:
        decorated = settings(
            max_examples=self.examples,
            database=None,
            deadline=None,
            derandomize=False,
            verbosity=Verbosity.normal,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=_UNCONCERNED,
            print_blob=False,
        )(given(timelines(self.promise))(look))
        seed(self.seed)(decorated)()
