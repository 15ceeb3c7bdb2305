"""Thresholds, rates and the reliability curve of a detector, from scores whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.cli._calibrate.plot import draw_reliability
from ds_actors.detection.events import Level
from ds_actors.detection.levels.calibration import CalibrationError, parse_evidence
from ds_actors.detectors import Thresholds, ThresholdsError, parse_thresholds
from ds_actors.detectors.calibration import ScoredTrack, calibrate_detector, lowest_threshold

scores = st.floats(0, 1)


Scores = Sequence[Sequence[float | None]]


def tracks(genuine: Scores, manipulated: Scores) -> list[ScoredTrack]:
    """Return one track per list, each of another person."""
    both = [(False, some) for some in genuine] + [(True, some) for some in manipulated]
    return [ScoredTrack(f"p{number}", truth, some, 1.0) for number, (truth, some) in enumerate(both)]


def calibrated_judge(seed: int, people: int, spread: float = 0.0) -> list[ScoredTrack]:
    """Draw 200 samples per person with scores that are true: of those at 0.7, 70 % are manipulated."""
    draw = random.Random(seed)
    found: dict[tuple[int, bool], list[float | None]] = {}
    for person in range(people):
        own = draw.uniform(-spread, spread)
        for _ in range(200):
            score = draw.random()
            shown = spread + score * (1 - 2 * spread) + own
            found.setdefault((person, draw.random() < score), []).append(shown)
    return [ScoredTrack(f"p{person}", truth, some, 1.0) for (person, truth), some in found.items()]


@given(st.lists(scores.filter(lambda score: score < 1), min_size=1), st.lists(scores), st.floats(0, 0.99))
def test_a_threshold_keeps_its_target_and_is_the_lowest_that_does(
    genuine: list[float], manipulated: list[float], most: float
) -> None:
    """Among all scores: at the next lower genuine score, there would be too many flags."""
    ordered, both = np.sort(np.array(genuine)), np.sort(np.array(genuine + manipulated))
    threshold = lowest_threshold(ordered, both, most)
    flagged = int((ordered >= threshold).sum())
    assert 0 < threshold <= 1
    assert flagged / len(genuine) <= most * (1 + 1e-9)
    below = max(score for score in genuine if score < threshold)
    assert sum(score >= below for score in genuine) / len(genuine) > most
    assert not any(below < score < threshold for score in manipulated if (below + threshold) / 2 > score)


def test_a_threshold_has_few_digits_and_lies_between_the_scores_around_it() -> None:
    """0.31 and 0.74 are next to it: 0.53, not 0.525; between neighbouring numbers, the upper one."""
    genuine = np.array([0.1, 0.31])
    assert lowest_threshold(genuine, np.array([0.1, 0.31, 0.74]), 0.0) == pytest.approx(0.525, abs=0.006)
    assert len(repr(lowest_threshold(genuine, np.array([0.1, 0.31, 0.74]), 0.0))) == 4
    near = math.nextafter(0.31, 1)
    assert lowest_threshold(genuine, np.array([0.1, 0.31, near]), 0.0) == near


def test_thresholds_and_rates_of_a_small_case() -> None:
    """Of ten genuine samples one may be suspicious, and none an alert; a sample without a verdict counts nowhere."""
    found = calibrate_detector(
        tracks([[0.1] * 5 + [None], [0.1] * 4 + [0.6]], [[0.9, 0.4, None], [0.9, 0.9]]),
        max_false_flags=0.1,
        max_false_alerts=0.0,
    )
    assert found.thresholds == Thresholds(0.25, 0.75)
    assert (found.suspicious.false_flags.errors, found.suspicious.false_flags.samples) == (1, 10)
    assert (found.suspicious.misses.errors, found.suspicious.misses.samples) == (0, 4)
    assert (found.alert.false_flags.errors, found.alert.misses.errors) == (0, 1)
    assert found.area == (4 * 9 + 3 * 1) / 40
    assert [point.threshold for point in found.table] == pytest.approx([0.1 * number for number in range(1, 10)])


def test_the_frames_of_one_person_are_one_witness() -> None:
    """A thousand frames of five people say no more about a sixth than five frames do."""
    few, many = (
        calibrate_detector(tracks([[0.1 + 0.1 * n] * each for n in range(5)], [[0.9] * each] * 5))
        for each in (1, 1_000)
    )
    assert many.alert.false_flags.high == pytest.approx(few.alert.false_flags.high)
    assert many.alert.false_flags.high > 0.4


def test_a_person_left_out_of_the_choice_is_flagged_as_a_stranger_would_be() -> None:
    """Each of four people scores another constant: the highest one alone is above the others' threshold."""
    found = calibrate_detector(
        tracks([[0.1 * n] * 20 for n in range(1, 5)], [[0.32, 0.95]]), max_false_flags=0.0, max_false_alerts=0.0
    )
    assert found.suspicious.false_flags.errors == 0
    assert found.suspicious.unseen is not None
    assert (found.suspicious.unseen.errors, found.suspicious.unseen.samples) == (20, 80)
    assert found.levels.false_flags == found.suspicious.unseen  # what the evidence counts on
    alone = calibrate_detector(tracks([[0.1, 0.2]], [[0.9]]))
    assert alone.suspicious.unseen is None


