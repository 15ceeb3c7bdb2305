"""What a detector returns becomes a probability, a reason, or a counted fault; never an invented level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level, ResultType
from ds_actors.detectors import Finding, Invalid, Thresholds
from ds_actors.detectors.answers import result
from ds_actors.detectors.findings import check_answers

_JUNK = st.one_of(
    st.floats(), st.integers(), st.none(), st.booleans(), st.text(), st.lists(st.floats()), st.builds(ValueError)
)


@given(st.one_of(st.lists(_JUNK), _JUNK), st.integers(0, 5))
def test_anything_that_a_detector_returns_gives_one_outcome_per_sample(answers: object, count: int) -> None:
    """Each is a finding with a probability from 0 to 1, or a fault; no number is bent into range."""
    outcomes = check_answers(answers, count)
    assert len(outcomes) == count
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Finding):
            assert isinstance(answers, list)
            assert outcome.probability == answers[place]


@given(st.floats(0, 1), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_level_rises_with_the_probability_alone(probability: float, one: float, other: float) -> None:
    """A threshold belongs to the level above it."""
    thresholds = Thresholds(suspicious=min(one, other), alert=max(one, other))
    level = thresholds.level(probability)
    assert (level is Level.ALERT) == (probability >= thresholds.alert)
    assert (level is Level.CLEAR) == (probability < thresholds.suspicious)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (math.nan, "not_a_number"),
        (math.inf, "not_a_number"),
        (-0.01, "out_of_range"),
        (1.01, "out_of_range"),
        (True, "not_a_number"),
        ("0.5", "not_a_number"),
        (10**400, "not_a_number"),
        (RuntimeError("no memory"), "failed"),
    ],
)
def test_what_is_no_probability_is_an_error_and_no_level(answer: object, fault: str) -> None:
    """The other samples of the batch keep their answers."""
    first, second = check_answers([answer, 0.9], 2)
    assert isinstance(first, Invalid)
    assert first.fault == fault
    assert result(first, Thresholds())[0] is ResultType.ERROR
    assert result(second, Thresholds()) == (ResultType.ALERT, "Probability of manipulation: 0.90")


@pytest.mark.parametrize("answers", [[0.1], [0.1, 0.2, 0.3], None, 0.1, "ab", {0: 0.1, 1: 0.2}])
def test_the_wrong_number_of_answers_is_an_error_for_each_sample(answers: object) -> None:
    """It is not known which answer belongs to which sample."""
    outcomes = check_answers(answers, 2)
    assert [outcome.fault for outcome in outcomes if isinstance(outcome, Invalid)] == ["wrong_count"] * 2


def test_arrays_and_their_scalars_are_numbers() -> None:
    """As models return them."""
    assert check_answers(np.array([0.25, 0.5], np.float32), 2) == [Finding(0.25), Finding(0.5)]
    assert check_answers([np.float32(0.25), np.array(0.5)], 2) == [Finding(0.25), Finding(0.5)]


def test_no_probability_is_no_verdict_and_says_why() -> None:
    """The reason is printable, short and required."""
    kind, message = result(Finding(reason="no_face\x1b[2J"), Thresholds())
    assert (kind, message) == (ResultType.UNKNOWN, "No verdict: no_face[2J")
    assert not kind.level.is_verdict
    assert len(Finding(reason="x" * 10_000).reason) == 200
    with pytest.raises(ValueError, match="needs a reason"):
        Finding()
    with pytest.raises(ValueError, match="from 0 to 1"):
        Finding(math.nan)


@pytest.mark.parametrize(("suspicious", "alert"), [(0.0, 0.5), (0.6, 0.5), (0.5, 1.1), (math.nan, 0.5)])
def test_thresholds_that_make_no_sense_are_refused(suspicious: float, alert: float) -> None:
    """At 0, everything would be suspicious."""
    with pytest.raises(ValueError, match="thresholds must be"):
        Thresholds(suspicious, alert)
