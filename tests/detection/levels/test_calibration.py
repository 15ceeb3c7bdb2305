"""The rates at which a judge errs, from labelled answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.levels.calibration import (
    CalibrationError,
    LabelledTrack,
    calibrate,
    labelled,
    parse_evidence,
    wilson,
)
from ds_actors.detection.levels.evidence import Evidence


def answers(draw: random.Random, person: int, *, manipulated: bool, share: float, lasting: int = 1) -> LabelledTrack:
    """Return 400 answers with that share of errors; one draw decides about `lasting` samples in a row."""
    wrong = [error for _ in range(400 // lasting) for error in [draw.random() < share] * lasting]
    verdicts = [Level.ALERT if error is not manipulated else Level.CLEAR for error in wrong]
    return LabelledTrack(f"p{person}", manipulated, verdicts, fps=2.0)


def people(seed: int, *, count: int = 12, spread: float = 0.0, lasting: int = 1) -> list[LabelledTrack]:
    draw = random.Random(seed)
    tracks: list[LabelledTrack] = []
    for person in range(count):
        flags = 0.05 + (spread if person % 2 else -spread)
        tracks.append(answers(draw, person, manipulated=False, share=flags, lasting=lasting))
        tracks.append(answers(draw, person, manipulated=True, share=0.2, lasting=lasting))
    return tracks


def test_the_true_rates_lie_in_their_intervals_as_often_as_promised() -> None:
    """Of 100 calibrations of a judge that misses 20 % and flags 5 %, at least 88 contain each."""
    found = [calibrate(people(seed)) for seed in range(100)]
    assert sum(each.misses.low <= 0.2 <= each.misses.high for each in found) >= 88
    assert sum(each.false_flags.low <= 0.05 <= each.false_flags.high for each in found) >= 88


def test_errors_that_belong_to_people_widen_the_interval() -> None:
    """Half of the people are flagged at 1 %, the others at 9 %: 4,800 samples are worth far fewer."""
    alike, unlike = calibrate(people(1)).false_flags, calibrate(people(1, spread=0.04)).false_flags
    assert unlike.samples == alike.samples == 4_800
    assert unlike.effective < 0.3 * alike.effective
    assert unlike.high - unlike.low > 1.5 * (alike.high - alike.low)


def test_errors_that_last_are_recognised_by_their_time() -> None:
    """Eight samples at 2 fps: a correlation of 7/8 at half a second, e^(-0.5 / 3.7)."""
    assert calibrate(people(2)).correlated_for < 0.3
    assert calibrate(people(2, lasting=8)).correlated_for == pytest.approx(3.74, rel=0.25)


def test_a_sampling_rate_without_an_error_says_nothing_of_how_long_errors_last() -> None:
    """Bob was scanned at another rate and never is flagged, which is no error that lasts for all his samples."""
    alice, right = people(2, count=1, lasting=8), [Level.CLEAR] * 100
    alone = calibrate(alice).correlated_for
    assert calibrate([*alice, LabelledTrack("bob", False, right, fps=1.0)]).correlated_for == alone


def test_what_is_written_is_read_again() -> None:
    """The parameters of the evidence; your own figures come first."""
    found = calibrate(people(3, lasting=4))
    evidence = parse_evidence(found.toml(), max_false_alarms=0.02)
    assert evidence.misses == pytest.approx(found.evidence().misses, rel=1e-3)
    assert evidence.false_flags == pytest.approx(found.false_flags.high, rel=1e-3)
    assert evidence.correlated_for == pytest.approx(found.correlated_for, rel=1e-3)
    assert evidence.max_false_alarms == 0.02


def test_a_judge_without_an_error_is_not_believed_to_be_perfect() -> None:
    """Ten people without a false flag are ten witnesses, however many samples each has."""
    tracks = [
        LabelledTrack(f"p{n}", manipulated, [Level.ALERT if manipulated else Level.CLEAR] * 1_000, 1.0)
        for n in range(10)
        for manipulated in (True, False)
    ]
    found = calibrate(tracks)
    assert (found.false_flags.share, found.false_flags.effective, found.correlated_for) == (0.0, 10.0, 0.0)
    assert 0.2 < found.evidence().false_flags < 0.3
    assert 0 < found.evidence().misses < 0.001


def test_errors_of_the_service_are_no_verdicts() -> None:
    """They count neither as wrong nor as right."""
    track = LabelledTrack("p", False, [Level.CLEAR, Level.ERROR, Level.ALERT, Level.UNKNOWN], 1.0)
    assert track.errors == [False, True]


def scan(**changes: Any) -> dict[str, Any]:
    segments = [{"level": "clear", "samples": 3}, {"level": "alert", "samples": 2}]
    return {"file": "a.mp4", "fps": 2.0, "segments": segments, **changes}


def test_a_line_of_a_scan_gives_its_answers() -> None:
    """One per sample, in order; the file is the person unless you say otherwise."""
    track = labelled(scan(), manipulated=True)
    assert (track.person, track.fps, track.errors) == ("a.mp4", 2.0, [True] * 3 + [False] * 2)
    assert labelled(scan(), manipulated=True, person="alice").person == "alice"
    for line in ({}, scan(segments=3), scan(fps="fast"), scan(segments=[{"level": "odd", "samples": 1}])):
        with pytest.raises(CalibrationError, match="no line of `ds-actors scan --json`"):
            labelled(line, manipulated=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[evidence", "not TOML"),
        (f"a = {'[' * 5_000}", "nested 16 deep"),
        (f"a = {'9' * 5_000}", "an integer may have 64 bits"),
        ("misses = 0.2", "no table"),
        ("[evidence]\nmisse = 0.2", "'misse', which is not known"),
        ("[evidence]\nmisses = 2.0", "misses is a share"),
    ],
)
def test_a_file_of_figures_that_cannot_be_used_is_refused(text: str, words: str) -> None:
    """The error says why."""
    with pytest.raises(CalibrationError, match=words):
        parse_evidence(text)


def test_a_calibration_needs_both_kinds() -> None:
    """The error says which is missing."""
    with pytest.raises(CalibrationError, match="no verdict on a manipulated sample"):
        calibrate([LabelledTrack("p", False, [Level.CLEAR], 1.0)])


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_an_interval_contains_its_share_and_stays_within_bounds(share: float, samples: float) -> None:
    """For any number of samples."""
    low, high = wilson(share, samples)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    assert isinstance(Evidence(false_flags=min(0.5, max(high, 1e-6))), Evidence)
