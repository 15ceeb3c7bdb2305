"""The search for the best choice: successive halving over the tracks of a simulated room. Pure.

All choices are simulated on a few tracks, the better half of them on more, the best on all. Each round scales the
normal rates by what the last one cost. All meet the same manipulations and, at the same moment of the same track, the
same draw of the judge (common random numbers), so that their differences are their own.

Sources: Karnin, Koren, Somekh, "Almost Optimal Exploration in Multi-Armed Bandits" (ICML 2013); for the draws, Steele,
Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import AdaptiveSampling
from ds_actors.sandbox.erring import ErringJudge
from ds_actors.sandbox.room import Room
from ds_actors.simulation.alone import LoneTrack
from ds_actors.simulation.outcome import Outcome, merged
from ds_actors.simulation.statistics import rate_interval
from ds_actors.simulation.tuning import Choice, Tried, Wish, best, choices

ROUNDS: Final = (0.2, 0.4)
"""The share of all tracks that each round simulates, before the last one simulates all."""
OTHER_BUDGETS: Final = (0.5, 0.75, 1.5)
"""The winner is also simulated at these parts of the budget."""
_TOLERANCE: Final = 1.005
_TRACK_HOURS: Final = 2.0
_FEWEST, _MOST = 10, 10_000
_MASK: Final = (1 << 64) - 1


@frozen
class TrackRun:
    """One track of the room, sampled by one choice; without a choice, by adaptive sampling and the last verdict."""

    choice: Choice | None
    number: int
    normal_fps: float = 0.2
    """Without a choice."""


@frozen
class TuningRoom:
    """The room in which all choices are compared.

    Args:
        wish: the judge, the budget and the target.
        hours: of all tracks together.
        seed: decides the judge's errors.
    """

    wish: Wish
    hours: float
    seed: int

    @property
    def tracks(self) -> int:
        """Two hours each, where that makes a sensible number of them."""
        return max(_FEWEST, min(_MOST, round(self.hours / _TRACK_HOURS)))

    @property
    def room(self) -> Room:
        """A room in which every participant is manipulated now and then."""
        tracks, evidence = self.tracks, self.wish.evidence
        return Room(
            participants=tracks,
            seconds=self.hours * 3_600 / tracks,
            manipulated=tracks,
            manipulated_for=evidence.lasting,
            manipulated_every=evidence.between,
        )

    def simulate(self, run: TrackRun) -> Outcome:
        """Simulate one track."""
        room, wish, choice = self.room, self.wish, run.choice
        policy = AdaptiveSampling(run.normal_fps, max(1.0, run.normal_fps)) if choice is None else choice.policy()
        name = f"the last verdict, adaptive at {run.normal_fps:.3g} fps" if choice is None else choice.name
        evidence = None if choice is None else choice.evidence
        draws = TimedDraws.of(wish, self.seed, run.number)
        manipulations = room.repeated(run.number, "p1", wish.evidence.between)
        return LoneTrack(room, name, policy, draws.answer, wish.latency, evidence, manipulations).run()


@frozen
class TimedDraws:
    """A judge whose error on a track depends on the moment alone, and persists for a while."""

    judge: ErringJudge
    key: int

    @classmethod
    def of(cls, wish: Wish, seed: int, number: int) -> TimedDraws:
        """Return the judge of one track."""
        evidence = wish.evidence
        # Errors drawn anew every 2 c seconds are worth as many witnesses as ones that fade with e^(-t / c).
        judge = ErringJudge(evidence.misses, evidence.false_flags, lasting=2 * evidence.correlated_for)
        return cls(judge, int.from_bytes(blake2b(f"{seed}/{number}".encode(), digest_size=8).digest(), "big"))

    def answer(self, truth: Level, now: float) -> Level | None:
        """Return the answer to a sample that arrives at `now`."""
        period = int(now // self.judge.lasting)
        mixed = (self.key + period * 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return self.judge.answer(truth, ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53, 1.0)


@define
class Halving:
    """Successive halving, then the winner at other budgets.

    Args:
        room: the room.
        run: simulates tracks of the room, in any way that keeps their order.
    """

    room: TuningRoom
    run: Callable[[Sequence[TrackRun]], Iterable[Outcome]]
    tried: list[Tried] = field(factory=list[Tried], init=False)
    """What was simulated on all tracks."""
    found: Tried | None = field(default=None, init=False)
    """The best within budget and target; None when none keeps them."""

    @staticmethod
    def most_runs(room: TuningRoom) -> int:
        """Return how many runs of a track it takes, at most."""
        counts, total = [len(group) for group in _groups(choices(room.wish))], 0
        for share in ROUNDS:
            total += sum(counts) * _part(room, share)
            counts = [_half(count) for count in counts]
        return total + (2 * sum(counts) + len(OTHER_BUDGETS) + 1) * room.tracks

    def search(self) -> Outcome:
        """Find the best choice; return the outcome of the last verdict with adaptive sampling, for comparison."""
        wish = self.room.wish
        groups = _groups(choices(wish))
        for share in ROUNDS:
            groups = [_better(self._simulate(group, _part(self.room, share)), wish) for group in groups]
        finalists = [choice for group in groups for choice in group]
        self.tried = [self._within(each) for each in self._simulate(finalists, self.room.tracks)]
        self.found = best(self.tried, wish)
        if self.found is not None:
            winner = self.found.choice
            parts = [(winner.scaled(part), part) for part in OTHER_BUDGETS]
            self.tried += self._simulate([choice for choice, _ in parts], self.room.tracks)
        last = self.run([TrackRun(None, number, wish.budget / 1.1) for number in range(self.room.tracks)])
        return merged(list(last))

    def _within(self, each: Tried) -> Tried:
        """Simulate a choice once more when it missed the budget."""
        budget = self.room.wish.budget
        if each.cost <= _TOLERANCE * budget:
            return each
        return self._simulate([each.choice.scaled(budget / each.cost / _TOLERANCE)], self.room.tracks)[0]

    def _simulate(self, group: Sequence[Choice], tracks: int) -> list[Tried]:
        done = iter(self.run([TrackRun(choice, number) for choice in group for number in range(tracks)]))
        return [Tried(choice, merged(list(islice(done, tracks)))) for choice in group]


def _groups(found: Sequence[Choice]) -> list[list[Choice]]:
    """Return the choices by their evidence's bound, so that the safest one has a finalist, too."""
    bounds = dict.fromkeys(choice.evidence.max_false_alarms for choice in found)
    return [[choice for choice in found if choice.evidence.max_false_alarms == bound] for bound in bounds]


def _part(room: TuningRoom, share: float) -> int:
    return max(1, math.ceil(share * room.tracks))


def _half(count: int) -> int:
    return max(1, count // 2)


def _better(group: Sequence[Tried], wish: Wish) -> list[Choice]:
    """Return the better half, scaled to the budget, without those that certainly accuse too often."""
    plausible = [each for each in group if _plausible(each, wish)] or list(group)

    def soonest(each: Tried) -> tuple[float, float]:
        # A dearer one waits shorter only because it costs more.
        median, p90 = each.delays
        return median * each.cost, p90 * each.cost

    kept = sorted(plausible, key=soonest)[: _half(len(group))]
    return [each.choice.scaled(wish.budget / each.cost) if each.cost else each.choice for each in kept]


def _plausible(each: Tried, wish: Wish) -> bool:
    low, _ = rate_interval(each.outcome.false_alarms, each.outcome.genuine_hours)
    target = wish.evidence.max_false_alarms
    return each.choice.evidence.max_false_alarms <= target or low <= target
