"""Which sampling and evidence suit a judge, a budget and a bound on false alarms. Pure.

A choice is simulated in a room whose tracks are manipulated now and then; its normal rate is then scaled, so that the
whole takes the budget: see `search.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import le
from typing import Final

from attrs import evolve, fields, frozen

from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import MAX_FPS, EvidenceSampling
from ds_actors.simulation.outcome import Outcome
from ds_actors.simulation.statistics import rate_interval

_UNDECIDED: Final = ((2.0, None), (4.0, None), (8.0, None), (20.0, 3))
"""Samples per second while undecided, and the most that wait for their answers."""
_CLEAR_BELOW: Final = (0.05, 0.1)
_OVERSHOOT: Final = (1.0, 3.0)
"""The last flag overshoots the bound of the evidence, so that a laxer one may keep the target as well."""


@frozen
class Wish:
    """What is known of the judge, and what is wanted.

    Args:
        evidence: the judge's rates, and the most false alarms per hour and track.
        budget: samples per second and track.
        latency: seconds from a sample to its answer.

    Raises:
        ValueError: when the budget is not above 0 or above 30, or the latency is negative.
    """

    evidence: Evidence
    budget: float
    latency: float = 0.3

    def __attrs_post_init__(self) -> None:
        if not 0 < self.budget <= MAX_FPS:
            raise ValueError(f"the budget must be above 0, {MAX_FPS:g} samples per second at most, not {self.budget:g}")
        if not 0 <= self.latency <= 60:
            raise ValueError(f"the latency must be from 0 to 60 seconds, not {self.latency:g}")


@frozen
class Choice:
    """One way to sample and to weigh."""

    normal_fps: float
    undecided_fps: float
    evidence: Evidence
    unanswered: int | None = None

    def policy(self) -> EvidenceSampling:
        """Return a policy for one track."""
        return EvidenceSampling(self.normal_fps, self.undecided_fps, self.normal_fps, unanswered=self.unanswered)

    def scaled(self, factor: float) -> Choice:
        """Return the choice at another normal rate, which stays within its bounds."""
        return evolve(self, normal_fps=min(self.undecided_fps, max(0.001, float(f"{self.normal_fps * factor:.4g}"))))

    @property
    def name(self) -> str:
        """The choice in a table."""
        evidence = self.evidence
        return (
            f"evidence, {self.normal_fps:g}/{self.undecided_fps:g} fps{self._ahead},"
            f" clear_below={evidence.clear_below:g}, max_false_alarms={evidence.max_false_alarms:g}"
        )

    @property
    def _ahead(self) -> str:
        return "" if self.unanswered is None else f", unanswered={self.unanswered}"

    @property
    def code(self) -> str:
        """The arguments of a monitor or detector."""
        evidence = self.evidence
        usual, judge = Evidence(), ("misses", "false_flags", "max_false_alarms")
        figures = ", ".join(
            f"{attribute.name}={getattr(evidence, attribute.name):g}"
            for attribute in fields(Evidence)
            if attribute.name in judge or getattr(evidence, attribute.name) != getattr(usual, attribute.name)
        )
        fps = f"normal_fps={self.normal_fps:g}, undecided_fps={self.undecided_fps:g}, alert_fps={self.normal_fps:g}"
        return f"sampling=lambda: EvidenceSampling({fps}{self._ahead}),\nassessment=Evidence({figures}),"


@frozen
class Tried:
    """A choice with its outcome."""

    choice: Choice
    outcome: Outcome

    @property
    def cost(self) -> float:
        """Samples per second and track."""
        return self.outcome.sent / self.outcome.seconds / self.outcome.tracks

    def keeps(self, wish: Wish) -> bool:
        """Return whether it stays within budget and target: by the evidence's own bound, or by what was counted."""
        _, high = rate_interval(self.outcome.false_alarms, self.outcome.genuine_hours)
        target = wish.evidence.max_false_alarms
        return self.cost <= 1.01 * wish.budget and min(self.choice.evidence.max_false_alarms, high) <= target

    @property
    def delays(self) -> tuple[float, float]:
        """The median and p90 of the time to an alert, infinite where fewer led to one."""
        median, p90 = self.outcome.alarm_quantile(0.5), self.outcome.alarm_quantile(0.9)
        return (float("inf") if median is None else median), (float("inf") if p90 is None else p90)


def choices(wish: Wish) -> list[Choice]:
    """Return what is worth trying; the normal rates are a first guess."""
    found: list[Choice] = []
    for overshoot in _OVERSHOOT:
        for clear_below in _CLEAR_BELOW:
            target = float(f"{overshoot * wish.evidence.max_false_alarms:.4g}")
            try:
                evidence = evolve(wish.evidence, max_false_alarms=target, clear_below=clear_below)
            except ValueError:  # an alarm would begin where a track is still clear
                continue
            for undecided, unanswered in _UNDECIDED:
                looks = min(1 + undecided * wish.latency, unanswered or math.inf)
                normal = wish.budget / (1 + wish.evidence.false_flags * looks)
                rates = min(normal, max(undecided, wish.budget)), max(undecided, wish.budget)
                found.append(Choice(*rates, evidence, unanswered))
    return list(dict.fromkeys(found))


def best(tried: Sequence[Tried], wish: Wish) -> Tried | None:
    """Return the one that alerts soonest within budget and target; None when none keeps them."""
    return min((each for each in tried if each.keeps(wish)), key=lambda each: (*each.delays, each.cost), default=None)


def frontier(tried: Sequence[Tried], found: Tried | None = None) -> list[Tried]:
    """Return `found`, and those that no other one beats in cost, delay and false alarms at once, the cheapest first."""
    figures = [(each.cost, each.delays[0], each.outcome.false_alarm_rate) for each in tried]

    def beaten(own: tuple[float, float, float]) -> bool:
        return any(other != own and all(map(le, other, own)) for other in figures)

    kept = [each for number, each in enumerate(tried) if each is found or not beaten(figures[number])]
    return sorted(kept, key=lambda each: each.cost)
