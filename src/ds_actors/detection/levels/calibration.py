"""How often a judge errs, estimated from answers to samples whose truth is known. Pure.

Errors belong to a person, a camera or a light rather than to a frame, so people are the witnesses: the variance of a
rate comes from the differences between people, and its interval is Wilson's with the effective number of samples.
Neighbouring samples of a track say for how many seconds errors resemble each other.

Sources: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (Journal of the American
Statistical Association 22, 1927); Cochran, "Sampling Techniques" (1977), section 3.12, for the variance of a rate over
clusters; Dean, Pagano, "Evaluating Confidence Interval Methods for Binomial Proportions in Clustered Surveys" (Journal
of Survey Statistics and Methodology 3, 2015), for Wilson's interval with the effective number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, cast

from attrs import fields, frozen

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.toml_text import TomlError, load_toml

Z_95: Final = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""
_LEAST_CORRELATION: Final = 0.05
"""A correlation of neighbouring errors below this is taken for none."""
_MOST_SAMPLES: Final = 10_000_000
"""Samples of one segment of a scan that are taken, so that a file that claims more does not fill the memory."""


class CalibrationError(ValueError):
    """The answers, or a file of figures, cannot be used; the message says why and what to do."""


@frozen
class LabelledTrack:
    """The answers to one file or track, all of whose samples are genuine, or all manipulated.

    Args:
        person: whose errors these are: the cluster. Several tracks may have the same.
        manipulated: the truth.
        verdicts: the answers in order; errors and unknown answers count as no verdict.
        fps: samples per second.
    """

    person: str
    manipulated: bool
    verdicts: Sequence[Level]
    fps: float

    @property
    def errors(self) -> list[bool]:
        """For each verdict, whether it is wrong: a flag on a genuine sample, or clear on a manipulated one."""
        return [verdict.elevated is not self.manipulated for verdict in self.verdicts if verdict.is_verdict]


@frozen
class ErrorRate:
    """A share of wrong verdicts, with what it rests on."""

    errors: int
    samples: int
    people: int
    effective: float
    """The number of independent samples that would say as much."""
    share: float
    low: float
    """The interval of 95 %, for people that are not among these."""
    high: float


@frozen
class Calibration:
    """What labelled answers say of a judge."""

    misses: ErrorRate
    false_flags: ErrorRate
    correlated_for: float
    """Seconds over which errors of a track resemble each other; 0 when neighbouring ones do not."""

    def evidence(self, **figures: float) -> Evidence:
        """Return the parameters of the evidence, with others of your own.

        The rate of misses is the estimate; that of false flags is the upper end of its interval, because a rate that is
        too high only makes alerts slower, and one that is too low accuses people.

        Raises:
            ValueError: when the judge may be no better than chance; see `Evidence`.
        """
        estimate = (self.misses.errors + 0.5) / (self.misses.samples + 1)  # never 0 or 1
        found: dict[str, float] = {"misses": estimate, "false_flags": self.false_flags.high}
        if self.correlated_for > 0:
            found["correlated_for"] = self.correlated_for
        return Evidence(**{**found, **figures})

    def toml(self) -> str:
        """Return a file that `parse_evidence` reads, with what the figures rest on as comments."""
        return f"# What labelled answers say of the judge; `ds-actors calibrate` wrote it.\n{self.toml_table()}"

    def toml_table(self) -> str:
        """Return the table [evidence] of such a file."""
        evidence = self.evidence()
        lines = ["[evidence]"]
        for name, rate in (("misses", self.misses), ("false_flags", self.false_flags)):
            lines.append(f"{name} = {getattr(evidence, name):.4g}   # {rate_text(rate)}")
        if self.correlated_for > 0:
            lines.append(f"correlated_for = {self.correlated_for:.4g}   # seconds")
        return "\n".join([*lines, ""])


def rate_text(rate: ErrorRate) -> str:
    """Return a rate as one line: the share, its interval, and what it rests on."""
    return (
        f"{rate.share:.2%} [{rate.low:.2%}, {rate.high:.2%}]: {rate.errors} of {rate.samples} samples,"
        f" {people_text(rate.people)}, worth {rate.effective:.0f} independent samples"
    )


def people_text(count: int) -> str:
    """Return so many people in words."""
    return "1 person" if count == 1 else f"{count:,} people"


def calibrate(tracks: Iterable[LabelledTrack]) -> Calibration:
    """Return the rates at which a judge errs.

    Raises:
        CalibrationError: when genuine or manipulated verdicts are missing.
    """
    by_truth: dict[bool, list[LabelledTrack]] = {True: [], False: []}
    for track in tracks:
        by_truth[track.manipulated].append(track)
    misses, false_flags = _rate(by_truth[True], "manipulated"), _rate(by_truth[False], "genuine")
    return Calibration(misses, false_flags, max(map(_correlated_for, by_truth.values())))


def parse_evidence(text: str, **figures: float) -> Evidence:
    """Return the parameters in a TOML file's table [evidence], with others of your own, which come first.

    Raises:
        CalibrationError: when the text is not such a file, or a figure is invalid.
    """
    try:
        found: Any = load_toml(text).get("evidence")
    except TomlError as error:
        raise CalibrationError(str(error)) from error
    known = [attribute.name for attribute in fields(Evidence)]
    if not isinstance(found, dict):
        raise CalibrationError("the file has no table [evidence]; `ds-actors calibrate` writes one")
    table = cast("dict[str, Any]", found)
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise CalibrationError(f"[evidence] has {unknown[0]!r}, which is not known; known are {', '.join(known)}")
    try:
        return Evidence(**{**table, **figures})
    except ValueError as error:
        raise CalibrationError(f"[evidence]: {error}") from error


def labelled(scan: Mapping[str, Any], *, manipulated: bool, person: str | None = None) -> LabelledTrack:
    """Return the answers of one line of `ds-actors scan --json`, all of whose samples have that truth.

    Args:
        scan: the decoded line.
        manipulated: the truth.
        person: whose errors these are; by default each file is one person.

    Raises:
        CalibrationError: when the line was not written by a scan.
    """
    try:
        verdicts = [
            Level(segment["level"])
            for segment in scan["segments"]
            for _ in range(min(int(segment["samples"]), _MOST_SAMPLES))
        ]
        return LabelledTrack(str(scan["file"]) if person is None else person, manipulated, verdicts, float(scan["fps"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f"this is no line of `ds-actors scan --json`: {type(error).__name__}: {error}"
        ) from error


def _rate(tracks: Sequence[LabelledTrack], truth: str) -> ErrorRate:
    rate = error_rate((track.person, track.errors) for track in tracks)
    if rate is None:
        raise CalibrationError(f"there is no verdict on a {truth} sample; genuine and manipulated ones are needed")
    return rate


def error_rate(tracks: Iterable[tuple[str, Sequence[bool]]]) -> ErrorRate | None:
    """Return how often verdicts are wrong, from each track's person and errors; None without any verdict."""
    people: dict[str, tuple[int, int]] = {}
    for person, errors in tracks:
        wrong, samples = people.get(person, (0, 0))
        if errors:
            people[person] = wrong + sum(errors), samples + len(errors)
    samples, wrong = sum(count for _, count in people.values()), sum(bad for bad, _ in people.values())
    if not samples:
        return None
    share, count = wrong / samples, len(people)
    spread = sum((bad - share * each) ** 2 for bad, each in people.values())
    variance = count / (count - 1) * spread / samples**2 if count > 1 else 0.0
    # Without a spread nothing is known of the differences between people: each of them is one witness.
    effective = min(float(samples), share * (1 - share) / variance) if variance else float(count)
    low, high = wilson(share, effective)
    return ErrorRate(wrong, samples, count, effective, share, low, high)


