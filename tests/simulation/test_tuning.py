"""The choice of sampling and evidence for a judge, a budget and a target."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from ds_actors.detection.levels.evidence import Evidence
from ds_actors.simulation import Detection, Outcome
from ds_actors.simulation.tuning import Choice, Tried, Wish, best, choices, frontier

WISH = Wish(Evidence(misses=0.3, false_flags=0.05, max_false_alarms=0.1), 0.25)
CHOICE = Choice(0.2, 4.0, Evidence(max_false_alarms=0.3))


def tried(cost: float, delay: float | None, false_alarms: int, choice: Choice = CHOICE) -> Tried:
    """Return an outcome of 1,000 track hours."""
    seconds, detection = 36_000.0, Detection("t", 0.0, delay, delay)
    sent = round(cost * seconds * 100)
    return Tried(choice, Outcome("p", 100, seconds, sent, sent, 0, {}, 0, [detection], 1.0, 5.0, false_alarms, 1_000.0))


def alerted(*delays: float | None) -> Outcome:
    """Return an outcome with these times to the alerts."""
    return evolve(tried(0.2, 1.0, 0).outcome, detections=[Detection("t", 0.0, after, after) for after in delays])


def test_the_soonest_within_budget_and_target_is_best() -> None:
    """Neither the sooner one that costs too much, nor the one that accuses too often, nor one without an alert."""
    chosen = tried(0.25, 4.0, 50)
    others = [tried(0.3, 2.0, 0), tried(0.25, 3.0, 150), tried(0.2, None, 0), tried(0.2, 5.0, 0)]
    assert best([*others, chosen], WISH) is chosen
    assert best(others[:2], WISH) is None


def test_the_bound_of_the_evidence_itself_keeps_a_target_that_is_too_low_to_be_counted() -> None:
    """One alarm in 10 hours says nothing about 0.1 an hour."""
    short = tried(0.25, 4.0, 1)
    short = evolve(short, outcome=evolve(short.outcome, genuine_hours=10.0))
    assert not short.keeps(WISH)
    assert evolve(short, choice=evolve(CHOICE, evidence=Evidence(max_false_alarms=0.1))).keeps(WISH)


def test_the_frontier_leaves_out_what_another_one_beats() -> None:
    """In all three at once; the cheapest comes first; the best is shown in any case."""
    cheap, quick, safe = tried(0.1, 9.0, 10), tried(0.3, 2.0, 10), tried(0.3, 4.0, 0)
    beaten = [tried(0.3, 4.0, 1), tried(0.11, 9.0, 10)]
    assert frontier([quick, *beaten, safe, cheap]) == [cheap, quick, safe]
    assert frontier([quick, *beaten, safe, cheap], beaten[1]) == [cheap, beaten[1], quick, safe]


def test_the_frontier_compares_the_median_delays() -> None:
    """The last tenth of the alerts may be late."""
    early, late = (
        evolve(tried(0.2, 1.0, 0), outcome=alerted(*delays)) for delays in ([2.0, 2.0, 9.0], [3.0, 3.0, 3.0])
    )
    assert frontier([early, late]) == [early]


def test_delays_are_infinite_where_fewer_led_to_an_alert() -> None:
    """The median is known as long as half of them did, p90 as long as nine tenths did."""
    for missing, delays in ((0, (5.0, 9.0)), (1, (5.0, 9.0)), (2, (5.0, math.inf)), (6, (math.inf, math.inf))):
        found = [float(number) for number in range(1, 11 - missing)]
        assert Tried(CHOICE, alerted(*found, *[None] * missing)).delays == delays


def test_a_hundredth_over_the_budget_is_still_within() -> None:
    """Normal rates are rounded."""
    assert tried(0.2525, 4.0, 0).cost == 1.01 * WISH.budget
    assert tried(0.2525, 4.0, 0).keeps(WISH)
    assert not tried(0.2526, 4.0, 0).keeps(WISH)


def test_a_scaled_choice_keeps_its_bounds() -> None:
    """Four figures; not above the undecided rate, nor below a sample in 1,000 seconds."""
    assert CHOICE.scaled(1.23456).normal_fps == 0.2469
    assert CHOICE.scaled(100.0).normal_fps == 4.0
    assert CHOICE.scaled(0.0001).normal_fps == 0.001
    assert CHOICE.scaled(2.0) == evolve(CHOICE, normal_fps=0.4)


def test_a_choice_is_named_and_written_with_what_differs_from_the_usual() -> None:
    """The judge's rates and the target are always there."""
    assert CHOICE.name == "evidence, 0.2/4 fps, clear_below=0.05, max_false_alarms=0.3"
    assert CHOICE.code == (
        "sampling=lambda: EvidenceSampling(normal_fps=0.2, undecided_fps=4, alert_fps=0.2),\n"
        "assessment=Evidence(misses=0.2, false_flags=0.02, max_false_alarms=0.3),"
    )
    ahead = evolve(CHOICE, unanswered=3, evidence=Evidence(between=300.0, clear_below=0.1))
    assert ahead.name == "evidence, 0.2/4 fps, unanswered=3, clear_below=0.1, max_false_alarms=0.1"
    assert ahead.code == (
        "sampling=lambda: EvidenceSampling(normal_fps=0.2, undecided_fps=4, alert_fps=0.2, unanswered=3),\n"
        "assessment=Evidence(misses=0.2, false_flags=0.02, between=300, max_false_alarms=0.1, clear_below=0.1),"
    )


