"""The laws of the evidence: from verdicts that may be wrong to a probability, and from that to a level.

Examples worked out by hand are in `test_evidence_figures.py`.
"""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence, EvidenceFilter
from ds_actors.simulation.statistics import rate_interval

shares = st.floats(1e-9, 0.49)
models = st.builds(
    Evidence,
    misses=shares,
    false_flags=shares,
    between=st.floats(60, 1e5),
    lasting=st.floats(1, 1e4),
    max_false_alarms=st.floats(1e-3, 0.03),
    correlated_for=st.floats(1e-3, 100),
    clear_below=st.floats(1e-3, 0.5),
)
stories = st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from([*Level])), max_size=60)


def played(model: Evidence, story: list[tuple[float, Level]]) -> EvidenceFilter:
    evidence, now = EvidenceFilter(model), 0.0
    for seconds, verdict in story:
        now += seconds
        evidence.observe(verdict, now)
    return evidence


@given(models, stories, st.floats(0, 1e12))
def test_a_probability_is_never_0_or_1(model: Evidence, story: list[tuple[float, Level]], later: float) -> None:
    """After any verdicts, at any time, and the level is one that they allow."""
    evidence = played(model, story)
    now = sum(seconds for seconds, _ in story)
    assert 0 < evidence.probability(now + later) < 1
    assert 0 <= evidence.samples <= len(story) + 1e-9
    assert 0 < evidence.false_flags < 1 - model.misses
    assert evidence.level.is_verdict or not any(verdict.is_verdict for _, verdict in story)


@given(models, stories)
def test_an_error_is_no_evidence(model: Evidence, story: list[tuple[float, Level]]) -> None:
    """Without its errors and unknown answers, a story ends in the same state."""
    now, told = 0.0, EvidenceFilter(model)
    for seconds, verdict in story:
        now += seconds
        if verdict.is_verdict:
            told.observe(verdict, now)
    assert played(model, story) == told


@given(models, stories)
def test_the_same_story_gives_the_same_evidence(model: Evidence, story: list[tuple[float, Level]]) -> None:
    """The filter reads no clock and draws nothing."""
    assert played(model, story) == played(model, story)


def test_years_of_verdicts_leave_a_track_that_can_still_be_judged() -> None:
    """After four years of clear answers three flags within a second are an alarm, as on the first day."""
    evidence, now = EvidenceFilter(Evidence(correlated_for=0.05)), 0.0
    for _ in range(200_000):
        now += 600.0
        evidence.observe(Level.CLEAR, now)
    levels = [evidence.observe(Level.ALERT, now + 60 + 0.5 * number) for number in range(3)]
    assert (levels[0], levels[-1]) == (Level.SUSPICIOUS, Level.ALERT)


@given(st.floats(0.01, 10), st.integers(2, 50))
def test_verdicts_in_a_burst_are_fewer_witnesses_than_their_number(seconds: float, count: int) -> None:
    """The closer they follow each other, the less they count; a thousand at one moment are one."""
    model = Evidence(correlated_for=1.0)
    near = played(model, [(seconds, Level.ALERT)] * count)
    assert near.samples < count
    assert model.independence(seconds) <= model.independence(2 * seconds)
    at_once = played(model, [(0.0, Level.ALERT)] * 1_000)
    assert at_once.samples == 1.0
    assert at_once.probability(0.0) == played(model, [(0.0, Level.ALERT)]).probability(0.0)


def test_four_frames_in_one_second_are_two_witnesses() -> None:
    """With errors that resemble each other for a quarter of a second, as by default."""
    samples = played(Evidence(), [(0.25, Level.ALERT)] * 4).samples
    assert 1.5 < samples < 2.5


@given(models)
def test_without_verdicts_the_probability_returns_to_the_prior(model: Evidence) -> None:
    """After an alarm and a very long silence."""
    evidence = played(model, [(100.0, Level.ALERT)] * 5)
    assert evidence.probability(1e12) == pytest.approx(model.prior, rel=1e-6)


def test_an_alert_ends_when_the_track_is_clear_and_not_when_it_is_doubtful() -> None:
    """The level stays at alert between the two bounds."""
    evidence = played(Evidence(), [(1.0, Level.ALERT)] * 4)
    assert evidence.level is Level.ALERT
    levels = [evidence.observe(Level.CLEAR, 4.0 + number) for number in range(1, 15)]
    assert levels[0] is Level.ALERT
    assert levels[-1] is Level.CLEAR
    assert Level.SUSPICIOUS not in levels


def false_alarms(model: Evidence, hours: int, flags: float, seed: int) -> int:
    """Count the alarms of a genuine track that is sampled every 5 s, and at 4 fps while undecided."""
    draw = random.Random(seed).random
    evidence, now, alarms, clear, quiet = EvidenceFilter(model), 0.0, 0, False, 0
    while now < hours * 3_600:
        now += 5.0 if evidence.level is Level.CLEAR else 0.25
        if quiet > 10 and evidence.level is Level.CLEAR:
            # Clear answers change nothing more by now: skip those before the next flag.
            skipped = int(math.log(1 - draw()) / math.log(1 - flags))
            now, flagged = now + 5.0 * skipped, True
        else:
            flagged = draw() < flags
        quiet = 0 if flagged else quiet + 1
        level = evidence.observe(Level.ALERT if flagged else Level.CLEAR, now)
        alarms += level is Level.ALERT and not clear
        clear = level is Level.ALERT
    return alarms


@pytest.mark.parametrize("target", [0.02, 0.1, 1.0])
def test_false_alarms_stay_within_the_target(target: float) -> None:
    """10,000 hours of a genuine track: even the upper end of the interval is below the stated rate."""
    model = Evidence(max_false_alarms=target, correlated_for=0.01)
    _, high = rate_interval(false_alarms(model, 10_000, 0.02, 1), 10_000)
    assert high < target


def test_a_judge_that_is_three_times_worse_than_assumed_stays_within_the_target() -> None:
    """It flags 6 % instead of 2 %: the track's own rate is learned."""
    model = Evidence(max_false_alarms=0.1, correlated_for=0.25)
    _, high = rate_interval(false_alarms(model, 2_000, 0.06, 2), 2_000)
    assert high < 0.1


def test_a_face_that_is_flagged_forever_is_called_unreliable_and_seldom_accused() -> None:
    """A fifth of its genuine samples are flagged: at most one alarm an hour, and it is said."""
    assert false_alarms(Evidence(), 500, 0.2, 3) / 500 <= 1.0
    evidence, draw = EvidenceFilter(Evidence()), random.Random(4).random
    was_reliable = evidence.reliable
    for number in range(2_000):
        evidence.observe(Level.ALERT if draw() < 0.2 else Level.CLEAR, 5.0 * number)
    assert (was_reliable, evidence.reliable) == (True, False)
    assert evidence.false_flags > 0.08


@given(st.floats(-1e9, 1e9), stories)
@example(1e9, [(0.5, Level.ALERT)] * 5)
def test_the_origin_of_the_clock_does_not_matter(origin: float, story: list[tuple[float, Level]]) -> None:
    """The same story on a clock that reads otherwise ends at the same level and probability."""
    here, there, now = EvidenceFilter(), EvidenceFilter(), 0.0
    for seconds, verdict in story:
        now += round(seconds, 1)
        here.observe(verdict, now)
        there.observe(verdict, origin + now)
    # A clock near a billion seconds has a resolution of a tenth of a microsecond.
    assert here.probability(now) == pytest.approx(there.probability(origin + now), rel=1e-3)
