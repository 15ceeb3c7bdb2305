"""A judge's rates of errors in figures that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.levels import calibration
from ds_actors.detection.levels.calibration import (
    Z_95,
    Calibration,
    ErrorRate,
    LabelledTrack,
    calibrate,
    error_rate,
    labelled,
    parse_evidence,
    people_text,
    wilson,
)

PAIRS, SINGLE = [True, True, False, False], [True]


def rate(*people: tuple[int, int]) -> ErrorRate:
    """Return the rate of so many errors among so many samples of each person."""
    found = error_rate(
        (str(person), [n < wrong for n in range(samples)]) for person, (wrong, samples) in enumerate(people)
    )
    assert found is not None
    return found


def track(errors: list[bool], *, manipulated: bool = False, fps: float = 2.0, person: str = "p") -> LabelledTrack:
    verdicts = [Level.ALERT if error is not manipulated else Level.CLEAR for error in errors]
    return LabelledTrack(person, manipulated, verdicts, fps)


def right(*, manipulated: bool) -> LabelledTrack:
    """Return a track without an error."""
    return track([False] * 4, manipulated=manipulated)


@pytest.mark.parametrize(
    ("people", "share", "effective"),
    [
        (((0, 4), (2, 4), (4, 4)), 0.5, 3.0),  # a variance of 3/2 x (4 + 0 + 4) / 12^2 = 1/12
        (((1, 4), (3, 4)), 0.5, 4.0),
        (((4, 4), (0, 4)), 0.5, 1.0),  # two people who say the opposite
        (((5, 10), (5, 10), (4, 10)), 14 / 30, 30.0),  # more alike than by chance: the samples themselves
        (((1, 4), (1, 4), (1, 4)), 0.25, 3.0),  # nothing is known of how people differ: each is one witness
        (((3, 40),), 0.075, 1.0),
    ],
)
def test_samples_are_worth_as_much_as_people_resemble_each_other(
    people: tuple[tuple[int, int], ...], share: float, effective: float
) -> None:
    """The variance of the share over people, and the number of independent samples that would have the same."""
    found = rate(*people)
    assert (found.errors, found.samples) == (sum(wrong for wrong, _ in people), sum(each for _, each in people))
    assert (found.people, found.share) == (len(people), share)
    assert found.effective == pytest.approx(effective)
    assert (found.low, found.high) == wilson(share, found.effective)


def test_a_person_without_a_verdict_is_no_witness() -> None:
    """Several tracks of a person are one; without any verdict there is no rate."""
    found = error_rate([("a", [True, False]), ("a", [False, False]), ("b", [])])
    assert found == rate((1, 4))
    assert error_rate([("a", []), ("b", [])]) is None


@given(st.lists(st.integers(1, 50).flatmap(lambda each: st.tuples(st.integers(0, each), st.just(each))), min_size=1))
def test_no_people_are_worth_less_than_one_sample_or_more_than_their_own(people: list[tuple[int, int]]) -> None:
    """Whatever they differ by; and the interval contains the share."""
    found = rate(*people)
    assert 1 - 1e-9 <= found.effective <= found.samples
    assert found.low - 1e-9 <= found.share <= found.high + 1e-9


@given(st.floats(0.01, 0.99), st.floats(1, 1e5))
def test_an_interval_ends_where_the_share_is_just_1_96_standard_errors_away(share: float, samples: float) -> None:
    """The standard error of the end, not of the share: that is Wilson's interval."""
    for end in wilson(share, samples):
        assert abs(share - end) == pytest.approx(Z_95 * math.sqrt(end * (1 - end) / samples), rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_an_error_or_with_nothing_else_an_interval_ends_at_the_bound(share: float) -> None:
    """The other end is z^2 / (n + z^2) away from it."""
    for samples in range(1, 200):
        width = Z_95**2 / (samples + Z_95**2)
        low, high = wilson(share, float(samples))
        assert (low, high) == pytest.approx((0.0, width) if share == 0 else (1 - width, 1.0), abs=1e-12)
        assert 0 <= low < high <= 1


@pytest.mark.parametrize(
    ("tracks", "seconds"),
    [
        ([track(PAIRS)], 0.5 / math.log(3)),  # a correlation of 1/3 at half a second
        ([track(PAIRS, fps=0.5)], 2.0 / math.log(3)),
        ([track(PAIRS, manipulated=True)], 0.5 / math.log(3)),
        ([track(PAIRS), track(PAIRS, fps=0.5)], 2.0 / math.log(3)),  # the longest of the rates
        # Shares of a quarter: products of 7/16 and 3/16, squares of 15/16 and 3/16.
        ([track(PAIRS), track([False] * 4)], 0.5 / math.log(18 / 10)),
        ([track([True, False] * 10)], 0.0),
        ([track(SINGLE), track([False]), track([], fps=1.0)], 0.0),
        # Who is always wrong, or never: what lasts beyond measure counts as a thousand samples.
        ([track([True] * 8), track([False] * 8)], 500.0),
    ],
)
def test_neighbouring_samples_say_how_long_errors_last(tracks: list[LabelledTrack], seconds: float) -> None:
    """By their correlation r at an interval t: r = e^(-t / seconds); none is 0 seconds."""
    others = [right(manipulated=not tracks[0].manipulated)]
    assert calibrate(tracks + others).correlated_for == pytest.approx(seconds, rel=1e-3)


def test_the_evidence_takes_misses_as_they_are_and_false_flags_at_the_end_of_their_interval() -> None:
    """Half an error and half a sample more keep the misses from 0 and 1; what you set yourself comes first."""
    found = Calibration(rate((1, 5), (0, 4)), rate((0, 6), (0, 6), (1, 8)), correlated_for=0.5)
    evidence = found.evidence(between=900.0)
    assert evidence.misses == pytest.approx(1.5 / 10)
    assert (evidence.false_flags, evidence.correlated_for) == (found.false_flags.high, 0.5)
    assert (evidence.between, found.evidence(misses=0.3).misses) == (900.0, 0.3)


def test_a_file_says_what_each_figure_rests_on() -> None:
    """It is read again; without a correlation it leaves that figure out."""
    found = Calibration(rate((1, 5), (0, 4)), rate((0, 6), (0, 6), (0, 8), (0, 10)), correlated_for=0.5)
    assert found.toml() == (
        "# What labelled answers say of the judge; `ds-actors calibrate` wrote it.\n"
        "[evidence]\n"
        "misses = 0.15   # 11.11% [1.99%, 43.50%]: 1 of 9 samples, 2 people, worth 9 independent samples\n"
        "false_flags = 0.4899   # 0.00% [0.00%, 48.99%]: 0 of 30 samples, 4 people, worth 4 independent samples\n"
        "correlated_for = 0.5   # seconds\n"
    )
    without = Calibration(found.misses, found.false_flags, correlated_for=0.0)
    assert "correlated_for" not in without.toml()
    assert parse_evidence(without.toml()).misses == 0.15


def test_people_are_counted_in_words() -> None:
    """As a reader would."""
    assert [people_text(count) for count in (1, 2, 1_000)] == ["1 person", "2 people", "1,000 people"]


def test_a_scan_that_claims_to_have_endless_samples_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be a stranger's."""
    monkeypatch.setattr(calibration, "_MOST_SAMPLES", 5)
    scan = {"file": "a.mp4", "fps": 1.0, "segments": [{"level": "clear", "samples": 10**18}]}
    assert len(labelled(scan, manipulated=False).verdicts) == 5
