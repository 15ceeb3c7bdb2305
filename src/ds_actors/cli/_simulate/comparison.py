"""Which of the simulated policies did best, and what the others' samples bought. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ds_actors._text import counted, plain
from ds_actors.simulation import Outcome

LEGEND: Final = (
    "samples, MB   sent in all",
    "/min          samples per minute and track",
    "dropped       samples that were due and not sent",
    "found         manipulations that an answer reported while they lasted, of all",
    "median, p99   time within which half and 99 % of all manipulations were found",
    "fairness      1.000 when every participant's due samples were sent to the same share",
    "gap           the longest time that any track went without a sample",
)
"""What the columns of the table mean."""
NAME_LIMIT: Final = 80


def winner_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the outcome that finds the most manipulations; ties go to the lower median, p99, then to fewer samples.

    A single policy, or nothing to find, has no winner.
    """
    if len(outcomes) < 2 or not any(outcome.detections for outcome in outcomes):
        return None
    return min(outcomes, key=_rank)


def compare(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the winner, and how each other policy differs from it; nothing without a contest."""
    best = winner_of(outcomes)
    if best is None:
        return []
    found = f"{len(best.found)} of {len(best.detections)} found"
    winner = f"winner: {plain(best.policy, NAME_LIMIT)}: {found}, half within {_seconds(best.quantile(0.5))}"
    others = (_difference(outcome, best) for outcome in outcomes if outcome is not best)
    return [f"{winner}, for {counted(best.sent, 'sample')}", *others]


def _rank(outcome: Outcome) -> tuple[float, ...]:
    median, slowest = outcome.quantile(0.5), outcome.quantile(0.99)
    return (
        -len(outcome.found),
        math.inf if median is None else median,
        math.inf if slowest is None else slowest,
        outcome.sent,
    )


def _difference(outcome: Outcome, best: Outcome) -> str:
    times = f"{outcome.sent / best.sent:.2f} times its samples" if best.sent else counted(outcome.sent, "sample")
    missed = len(best.found) - len(outcome.found)
    found = f"{missed} fewer found" if missed else "as many found"
    return (
        f"        {plain(outcome.policy, NAME_LIMIT)}: {times}, {found}, half within {_seconds(outcome.quantile(0.5))}"
    )


def _seconds(value: float | None) -> str:
    return "no known time" if value is None else f"{value:.2f} s"
