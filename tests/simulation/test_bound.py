"""The soonest that any policy can alert."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.simulation.bound import soonest_alert

rates, misses, shares = st.floats(0.01, 30), st.floats(0, 0.9), st.floats(0.01, 0.99)


def test_the_median_and_p90_of_a_fifth_of_a_sample_per_second() -> None:
    """0.625 intervals until half of all manipulations are flagged, 1.625 until 90 % are, and two latencies."""
    assert soonest_alert(0.2, 0.2, 0.3) == pytest.approx(0.625 * 5 + 0.6)
    assert soonest_alert(0.2, 0.2, 0.3, 0.9) == pytest.approx(1.625 * 5 + 0.6)


@given(rates, misses, shares)
def test_more_samples_a_better_judge_and_a_smaller_share_are_sooner(rate: float, miss: float, share: float) -> None:
    """Each by itself."""
    here = soonest_alert(rate, miss, 0.1, share)
    assert soonest_alert(rate * 2, miss, 0.1, share) < here
    assert soonest_alert(rate, miss / 2, 0.1, share) <= here
    assert soonest_alert(rate, miss, 0.1, share / 2) < here


@pytest.mark.parametrize("irregular", [0.0, 0.5, 1.0])
def test_no_spacing_of_the_samples_is_sooner(irregular: float) -> None:
    """Equal intervals reach the bound; intervals that vary, and pairs, stay above it."""
    draw, delays = random.Random(1).random, list[float]()
    for _ in range(4_000):
        begins, now = 50 + 50 * draw(), draw()
        while now < begins or draw() < 0.2:
            now += 1 + irregular * (2 * draw() - 1)
        delays.append(now - begins)
    median = sorted(delays)[len(delays) // 2]
    bound = soonest_alert(1.0, 0.2, 0.0)
    assert median > bound - 0.04
    assert irregular or median < bound + 0.04


@pytest.mark.parametrize(
    "figures", [(0.0, 0.2, 0.3, 0.5), (0.2, 1.0, 0.3, 0.5), (0.2, 0.2, -1.0, 0.5), (0.2, 0.2, 0.3, 1.0)]
)
def test_figures_without_a_bound_are_refused(figures: tuple[float, float, float, float]) -> None:
    """The error shows them."""
    with pytest.raises(ValueError, match="must be"):
        soonest_alert(*figures)
