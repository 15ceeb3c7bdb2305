"""What the benchmarks share: rounds in alternating order, a ratio per round, the median of the ratios.

Every figure is CPU time of this process (`time.process_time`), so a busy machine disturbs little; a ratio is
always of two figures of the same round. Each yardstick gets one table row, with its goal and the verdict.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Mapping

from attrs import frozen

Contestant = Callable[[], float]
"""Runs once and returns its cost per operation (CPU seconds, or bytes)."""


@frozen
class Goal:
    """How `ours` should compare with one yardstick; a figure without `most` and `faster` is for information."""

    yardstick: str
    most: float | None = None
    """Ours costs at most this many times the yardstick."""
    faster: float | None = None
    """Ours is at least this many times as fast as the yardstick."""


def compare(
    what: str,
    ours: Contestant,
    others: Mapping[str, Contestant],
    goals: tuple[Goal, ...],
    *,
    rounds: int,
    unit: tuple[float, str] = (1e6, "us"),
) -> None:
    """Measure all contestants `rounds` times, in alternating order, and print one row per goal."""
    everyone = {"ds-actors": ours, **others}
    costs: dict[str, list[float]] = {name: [] for name in everyone}
    for contestant in everyone.values():
        contestant()  # warm
    for number in range(rounds):
        for name, contestant in sorted(everyone.items(), reverse=bool(number % 2)):
            gc.collect()
            costs[name].append(contestant())
    scale, word = unit
    print(f"{what}: ds-actors {statistics.median(costs['ds-actors']) * scale:.2f} {word}")
    for goal in goals:
        if goal.yardstick not in costs:
            print(f"  against {goal.yardstick:<44} not measured here: it is not installed")
            continue
        theirs = costs[goal.yardstick]
        ratios = [our / their for our, their in zip(costs["ds-actors"], theirs, strict=True)]
        cost = f"{statistics.median(theirs) * scale:8.2f} {word}"
        print(f"  against {goal.yardstick:<44} {cost}   {verdict(goal, ratios)}")


def verdict(goal: Goal, ratios: list[float]) -> str:
    """Return the median ratio as the goal puts it, its range, and whether the goal is met."""
    if goal.faster is not None:
        speeds = [1 / ratio for ratio in ratios]
        median = statistics.median(speeds)
        text, wanted, met = f"{median:.2f} times as fast", f"{goal.faster:g} or more", median >= goal.faster
        low, high = min(speeds), max(speeds)
    else:
        median = statistics.median(ratios)
        if goal.most is None:
            return f"{median:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
        text, wanted, met = f"{median:.2f} times", f"{goal.most:g} or less", median <= goal.most
        low, high = min(ratios), max(ratios)
    return f"{text} ({low:.2f} to {high:.2f}; goal: {wanted}, {'met' if met else 'NOT met'})"


def rounds(default: int) -> int:
    """Return the number of rounds: the first argument of the command line, or `default`."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else default