def test_strangers_are_flagged_as_often_as_the_left_out_ones() -> None:
    """Over fifty calibrations with people who differ, strangers are flagged at the rate that is shown."""
    shown: list[float] = []
    true: list[float] = []
    for seed in range(50):
        found = calibrate_detector(calibrated_judge(seed, 8, 0.2), max_false_flags=0.1)
        assert found.suspicious.unseen is not None
        shown.append(found.suspicious.unseen.share)
        strangers = [track for track in calibrated_judge(1_000 + seed, 40, 0.2) if not track.manipulated]
        errors = [error for track in strangers for error in track.errors(found.suspicious.threshold)]
        true.append(sum(errors) / len(errors))
    assert sum(shown) / 50 == pytest.approx(sum(true) / 50, abs=0.02)
    assert sum(true) / 50 > 0.1  # the people from whom a threshold is chosen are flagged less


def test_scores_that_are_true_lie_on_the_diagonal() -> None:
    """Of the samples at 0.7, 70 % are manipulated; every interval contains it, and people are its witnesses."""
    curve = calibrate_detector(calibrated_judge(3, 60)).curve
    assert len(curve) == 10
    for point in curve:
        assert point.share == pytest.approx(point.score, abs=0.06)
        assert point.low <= point.score <= point.high
        assert point.people <= 60
    assert sum(point.samples for point in curve) == 60 * 200


def test_the_reliability_curve_weighs_both_kinds_alike() -> None:
    """Nine genuine samples and one manipulated in one range are no proof that it is harmless."""
    (point,) = calibrate_detector(tracks([[0.55] * 9, [0.55] * 9], [[0.55] * 2])).curve
    assert point.share == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("genuine", "manipulated", "words"),
    [
        ([], [[0.5]], "no verdict on a genuine sample"),
        ([[0.5]], [[None]], "no verdict on a manipulated sample"),
        ([[1.0, 1.0]], [[1.0]], "no threshold keeps false flags at 0.6"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(
    genuine: list[list[float | None]], manipulated: list[list[float | None]], words: str
) -> None:
    """The error says what is missing."""
    with pytest.raises(CalibrationError, match=words):
        calibrate_detector(tracks(genuine, manipulated), max_false_flags=0.6)


@pytest.mark.parametrize(("flags", "alerts"), [(0.01, 0.05), (1.0, 0.1), (-0.1, -0.2), (math.nan, 0.0)])
def test_rates_that_make_no_sense_are_refused(flags: float, alerts: float) -> None:
    """NaN too."""
    with pytest.raises(ValueError, match="the rates must be"):
        calibrate_detector([], max_false_flags=flags, max_false_alerts=alerts)


def test_what_is_written_is_read_by_all_who_need_it() -> None:
    """The thresholds exactly; the evidence where the figures suffice, else the reason as a comment."""
    found = calibrate_detector(calibrated_judge(4, 20))
    text = found.toml('my "model":judge')
    assert parse_thresholds(text) == Thresholds(found.suspicious.threshold, found.alert.threshold, 'my "model":judge')
    assert asdict(parse_evidence(text)) == pytest.approx(asdict(found.levels.evidence()), rel=1e-3)
    blind = calibrate_detector(tracks([[0.5], [0.5]], [[0.5]]))
    assert "# No [evidence]: misses (" in blind.toml("m")
    assert parse_thresholds(blind.toml("m")).detector == "m"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[thresholds", "not TOML"),
        (f"a = {'[' * 5_000}", "nested 16 deep"),
        ("[evidence]", "no table"),
        ("thresholds = 3", "no table"),
        ("[thresholds]\nsuspicious = 0.5", "thresholds.alert is missing"),
        ("[thresholds]\nsuspicious = true\nalert = 0.5", "thresholds.suspicious must be a number, not True"),
        ("[thresholds]\nsuspicious = nan\nalert = 0.5", "thresholds must be above 0"),
        ("[thresholds]\nsuspicious = 0.6\nalert = 0.5", "thresholds must be above 0"),
        ("[thresholds]\nsuspicious = 0.5\nalert = 0.5\nalarm = 1", "thresholds.alarm is not known"),
        ("[thresholds]\nsuspicious = 0.5\nalert = 0.5\ndetector = 1", "thresholds.detector must be a text"),
    ],
)
def test_a_file_of_thresholds_that_cannot_be_used_is_refused(text: str, words: str) -> None:
    """The error names the figure."""
    with pytest.raises(ThresholdsError, match=words):
        parse_thresholds(text)


def test_levels_follow_from_the_thresholds() -> None:
    """A sample without a verdict stays unknown."""
    track = ScoredTrack("p", manipulated=False, scores=[0.1, 0.5, 0.9, None], fps=2.0)
    verdicts = track.labelled(Thresholds(0.4, 0.8)).verdicts
    assert verdicts == [Level.CLEAR, Level.SUSPICIOUS, Level.ALERT, Level.UNKNOWN]


def test_the_picture_shows_each_point_with_its_interval_and_both_thresholds() -> None:
    """As SVG that loads nothing; the detector's name is escaped."""
    found = calibrate_detector(calibrated_judge(5, 20))
    svg = ET.fromstring(draw_reliability(found, "a<b>:judge"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f"{space}circle")) == len(found.curve)
    words = [text.text for text in svg.findall(f"{space}text")]
    assert "Reliability of a<b>:judge" in words
    assert f"alert {found.alert.threshold:.3g}" in words
    heights = [float(circle.attrib["cy"]) for circle in svg.findall(f"{space}circle")]
    assert heights == sorted(heights, reverse=True)
