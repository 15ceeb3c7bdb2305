"""A room's budget: what it may be, and how it fills and is spent."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ds_actors.detection.budget import Budget, TokenBuckets


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({}, "a budget needs samples_per_minute, bytes_per_second or both"),
        ({"samples_per_minute": 0}, "samples_per_minute must be a finite number above 0, not 0"),
        ({"samples_per_minute": -1.0}, "samples_per_minute must be"),
        ({"samples_per_minute": math.inf}, "samples_per_minute must be"),
        ({"samples_per_minute": math.nan}, "samples_per_minute must be"),
        ({"samples_per_minute": True}, "samples_per_minute must be"),
        ({"samples_per_minute": "6"}, "samples_per_minute must be"),
        ({"bytes_per_second": 0.0}, "bytes_per_second must be"),
        ({"samples_per_minute": 6, "burst_seconds": 0}, "burst_seconds must be"),
        ({"samples_per_minute": 6, "sample_bytes": 0}, "sample_bytes must be"),
        ({"samples_per_minute": 6, "burst_seconds": 9.9}, "make burst_seconds 10 at least"),
        ({"bytes_per_second": 1_000, "burst_seconds": 10, "sample_bytes": 10_001}, "make one of the three larger"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(figures: dict[str, Any], said: str) -> None:
    """With the figure that is wrong, or what would be right."""
    with pytest.raises(ValueError, match=said):
        Budget(**figures)


@pytest.mark.parametrize(
    "figures",
    [
        {"samples_per_minute": 6, "burst_seconds": 10},
        {"samples_per_minute": 0.1, "burst_seconds": 600},
        {"samples_per_minute": 1, "burst_seconds": 60.0},
        {"bytes_per_second": 1_000, "burst_seconds": 10, "sample_bytes": 10_000},
        {"bytes_per_second": 0.5, "burst_seconds": 2, "sample_bytes": 1},
        {"samples_per_minute": 60, "burst_seconds": 1 - 1e-9},
    ],
)
def test_a_budget_of_exactly_one_sample_may_be_used(figures: dict[str, Any]) -> None:
    """And that sample is affordable at once."""
    assert TokenBuckets(Budget(**figures)).ready_at(5.0) == 5.0


@pytest.mark.parametrize(
    ("budget", "fps"),
    [
        (Budget(samples_per_minute=30), 0.5),
        (Budget(bytes_per_second=200_000), 2.0),
        (Budget(bytes_per_second=200_000, sample_bytes=50_000), 4.0),
        (Budget(samples_per_minute=30, bytes_per_second=200_000), 0.5),
        (Budget(samples_per_minute=300, bytes_per_second=200_000), 2.0),
    ],
)
def test_a_budget_allows_so_many_samples_a_second(budget: Budget, fps: float) -> None:
    """The scarcer of the two decides."""
    assert budget.fps == fps


def test_samples_are_affordable_as_they_accrue() -> None:
    """Two at once, then one every 10 s; what was not spent is kept up to the burst."""
    buckets = TokenBuckets(Budget(samples_per_minute=6, burst_seconds=20))
    for ready in (100.0, 100.0, 110.0):
        assert buckets.ready_at(100.0) == ready
        if ready == 100.0:
            buckets.reserve(100.0)
    assert buckets.ready_at(105.0) == 110.0
    assert buckets.ready_at(104.0) == 109.0  # a clock that goes back brings nothing
    buckets.reserve(110.0)
    for _ in range(2):
        assert buckets.ready_at(500.0) == 500.0
        buckets.reserve(500.0)
    assert buckets.ready_at(500.0) == 510.0


def test_bytes_are_settled_by_what_the_sample_took() -> None:
    """A large sample delays the next by as much as it took more; a small one by less."""
    budget = Budget(bytes_per_second=1_000, burst_seconds=10, sample_bytes=10_000)
    for size, wait in ((10_000, 10.0), (15_000, 15.0), (4_000, 4.0), (0, 0.0)):
        buckets = TokenBuckets(budget)
        buckets.reserve(0.0)
        buckets.settle(size)
        assert buckets.ready_at(0.0) == wait
    buckets.settle(-5_000)
    buckets.reserve(0.0)
    assert buckets.ready_at(0.0) == 10.0  # never more than full


def test_the_scarcer_of_samples_and_bytes_decides_when() -> None:
    """Whichever that is."""
    slow_bytes = TokenBuckets(
        Budget(samples_per_minute=60, bytes_per_second=1_000, burst_seconds=10, sample_bytes=10_000)
    )
    slow_bytes.reserve(0.0)
    assert slow_bytes.ready_at(0.0) == 10.0
    slow_count = TokenBuckets(
        Budget(samples_per_minute=3, bytes_per_second=1_000, burst_seconds=20, sample_bytes=10_000)
    )
    slow_count.reserve(0.0)
    assert slow_count.ready_at(0.0) == 20.0


def test_a_reservation_that_is_given_back_costs_nothing() -> None:
    """Also when the bucket is full meanwhile."""
    buckets = TokenBuckets(Budget(samples_per_minute=6, bytes_per_second=1_000, burst_seconds=10, sample_bytes=10_000))
    buckets.reserve(0.0)
    buckets.give_back()
    assert buckets.ready_at(0.0) == 0.0
    buckets.reserve(0.0)
    assert buckets.ready_at(10.0) == 10.0
    buckets.give_back()
    buckets.reserve(10.0)
    assert buckets.ready_at(10.0) == 20.0


def test_a_billionth_of_a_second_is_no_wait() -> None:
    """So that the rounding of fractions wakes no one."""
    buckets = TokenBuckets(Budget(bytes_per_second=1e9, burst_seconds=1e-9, sample_bytes=1))
    buckets.reserve(5.0)
    assert buckets.ready_at(5.0) == 5.0


def test_one_reservation_that_is_given_back_is_one_sample() -> None:
    """Of two that were made."""
    buckets = TokenBuckets(Budget(samples_per_minute=6, burst_seconds=20))
    for _ in range(2):
        buckets.reserve(0.0)
    buckets.give_back()
    assert buckets.ready_at(0.0) == 0.0
    buckets.reserve(0.0)
    assert buckets.ready_at(0.0) == 10.0


def test_a_reservation_takes_from_what_there_is_by_then() -> None:
    """Also when it was not asked before: a full bucket does not fill behind the sample."""
    buckets = TokenBuckets(Budget(samples_per_minute=6, burst_seconds=10))
    assert buckets.ready_at(0.0) == 0.0
    buckets.reserve(100.0)
    assert buckets.ready_at(100.0) == 110.0


def test_a_budget_may_begin_empty() -> None:
    """At a time of its own."""
    buckets = TokenBuckets(
        Budget(samples_per_minute=6, bytes_per_second=1_000, burst_seconds=10, sample_bytes=5_000), since=50.0
    )
    assert buckets.ready_at(50.0) == 60.0
    assert buckets.ready_at(56.0) == 60.0
    assert TokenBuckets(Budget(samples_per_minute=6, burst_seconds=10), since=50.0).ready_at(56.0) == 60.0
    by_bytes = TokenBuckets(Budget(bytes_per_second=1_000, burst_seconds=10, sample_bytes=5_000), since=50.0)
    assert by_bytes.ready_at(50.0) == 55.0
