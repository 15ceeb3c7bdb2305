"""The steps of the search: what is simulated on how many tracks, which half is kept, and what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from attrs import define, evolve, field

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import AdaptiveSampling
from ds_actors.sandbox.erring import ErringJudge
from ds_actors.simulation import Detection, Outcome
from ds_actors.simulation.alone import LoneTrack
from ds_actors.simulation.search import Halving, TimedDraws, TrackRun, TuningRoom, _better, _groups, _part
from ds_actors.simulation.statistics import rate_interval
from ds_actors.simulation.tuning import Choice, Tried, Wish

WISH = Wish(Evidence(misses=0.2, false_flags=0.05, max_false_alarms=0.5, between=120.0, lasting=25.0), 0.3)
ROOM = TuningRoom(WISH, 3.0, 7)
CHOICE = Choice(0.2, 4.0, WISH.evidence)
LAX = evolve(CHOICE, evidence=evolve(WISH.evidence, max_false_alarms=1.5))


def outcome(
    cost: float, delays: Sequence[float | None] = (1.0,), false_alarms: int = 0, hours: float = 100.0
) -> Outcome:
    """Return the outcome of one track."""
    found = [Detection("t", 0.0, after, after) for after in delays]
    return Outcome("p", 1, 1_000.0, 0, round(1_000 * cost), 0, {}, 0, found, 1.0, 5.0, false_alarms, hours)


@define
class Paper:
    """Simulates nothing: what a run costs is its normal rate, and a tenth more on the tracks from the fourth on."""

    dearer_from: int = 4
    batches: list[list[TrackRun]] = field(factory=list[list[TrackRun]])

    def run(self, runs: Sequence[TrackRun]) -> Iterator[Outcome]:
        self.batches.append(list(runs))
        for run in runs:
            choice = run.choice
            if choice is None:
                yield outcome(run.normal_fps)
            else:
                dearer = 1.1 if run.number >= self.dearer_from else 1.0
                yield outcome(dearer * choice.normal_fps, [10 / choice.undecided_fps + choice.evidence.clear_below])


def searched(paper: Paper) -> tuple[Halving, Outcome]:
    halving = Halving(ROOM, paper.run)
    return halving, halving.search()


def test_each_round_simulates_half_of_the_choices_on_twice_the_tracks() -> None:
    """Each bound of the evidence has its own half; finalists that miss the budget are simulated again."""
    paper = Paper()
    halving, _ = searched(paper)
    sizes = [(len({run.choice for run in batch}), len({run.number for run in batch})) for batch in paper.batches]
    again = [(1, 10)] * 4
    assert sizes == [(8, 2), (8, 2), (4, 4), (4, 4), (4, 10), *again, (3, 10), (1, 10)]
    assert sum(map(len, paper.batches)) == Halving.most_runs(ROOM) == 184
    for batch, (number, tracks) in zip(paper.batches, sizes, strict=True):
        assert [run.number for run in batch] == list(range(tracks)) * number
    assert [len(each.outcome.detections) for each in halving.tried] == [10] * 7


def test_a_finalist_within_the_budget_is_not_simulated_again() -> None:
    """Half a hundredth over it counts as within."""
    paper = Paper(dearer_from=100)
    halving, _ = searched(paper)
    assert [len(batch) for batch in paper.batches][4:] == [40, 30, 10]
    assert all(each.cost == pytest.approx(WISH.budget, rel=0.005) for each in halving.tried[:4])


def test_a_finalist_that_missed_the_budget_is_scaled_to_just_below_the_tolerance() -> None:
    """By what it cost on all tracks: six of ten cost a tenth more."""
    paper = Paper()
    halving, _ = searched(paper)
    rate = WISH.budget / 1.06 / 1.005
    assert [each.choice.normal_fps for each in halving.tried[:4]] == pytest.approx([rate] * 4, rel=1e-3)
    assert halving.found is not None
    assert halving.found.cost == pytest.approx(WISH.budget / 1.005, rel=2e-3)


def test_the_winner_is_simulated_at_other_budgets_and_the_last_verdict_for_comparison() -> None:
    """At half of it, three quarters, and half as much again; the last verdict with adaptive sampling at the budget."""
    paper = Paper(dearer_from=100)
    halving, last = searched(paper)
    found = halving.found
    assert found is not None
    assert found.choice.undecided_fps == 20.0
    assert found.choice.evidence.clear_below == 0.05
    assert [each.choice for each in halving.tried[4:]] == [found.choice.scaled(part) for part in (0.5, 0.75, 1.5)]
    assert paper.batches[-1] == [TrackRun(None, number, WISH.budget / 1.1) for number in range(10)]
    assert (last.tracks, last.sent) == (10, 10 * round(1_000 * WISH.budget / 1.1))


def test_without_a_winner_no_other_budget_is_tried() -> None:
    """Here every choice costs more than the budget."""

    def run(runs: Sequence[TrackRun]) -> Iterator[Outcome]:
        paper.batches.append(list(runs))
        for run in runs:
            yield outcome(1.0 if run.choice is None else 3 * run.choice.undecided_fps)

    paper = Paper()
    halving = Halving(ROOM, run)
    halving.search()
    assert halving.found is None
    assert len(halving.tried) == 4
    assert [len(batch) for batch in paper.batches][4:] == [40, 10, 10, 10, 10, 10]


def test_half_a_hundredth_over_the_budget_is_within_to_the_last_sample() -> None:
    """One sample more is not."""
    again: list[TrackRun] = []

    def run(runs: Sequence[TrackRun]) -> Iterator[Outcome]:
        again.extend(runs)
        yield from (outcome(1.0) for _ in runs)

    halving = Halving(evolve(ROOM, wish=evolve(WISH, budget=1.0)), run)
    within = Tried(CHOICE, outcome(1.005))
    assert halving._within(within) is within
    assert not again
    assert halving._within(Tried(CHOICE, outcome(1.006))).cost == 1.0
    assert len(again) == ROOM.tracks


def test_choices_are_grouped_by_the_bound_of_their_evidence() -> None:
    """In the order in which the bounds come first."""
    of = [evolve(CHOICE, evidence=evolve(WISH.evidence, max_false_alarms=bound)) for bound in (0.5, 1.5, 0.5, 1.0, 1.5)]
    assert _groups(of) == [[of[0], of[2]], [of[1], of[4]], [of[3]]]


def better(*group: tuple[Choice, Outcome], wish: Wish = WISH) -> list[Choice]:
    return _better([Tried(*each) for each in group], wish)


def rates(*fps: float) -> list[Choice]:
    return [evolve(CHOICE, undecided_fps=each) for each in fps]


def test_the_half_that_alerts_soonest_for_the_budget_is_kept_and_scaled_to_it() -> None:
    """A dearer one counts as later, in the ratio of its cost."""
    a, b, c, d = rates(4.0, 5.0, 6.0, 7.0)
    kept = better(
        (a, outcome(0.3, [4.0])), (b, outcome(0.6, [3.0])), (c, outcome(0.15, [5.0])), (d, outcome(0.3, [9.0]))
    )
    assert kept == [c.scaled(2.0), a]


def test_of_those_that_alert_equally_soon_the_earlier_p90_is_better() -> None:
    """The cost weighs in p90 as well."""
    a, b, c = rates(4.0, 5.0, 6.0)
    slow, soon = [2.0, 2.0, 8.0], [2.0, 2.0, 6.0]
    assert better((a, outcome(0.3, slow)), (b, outcome(0.3, soon))) == [b]
    halves = [1.0, 1.0, 4.5]
    assert better((a, outcome(0.3, slow)), (c, outcome(0.6, halves)), (b, outcome(0.3, soon))) == [b]


def test_one_is_kept_of_one_and_one_without_a_cost_stays_as_it_is() -> None:
    """There is nothing to scale it by."""
    assert better((CHOICE, outcome(0.6))) == [CHOICE.scaled(0.5)]
    assert better((CHOICE, outcome(0.0))) == [CHOICE]


def test_those_that_certainly_accuse_too_often_are_left_out() -> None:
    """Unless the evidence's own bound is the target, or nothing else is there."""
    strict = evolve(CHOICE, undecided_fps=5.0)
    often, seldom = outcome(0.3, [1.0], false_alarms=100), outcome(0.3, [3.0], false_alarms=60)
    assert better((LAX, often), (LAX, often), (CHOICE, seldom), (LAX, often)) == [CHOICE]
    assert better((strict, often), (CHOICE, seldom)) == [strict]
    assert better((LAX, often), (LAX, often)) == [LAX]
    assert better((LAX, outcome(0.3, [1.0], false_alarms=55)), (CHOICE, seldom)) == [LAX]


