"""Intervals for what a simulation counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.simulation.statistics import quantile_interval, rate_interval


@given(st.integers(0, 10_000), st.floats(0.1, 1e5))
def test_the_interval_of_a_rate_contains_the_rate(count: int, exposure: float) -> None:
    """For any count; an empty count still has an upper bound."""
    low, high = rate_interval(count, exposure)
    assert low <= count / exposure < high


def test_the_interval_of_a_rate_is_the_exact_one_within_a_percent() -> None:
    """Exact Poisson intervals, from tables: from five events on within a hundredth."""
    for count, exact_low, exact_high in ((5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.364, 121.627)):
        assert rate_interval(count, 1.0) == pytest.approx((exact_low, exact_high), rel=0.01)
    assert rate_interval(0, 1.0) == pytest.approx((0.0, 3.689), rel=0.01)


def test_a_quantile_beyond_the_known_delays_has_no_bound() -> None:
    """Of 100 manipulations 95 were found: p99 has no upper bound, and the median has both."""
    delays = [float(number) for number in range(95)]
    assert quantile_interval(delays, 100, 0.99)[1] is None
    low, high = quantile_interval(delays, 100, 0.5)
    assert low is not None
    assert high is not None
    assert low < 49 < high


def test_the_interval_of_a_single_event_begins_too_low() -> None:
    """The approximation is worst there: its lower bound is half of the exact one, and its upper bound is right."""
    low, high = rate_interval(1, 1.0)
    assert low == pytest.approx(0.0253 / 2, rel=0.05)
    assert high == pytest.approx(5.572, rel=0.01)


def test_an_interval_is_per_unit_of_exposure() -> None:
    """An hour with ten events, or ten hours with as many."""
    low, high = rate_interval(10, 1.0)
    assert rate_interval(10, 10.0) == pytest.approx((low / 10, high / 10))


@pytest.mark.parametrize("exposure", [0.0, -1.0, math.nan])
def test_a_rate_needs_an_exposure(exposure: float) -> None:
    """The error shows what came instead."""
    with pytest.raises(ValueError, match=f"the exposure must be above 0, not {exposure}"):
        rate_interval(1, exposure)


def test_the_interval_of_a_quantile_lies_between_two_of_the_delays() -> None:
    """Of 100 delays the median is between the 40th and the 61st, as tables say; the first is the least there is."""
    delays = [float(number) for number in range(1, 101)]
    assert quantile_interval(delays, 100, 0.5) == (40.0, 61.0)
    assert quantile_interval(delays, 100, 0.9) == (84.0, 97.0)
    assert quantile_interval(delays, 100, 0.01) == (1.0, 4.0)


def test_a_bound_is_known_as_long_as_its_delay_is() -> None:
    """The last known delay is one."""
    delays = [float(number) for number in range(1, 62)]
    assert quantile_interval(delays, 100, 0.5) == (40.0, 61.0)
    assert quantile_interval(delays[:-1], 100, 0.5) == (40.0, None)
    assert quantile_interval([], 0, 0.5) == (None, None)
