"""What labelled scores say of a detector: its thresholds, how often it errs at each, and whether its numbers are rates.

A score is a probability that a detector returned. The frames of one recording are one witness, so each rate has an
interval that comes from the differences between people, as in `ds_actors.detection.levels.calibration`. A threshold is
too good for the people from whose scores it is chosen; its rate of false flags is therefore also measured with each
person left out of the choice in turn. Pure.

Sources: Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions" (Journal of the Royal Statistical
Society B 36, 1974), for leaving out; Hanley, McNeil, "The Meaning and Use of the Area under a Receiver Operating
Characteristic Curve" (Radiology 143, 1982); DeGroot, Fienberg, "The Comparison and Evaluation of Forecasters" (The
Statistician 32, 1983), for the reliability curve; for its intervals, and for variances over clusters, see there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from ds_actors.detection.events import Level, plain
from ds_actors.detection.levels.calibration import (
    Calibration,
    CalibrationError,
    ErrorRate,
    LabelledTrack,
    calibrate,
    error_rate,
    rate_text,
    wilson,
)
from ds_actors.detectors.thresholds import Thresholds

BINS: Final = 10
"""Points of the reliability curve."""


@frozen
class ScoredTrack:
    """The scores of one file, all of whose samples are genuine, or all manipulated.

    Args:
        person: whose errors these are: the cluster. Several tracks may have the same.
        manipulated: the truth.
        scores: the detector's probabilities in order; None where it gave no verdict.
        fps: samples per second.
    """

    person: str
    manipulated: bool
    scores: Sequence[float | None]
    fps: float

    @property
    def verdicts(self) -> list[float]:
        """The scores that are there."""
        return [score for score in self.scores if score is not None]

    def labelled(self, thresholds: Thresholds) -> LabelledTrack:
        """Return the levels that its scores get."""
        levels = [Level.UNKNOWN if score is None else thresholds.level(score) for score in self.scores]
        return LabelledTrack(self.person, self.manipulated, levels, self.fps)

    def errors(self, threshold: float) -> list[bool]:
        """Return for each verdict whether it is wrong, where flags begin at a threshold."""
        return [(score >= threshold) is not self.manipulated for score in self.verdicts]


@frozen
class OperatingPoint:
    """How often a detector errs at one threshold."""

    threshold: float
    misses: ErrorRate
    false_flags: ErrorRate
    unseen: ErrorRate | None = None
    """False flags of people who had no part in the choice of the threshold; None for one that was not chosen, and where
    too few genuine people are left for a choice."""


@frozen
class ReliabilityPoint:
    """The scores of one range, and how many of them are of manipulated samples.

    Genuine and manipulated samples weigh the same in total, as if half of all samples were manipulated.
    """

    score: float
    """Their mean."""
    samples: int
    people: int
    share: float
    """The share of manipulated samples among them."""
    low: float
    """Wilson's interval of 95 %, for which each person is one witness."""
    high: float


@frozen
class DetectorCalibration:
    """What labelled scores say of a detector."""

    suspicious: OperatingPoint
    alert: OperatingPoint
    table: tuple[OperatingPoint, ...]
    """Other thresholds, in ascending order."""
    curve: tuple[ReliabilityPoint, ...]
    area: float
    """The probability that a manipulated sample scores above a genuine one (the area under the ROC curve)."""
    levels: Calibration
    """What the levels by both thresholds say of it, for the evidence."""

    @property
    def thresholds(self) -> Thresholds:
        """Both thresholds."""
        return Thresholds(self.suspicious.threshold, self.alert.threshold)

    @property
    def no_evidence(self) -> str:
        """Why these figures are no parameters of the evidence; empty when they are."""
        try:
            self.levels.evidence()
        except ValueError as error:
            return str(error)
        return ""

    def toml(self, detector: str) -> str:
        """Return a file that `parse_thresholds` reads, and `parse_evidence` where the figures suffice for it."""
        lines = ["# What labelled files say of the detector; `ds-actors calibrate` wrote it.", "[thresholds]"]
        lines.append(f"detector = {json.dumps(plain(detector), ensure_ascii=False)}")
        for name, point in (("suspicious", self.suspicious), ("alert", self.alert)):
            lines.append(f"{name} = {point.threshold!r}   # false flags {rate_text(point.unseen or point.false_flags)}")
        evidence = f"# No [evidence]: {plain(self.no_evidence)}\n" if self.no_evidence else self.levels.toml_table()
        return "\n".join([*lines, "", evidence])


def calibrate_detector(
    tracks: Iterable[ScoredTrack], *, max_false_flags: float = 0.05, max_false_alerts: float = 0.01
) -> DetectorCalibration:
    """Return the lowest thresholds that keep two rates of false flags, and what they cost.

    Args:
        tracks: scores whose truth is known.
        max_false_flags: the share of genuine samples that may be suspicious or worse.
        max_false_alerts: the share of genuine samples that may be an alert.

    Raises:
        CalibrationError: when genuine or manipulated scores are missing, or no threshold keeps a rate.
        ValueError: unless 0 <= max_false_alerts <= max_false_flags < 1.
    """
    if not 0 <= max_false_alerts <= max_false_flags < 1:
        raise ValueError(
            "the rates must be from 0 to below 1, and that of false alerts not above that of false flags, "
            f"not {max_false_alerts!r} and {max_false_flags!r}"
        )
    found = list(tracks)
    genuine, manipulated = (_scores(found, manipulated=truth) for truth in (False, True))
    for scores, truth in ((genuine, "genuine"), (manipulated, "manipulated")):
        if not len(scores):
            raise CalibrationError(f"there is no verdict on a {truth} sample; genuine and manipulated ones are needed")
    both = np.union1d(genuine, manipulated)
    suspicious, alert = (_chosen(found, genuine, both, most) for most in (max_false_flags, max_false_alerts))
    thresholds = Thresholds(suspicious.threshold, alert.threshold)
    levels = calibrate(track.labelled(thresholds) for track in found)
    if suspicious.unseen is not None and suspicious.unseen.high > levels.false_flags.high:
        # The evidence counts on people who had no part in the choice.
        levels = evolve(levels, false_flags=suspicious.unseen)
    table = tuple(_point(found, number / BINS) for number in range(1, BINS))
    return DetectorCalibration(suspicious, alert, table, _curve(found), _area(genuine, manipulated), levels)