def test_the_interval_of_the_false_alarms_may_touch_the_target() -> None:
    """Then the choice is not certainly too lax."""
    low, _ = rate_interval(100, 100.0)
    wish = evolve(WISH, evidence=evolve(WISH.evidence, max_false_alarms=low))
    often = outcome(0.3, [1.0], false_alarms=100)
    other = (evolve(CHOICE, evidence=wish.evidence), outcome(0.3, [3.0]))
    assert better((LAX, often), other, wish=wish) == [LAX]


def test_a_round_has_at_least_one_track() -> None:
    """Parts of a track count as one."""
    room = evolve(ROOM, hours=22.0)
    assert [_part(room, share) for share in (0.01, 0.1, 0.2, 1.0)] == [1, 2, 3, 11]


def test_a_lone_track_is_simulated_by_its_choice_or_by_the_last_verdict() -> None:
    """With the same manipulations and draws; adaptive sampling has a burst rate of 1 fps, or its normal one."""
    room, draws = ROOM.room, TimedDraws.of(WISH, 7, 3)
    assert (room.manipulated_for, room.manipulated_every, room.manipulated) == (25.0, 120.0, 10)
    spans = room.repeated(3, "p4", 120.0)
    for fps, burst in ((0.5, 1.0), (2.0, 2.0)):
        name = f"the last verdict, adaptive at {fps:.3g} fps"
        lone = LoneTrack(room, name, AdaptiveSampling(fps, burst), draws.answer, WISH.latency, None, spans)
        assert ROOM.simulate(TrackRun(None, 3, fps)) == lone.run()
    lone = LoneTrack(room, CHOICE.name, CHOICE.policy(), draws.answer, WISH.latency, CHOICE.evidence, spans)
    assert ROOM.simulate(TrackRun(CHOICE, 3)) == lone.run()


def test_the_draws_are_those_of_splitmix64() -> None:
    """The reference's first numbers from the state 1234567, a number for each period."""
    reference = (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    )
    for period, drawn in enumerate(reference, 1):
        u = (drawn >> 11) / 2**53
        for flags, level in ((u, Level.CLEAR), (math.nextafter(u, 1), Level.ALERT)):
            draws = TimedDraws(ErringJudge(false_flags=flags, lasting=2.0), 1234567)
            assert draws.answer(Level.CLEAR, 2.0 * period) is draws.answer(Level.CLEAR, 2.0 * period + 1.9) is level


def test_the_judge_of_a_track_errs_as_wished_for_twice_the_correlation() -> None:
    """Its key is a number of 64 bits, another for each track and seed."""
    draws = TimedDraws.of(WISH, 0, 3)
    evidence = WISH.evidence
    assert draws.judge == ErringJudge(evidence.misses, evidence.false_flags, lasting=2 * evidence.correlated_for)
    keys = {TimedDraws.of(WISH, seed, number).key for seed in range(3) for number in range(3)}
    assert len(keys) == 9
    assert max(keys) < 2**64