def test_the_first_guess_leaves_room_for_the_looks_that_follow_a_false_flag() -> None:
    """One until its answer is there, at the undecided rate; no more than may be unanswered."""
    looks = {2.0: 1.6, 4.0: 2.2, 8.0: 3.4, 20.0: 3.0}
    for choice in choices(WISH):
        assert choice.normal_fps == pytest.approx(0.25 / (1 + 0.05 * looks[choice.undecided_fps]))


def test_every_choice_has_the_judges_rates_and_code_that_runs() -> None:
    """What is pasted makes the policy and the evidence that were simulated."""
    found = choices(WISH)
    assert len(found) == len(set(found)) == 16
    for choice in found:
        assert (choice.evidence.misses, choice.evidence.false_flags) == (0.3, 0.05)
        assert 0 < choice.normal_fps < WISH.budget
        scaled = choice.scaled(1.1)
        names = {"Evidence": Evidence, "EvidenceSampling": type(scaled.policy())}
        made = eval(f"dict({scaled.code})", names)
        assert made["assessment"] == scaled.evidence
        assert made["sampling"]().promise == scaled.policy().promise
        assert made["sampling"]().unanswered == choice.unanswered


def test_a_budget_above_every_rate_and_a_lax_target_still_give_choices() -> None:
    """The undecided rate is never below the budget; an alarm that would begin at clear is not tried."""
    assert all(choice.undecided_fps >= 20 for choice in choices(evolve(WISH, budget=20.0)))
    lax = evolve(WISH, evidence=evolve(WISH.evidence, max_false_alarms=40.0))
    assert 0 < len(choices(lax)) < 16
    assert choices(evolve(WISH, evidence=evolve(WISH.evidence, max_false_alarms=200.0, clear_below=0.01))) == []


@pytest.mark.parametrize(
    ("budget", "latency", "name"),
    [(0.0, 0.3, "budget"), (31.0, 0.3, "budget"), (0.3, -1.0, "latency"), (0.3, 61.0, "latency")],
)
def test_a_wish_outside_its_bounds_is_refused(budget: float, latency: float, name: str) -> None:
    """The error names the figure."""
    with pytest.raises(ValueError, match=f"the {name} must be"):
        Wish(WISH.evidence, budget, latency)