def wilson(share: float, samples: float) -> tuple[float, float]:
    """Return Wilson's interval of 95 % for a share of that many independent samples."""
    square = Z_95 * Z_95
    middle = (share + square / (2 * samples)) / (1 + square / samples)
    half = Z_95 / (1 + square / samples) * math.sqrt(share * (1 - share) / samples + square / (4 * samples**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _correlated_for(tracks: Sequence[LabelledTrack]) -> float:
    """Return the longest time constant among the sampling rates: with r = e^(-t / constant) at one interval t."""
    rates: dict[float, list[list[bool]]] = {}
    for track in tracks:
        if errors := track.errors:
            rates.setdefault(track.fps, []).append(errors)
    constants = [0.0]
    for fps, found in rates.items():
        alike = _alike(found)
        if alike > _LEAST_CORRELATION:
            constants.append(-1 / fps / math.log(min(alike, 0.999)))
    return max(constants)


def _alike(tracks: Sequence[Sequence[bool]]) -> float:
    """Return the correlation of neighbouring errors; 0 when all are the same, which says nothing of how long they last.

    Their share is that of these tracks: those at another rate may be other people's.
    """
    every = [error for errors in tracks for error in errors]
    share = sum(every) / len(every)
    pairs = [(here - share, there - share) for errors in tracks for here, there in pairwise(errors)]
    square = sum(here * here + there * there for here, there in pairs) / 2
    return sum(here * there for here, there in pairs) / square if square else 0.0
