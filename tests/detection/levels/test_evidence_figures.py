"""The evidence in figures that can be worked out by hand; its laws are in `test_evidence.py`."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence, EvidenceFilter

# A flag multiplies the odds by 0.8 / 0.05 = 16, a clear verdict by 0.2 / 0.95 = 4 / 19. A quarter of all time is
# manipulated, so that the odds begin at 1/3; they last for decades, so that nothing fades within a test.
LASTING = Evidence(misses=0.2, false_flags=0.05, between=3e9, lasting=1e9, max_false_alarms=1e-7)

# A third of all time is manipulated; of what is known, a share of 1/e is left after 20 seconds.
FADING = Evidence(between=60.0, lasting=30.0)

# Whatever a verdict says is forgotten before the next one, which is a thousand seconds later.
FORGETFUL = Evidence(misses=0.2, false_flags=0.05, between=999.0, lasting=1.0)

# Seconds after which a verdict counts half: errors resemble each other by a third then.
HALF = 0.25 * math.log(3)


def judged(model: Evidence, *verdicts: Level, every: float = 10.0) -> EvidenceFilter:
    """Return the evidence of verdicts that arrive at 100 s, and then so many seconds apart."""
    evidence = EvidenceFilter(model)
    for number, verdict in enumerate(verdicts):
        evidence.observe(verdict, 100.0 + number * every)
    return evidence


@pytest.mark.parametrize(
    ("verdicts", "odds"),
    [
        ((), 1 / 3),
        ((Level.ALERT,), 16 / 3),
        ((Level.CLEAR,), 4 / 57),
        ((Level.SUSPICIOUS,), 4 / 3),
        ((Level.CLEAR, Level.ALERT), 64 / 57),
    ],
)
def test_a_verdict_multiplies_the_odds_by_its_likelihood_ratio(verdicts: tuple[Level, ...], odds: float) -> None:
    """A suspicious one, which counts half by default, by its root."""
    assert judged(LASTING, *verdicts).probability(200.0) == pytest.approx(odds / (1 + odds))


def test_a_verdict_that_follows_soon_counts_for_less() -> None:
    """By (1 - r) / (1 + r), where errors resemble each other by r; at the same moment it is no evidence at all."""
    assert [LASTING.independence(seconds) for seconds in (-1.0, 0.0, HALF, math.inf)] == [
        0.0,
        0.0,
        pytest.approx(0.5),
        1.0,
    ]
    evidence = judged(LASTING, Level.CLEAR, Level.ALERT, every=HALF)
    assert evidence.probability(101.0) == pytest.approx(16 / 73)  # odds of 4/57 times the root of 16
    assert evidence.samples == pytest.approx(1.5)


def test_knowledge_fades_towards_the_share_of_time_in_which_tracks_are_manipulated() -> None:
    """The number of verdicts behind it fades too."""
    assert FADING.prior == pytest.approx(1 / 3)
    assert [FADING.keeps(seconds) for seconds in (-5.0, 0.0, 20.0)] == [1.0, 1.0, pytest.approx(1 / math.e)]
    for verdict in (Level.ALERT, Level.CLEAR):
        evidence = judged(FADING, verdict)
        fresh = evidence.probability(100.0)
        assert evidence.probability(120.0) == pytest.approx(1 / 3 + (fresh - 1 / 3) / math.e)
    assert judged(FADING, Level.CLEAR, Level.CLEAR, every=20.0).samples == pytest.approx(1 + 1 / math.e)


def test_a_verdict_that_comes_after_a_later_one_does_not_turn_the_clock_back() -> None:
    """The next one follows the latest: it adds nothing at the same moment."""
    evidence = judged(FADING, Level.CLEAR)
    evidence.observe(Level.CLEAR, 95.0)
    evidence.observe(Level.CLEAR, 100.0)
    assert evidence.samples == 1.0


def test_what_is_no_verdict_changes_nothing() -> None:
    """The level stays, and is returned."""
    evidence = judged(LASTING, Level.ALERT)
    before = evidence.probability(200.0)
    assert [evidence.observe(level, 200.0) for level in (Level.ERROR, Level.UNKNOWN)] == [Level.SUSPICIOUS] * 2
    assert (evidence.probability(200.0), evidence.samples) == (before, 1.0)


def test_an_alarm_begins_at_its_bound_and_a_track_is_clear_below_its_own() -> None:
    """A flag doubles even odds, up to the bound of 2; a clear verdict halves them, down to a third."""
    flagged = Evidence(misses=0.2, false_flags=0.4, between=1_800.0, lasting=1_800.0, max_false_alarms=1.0)
    assert (flagged.alarm_odds, flagged.alarm_at) == (2.0, 2 / 3)
    assert judged(flagged, Level.ALERT).level is Level.ALERT
    cleared = Evidence(misses=0.25, false_flags=0.5, between=1_800.0, lasting=1_800.0, clear_below=1 / 3)
    assert judged(cleared, Level.CLEAR).level is Level.SUSPICIOUS
    assert judged(cleared, Level.CLEAR, Level.CLEAR).level is Level.CLEAR


def test_an_alarm_lasts_until_the_track_is_clear() -> None:
    """A track that is in doubt is suspicious when it was clear, and stays at alert when it was at alert."""
    evidence = judged(LASTING, Level.ALERT, Level.ALERT)
    assert evidence.level is Level.ALERT
    levels = [evidence.observe(Level.CLEAR, 200.0 + 10 * number) for number in range(5)]
    assert levels == [*[Level.ALERT] * 4, Level.CLEAR]
    assert evidence.observe(Level.ALERT, 300.0) is Level.SUSPICIOUS


def test_a_flag_on_what_is_probably_genuine_raises_the_tracks_own_rate_of_false_flags() -> None:
    """By the probability that it is genuine; the configured rate stands for fifty verdicts, and is the least."""
    assert judged(LASTING).false_flags == 0.05
    assert judged(LASTING, Level.CLEAR).false_flags == 0.05
    genuine = 3 / 19
    assert judged(LASTING, Level.ALERT).false_flags == pytest.approx((2.5 + genuine) / (50 + genuine))
    genuine = 3 / 7
    assert judged(LASTING, Level.SUSPICIOUS).false_flags == pytest.approx((2.5 + genuine / 2) / (50 + genuine))


def test_a_flag_counts_for_less_on_a_track_that_is_often_flagged_without_a_manipulation() -> None:
    """After a clear verdict, a second flag multiplies the odds by 0.8 / its own rate."""
    often = judged(FORGETFUL, *[Level.ALERT] * 10, every=1_000.0)
    odds = 0.8 / often.false_flags / 999
    often.observe(Level.ALERT, 50_000.0)
    assert often.false_flags > 0.15
    assert often.probability(50_000.0) == pytest.approx(odds / (1 + odds))


def test_a_tracks_own_rate_stays_where_a_flag_still_is_evidence() -> None:
    """At most half the rate at which manipulated samples are flagged."""
    always = judged(FORGETFUL, *[Level.ALERT] * 200, every=1_000.0)
    assert always.false_flags == pytest.approx(0.4)


@pytest.mark.parametrize(("false_flags", "bound"), [(0.05, 0.2), (0.15, 0.4)])
def test_a_track_is_reliable_below_four_times_the_configured_rate(false_flags: float, bound: float) -> None:
    """Or below the most that its own rate can be, where that is less."""
    model = Evidence(misses=0.2, false_flags=false_flags, between=999.0, lasting=1.0)
    evidence, reliable = EvidenceFilter(model), list[bool]()
    for number in range(50):
        evidence.observe(Level.ALERT, 1_000.0 * number)
        reliable.append(evidence.reliable)
        assert evidence.reliable is (evidence.false_flags < bound)
    assert reliable == sorted(reliable, reverse=True)
    assert set(reliable) == {True, False}


def test_a_tracks_own_rate_is_that_of_its_last_one_or_two_thousand_verdicts() -> None:
    """Older ones lose weight, and the rate makes no jump when they do."""
    evidence, now = EvidenceFilter(FORGETFUL), 0.0

    def take(count: int, flag_every: int) -> None:
        nonlocal now
        for number in range(count):
            before, now = evidence.false_flags, now + 1_000.0
            evidence.observe(Level.CLEAR if number % flag_every else Level.ALERT, now)
            assert abs(evidence.false_flags - before) < 0.02

    take(8_000, flag_every=4)
    assert evidence.false_flags == pytest.approx(0.25, abs=0.01)
    take(8_000, flag_every=8_000)
    assert evidence.false_flags == 0.05
    take(1_000, flag_every=1)
    assert evidence.false_flags == pytest.approx(0.4)


def test_a_successor_has_all_the_evidence_of_its_predecessor() -> None:
    """Level, probability, and what was learned of its rate of false flags."""
    before, heir = judged(LASTING, Level.CLEAR, Level.ALERT, Level.ALERT), EvidenceFilter(LASTING)
    heir.adopt(before)
    assert heir == before


def test_the_share_of_manipulated_time_is_never_nothing_or_all() -> None:
    """However rare or long manipulations are."""
    assert Evidence(between=1e12, lasting=1.0, max_false_alarms=1e-9).prior == 1e-9
    assert Evidence(between=60.0, lasting=1e12).prior == 1 - 1e-9


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"misses": 0.0}, "misses must be a finite number above 0"),
        ({"false_flags": 1.0}, "false_flags is a share and must be below 1"),
        ({"misses": 0.6, "false_flags": 0.5}, "no better than chance"),
        ({"between": math.nan}, "between must be a finite number above 0"),
        ({"lasting": True}, "lasting must be a finite number above 0"),
        ({"suspicious_weight": 1.5}, "suspicious_weight must be at most 1"),
        ({"max_false_alarms": 1_000.0}, "lower max_false_alarms"),
        ({"max_false_alarms": 1e-12}, "raise one of them"),
        ({"misses": "0.2"}, "misses must be a finite number above 0"),
        # The bounds themselves: all would be clear, chance, or an alarm that is clear.
        ({"clear_below": 1.0}, "clear_below is a share and must be below 1"),
        ({"misses": 0.5, "false_flags": 0.5}, "no better than chance"),
        ({"between": 3_600.0, "max_false_alarms": 1.0, "clear_below": 0.5}, "lower max_false_alarms"),
    ],
)
def test_figures_that_make_no_sense_are_refused_by_name(values: dict[str, Any], words: str) -> None:
    """The error says which figure, and what to do."""
    with pytest.raises(ValueError, match=words):
        Evidence(**values)


def test_the_bounds_that_decide_something_are_allowed() -> None:
    """A suspicious verdict may count as much as an alert."""
    assert Evidence(suspicious_weight=1).suspicious_weight == 1
