"""The search for a timeline that breaks a law, and for the smallest one that does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Promise, SamplingPolicy, make_policy
from ds_actors.testing._law_broken import LawBroken
from ds_actors.testing._laws import LAWS, Broken, History, drifts, unkept
from ds_actors.testing._timeline import Moment, PolicyCrashed, Timeline, Track, written
from ds_actors.testing.strategies import timelines

Factory = Callable[[], SamplingPolicy]


@frozen
class Found:
    """A broken law, and the history that shows it; without one where none is needed."""

    why: str
    history: tuple[Moment, ...] = ()


_SOME_MORE: Final = 30
"""Timelines that are tried after one that breaks a law: another law may name the fault better."""


_UNCONCERNED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""How long timelines take to draw on a busy machine is no fault of the policy."""


class _Breaks(Exception):
    """This timeline breaks the law that is looked for, or enough of them were tried."""


def check(factory: Factory, examples: int, number: int) -> None:
    """Look for broken laws, and raise for the first in the order of `LAWS`; see `check_sampling_policy`."""
    policy = make_policy(factory)
    name = type(policy).__name__
    if factory() is policy:
        raise LawBroken("own", _text(name, "own", Found("the factory returned the same object twice")))
    promise = policy.promise
    wrong = unkept(promise)
    if wrong:
        raise LawBroken("promise", _text(name, "promise", Found(wrong)))
    seen = _seen(factory, promise, examples, number)
    if not {"own", "promise", "crash", "replay"} & seen.keys():
        steady = next((drift for level in (Level.CLEAR, Level.ALERT) if (drift := drifts(factory(), level))), "")
        if steady:
            seen["drift"] = Found(steady)
    for law in LAWS:
        if law in seen:
            smallest = seen[law] if law == "drift" else _smallest(factory, promise, examples, number, law)
            raise LawBroken(law, _text(name, law, smallest or seen[law]))


def broken_laws(factory: Factory, promise: Promise, timeline: Timeline) -> dict[str, Found]:
    """Return the laws that a policy breaks first on one timeline: what goes wrong later may only follow from it."""
    track = Track(factory, timeline)
    if track.promise != promise:
        return {"promise": Found(f"it promised {promise}, and the next time {track.promise}")}
    try:
        history = track.run()
    except PolicyCrashed as error:
        return {"crash": Found(str(error), tuple(track.history))}
    found: dict[str, Found] = {}

    def note(law: str, broken: Broken | None) -> None:
        if broken is not None:
            found[law] = Found(broken.why, tuple(history[: broken.at + 1]))

    note("replay", _replayed(factory, timeline, history))
    known = History(history, track.promise)
    for law, (_, judge) in LAWS.items():
        if judge is not None:
            note(law, judge(known))
    first = min((len(one.history) for one in found.values()), default=0)
    return {law: one for law, one in found.items() if len(one.history) == first}


def _replayed(factory: Factory, timeline: Timeline, history: list[Moment]) -> Broken | None:
    again = Track(factory, timeline)
    try:
        again.run()
    except PolicyCrashed as error:
        return Broken(len(again.history) - 1, f"the second time, it {error}")
    for at, (one, other) in enumerate(zip(history, again.history, strict=False)):
        if one.plan != other.plan:
            return Broken(at, f"the second time the plan was {other.plan}")
    return None


def _seen(factory: Factory, promise: Promise, examples: int, number: int) -> dict[str, Found]:
    seen: dict[str, Found] = {}
    left = examples

    def look(timeline: Timeline) -> None:
        nonlocal left
        left = min(left, _SOME_MORE) - 1 if seen else left
        if left < 0:
            raise _Breaks
        for law, found in broken_laws(factory, promise, timeline).items():
            seen.setdefault(law, found)

    with suppress(_Breaks, Flaky):
        _try(look, promise, examples, number, Phase.generate)
    return seen


def _smallest(factory: Factory, promise: Promise, examples: int, number: int, law: str) -> Found | None:
    smallest: Found | None = None

    def look(timeline: Timeline) -> None:
        nonlocal smallest
        found = broken_laws(factory, promise, timeline).get(law)
        if found is not None:
            smallest = found  # the last one that hypothesis runs is the smallest
            raise _Breaks

    with suppress(_Breaks, Flaky):  # flaky is what a policy with a hidden clock is
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


def _text(name: str, law: str, found: Found) -> str:
    head = f"{name} breaks the law {law!r}: {LAWS[law][0]}.\n{found.why}"
    return "\n".join([head, *(("", *written(found.history)) if found.history else ())])