def lowest_threshold(genuine: NDArray[np.float64], both: NDArray[np.float64], most: float) -> float:
    """Return a threshold that at most that share of genuine scores reaches.

    It lies in the middle between the highest genuine score below it and the next score of any kind, or 1.

    Args:
        genuine: the genuine scores, ascending.
        both: all scores, ascending; one may stand in it more than once.
        most: the share.

    Raises:
        CalibrationError: when more than that share is 1.
    """
    allowed = math.floor(most * len(genuine) * (1 + 1e-12))
    below = float(genuine[len(genuine) - 1 - allowed])
    if below >= 1:
        raise CalibrationError(
            f"no threshold keeps false flags at {most:.3g}: more genuine samples than that have the highest "
            "probability, 1; allow more, or use another detector"
        )
    place = int(np.searchsorted(both, below, "right"))
    above = float(both[place]) if place < len(both) else 1.0
    return _shortest((below + above) / 2, below, above)


def _shortest(value: float, below: float, above: float) -> float:
    """Return the value with no more digits than it takes to stay above `below`, and at most at `above`."""
    for digits in range(2, 17):
        rounded = round(value, digits)
        if below < rounded <= above:
            return rounded
    return value if value > below else above  # neighbouring numbers


def _scores(tracks: Sequence[ScoredTrack], *, manipulated: bool) -> NDArray[np.float64]:
    chosen = [track.verdicts for track in tracks if track.manipulated is manipulated]
    return np.sort(np.array([score for scores in chosen for score in scores], np.float64))


def _chosen(
    tracks: Sequence[ScoredTrack], genuine: NDArray[np.float64], both: NDArray[np.float64], most: float
) -> OperatingPoint:
    point = _point(tracks, lowest_threshold(genuine, both, most))
    return evolve(point, unseen=_unseen(tracks, most))


def _unseen(tracks: Sequence[ScoredTrack], most: float) -> ErrorRate | None:
    genuine, both = _owned(track for track in tracks if not track.manipulated), _owned(tracks)
    errors: list[tuple[str, list[bool]]] = []
    for track in tracks:
        if track.manipulated:
            continue
        others = genuine.without(track.person)
        if not len(others):
            return None
        try:
            threshold = lowest_threshold(others, both.without(track.person), most)
        except CalibrationError:
            return None
        errors.append((track.person, track.errors(threshold)))
    return error_rate(errors)


@frozen(eq=False)
class _OwnedScores:
    """Scores, ascending, and the number of the person of each."""

    scores: NDArray[np.float64]
    owners: NDArray[np.int64]
    numbers: dict[str, int]

    def without(self, person: str) -> NDArray[np.float64]:
        left: NDArray[np.float64] = self.scores[self.owners != self.numbers.get(person, -1)]
        return left


def _owned(tracks: Iterable[ScoredTrack]) -> _OwnedScores:
    numbers: dict[str, int] = {}
    found = [(score, numbers.setdefault(track.person, len(numbers))) for track in tracks for score in track.verdicts]
    found.sort()
    scores, owners = (np.array([pair[part] for pair in found]) for part in (0, 1))
    return _OwnedScores(scores.astype(np.float64), owners.astype(np.int64), numbers)


def _point(tracks: Sequence[ScoredTrack], threshold: float) -> OperatingPoint:
    rates = [
        error_rate((track.person, track.errors(threshold)) for track in tracks if track.manipulated is truth)
        for truth in (True, False)
    ]
    misses, false_flags = rates
    assert misses is not None
    assert false_flags is not None
    return OperatingPoint(threshold, misses, false_flags)


def _curve(tracks: Sequence[ScoredTrack]) -> tuple[ReliabilityPoint, ...]:
    rows = [(score, track.manipulated, track.person) for track in tracks for score in track.verdicts]
    total = sum(manipulated for _, manipulated, _ in rows)
    weight = {True: 1 / total, False: 1 / (len(rows) - total)}
    bins: list[list[tuple[float, bool, str]]] = [[] for _ in range(BINS)]
    for row in rows:
        bins[min(BINS - 1, int(row[0] * BINS))].append(row)
    points: list[ReliabilityPoint] = []
    for inside in filter(None, bins):
        whole = sum(weight[manipulated] for _, manipulated, _ in inside)
        share = sum(weight[manipulated] for _, manipulated, _ in inside if manipulated) / whole
        mean = sum(weight[manipulated] * score for score, manipulated, _ in inside) / whole
        people = len({person for _, _, person in inside})
        low, high = wilson(min(1.0, share), people)
        points.append(ReliabilityPoint(mean, len(inside), people, min(1.0, share), low, high))
    return tuple(points)


def _area(genuine: NDArray[np.float64], manipulated: NDArray[np.float64]) -> float:
    below = np.searchsorted(genuine, manipulated, "left")
    equal = np.searchsorted(genuine, manipulated, "right") - below
    return float((below + equal / 2).sum() / (len(genuine) * len(manipulated)))
