"""Jitter: its bounds, its key, and what it does to a participant who evades a fixed grid."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Jitter,
    SampleDue,
    SamplingPolicy,
    Started,
)
from ds_actors.sandbox import load_script
from ds_actors.simulation import Outcome, Simulation

EVADER = Path(__file__).parents[3] / "examples" / "evader.toml"


def due_times(policy: SamplingPolicy, count: int = 200, begin: float = 0.0) -> list[float]:
    found = [policy.on(Started(Level.CLEAR), begin).due or 0.0]
    while len(found) < count:
        found.append(policy.on(SampleDue(), found[-1]).due or 0.0)
    return found


def test_the_draws_of_a_key_stay_the_same_in_later_versions() -> None:
    """A recording can be replayed with any of them."""
    jitter = Jitter(0.5, b"a")
    assert [jitter.draw() for _ in range(3)] == [0.6262677465017794, 1.0654724981717243, 1.3389994169420942]


def test_without_a_share_every_interval_is_exact() -> None:
    """Whatever the key is."""
    jitter = Jitter(0, b"a")
    assert [jitter.draw() for _ in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("size", [0, 65])
def test_a_key_has_1_to_64_bytes(size: int) -> None:
    """As many as its hash takes; the error shows none of them."""
    with pytest.raises(ValueError, match=f"must have 1 to 64 bytes, not {size}$"):
        Jitter(0.5, bytes(size))
    for fits in (1, 64):
        Jitter(0.5, bytes(fits)).draw()


@given(st.floats(0.01, 0.9), st.binary(min_size=1, max_size=64))
def test_intervals_differ_by_their_share_at_most_and_keep_their_mean(share: float, key: bytes) -> None:
    """Of 200 intervals at 0.2 fps."""
    policy = AdaptiveSampling(0.2, 1.0, jitter=Jitter(share, key))
    gaps = [after - before for before, after in itertools.pairwise(due_times(policy))]
    assert 5 * (1 - share) - 1e-6 <= min(gaps) < max(gaps) <= 5 * (1 + share) + 1e-6
    assert sum(gaps) / len(gaps) == pytest.approx(5, abs=5 * 5 * share / math.sqrt(3 * len(gaps)))


def test_a_key_gives_the_same_intervals_and_another_key_others() -> None:
    """At any origin of the clock; without a key the process has one of its own."""
    times = due_times(AdaptiveSampling(jitter=Jitter(0.5, b"a")))
    assert due_times(AdaptiveSampling(jitter=Jitter(0.5, b"a"))) == times
    assert due_times(AdaptiveSampling(jitter=Jitter(0.5, b"b"))) != times
    assert due_times(AdaptiveSampling(jitter=0.5)) == due_times(AdaptiveSampling(jitter=0.5))
    shifted = due_times(AdaptiveSampling(jitter=Jitter(0.5, b"a")), begin=1e6)
    assert [time - 1e6 for time in shifted] == pytest.approx(times)
    assert "secret" not in repr(AdaptiveSampling(jitter=Jitter(0.5, b"secret")))


def test_a_key_draws_the_same_in_every_version() -> None:
    """So that what was recorded plays again as it was; a share of 0 draws the mean itself."""
    jitter = Jitter(0.5, b"key")
    assert [jitter.draw() for _ in range(3)] == pytest.approx(
        [0.944785553740670, 0.794572007253649, 0.920943633780930], abs=1e-12
    )
    assert Jitter().draw() == 1.0


@pytest.mark.parametrize("share", [-0.1, 0.91, math.nan, True])
def test_a_share_outside_its_bounds_is_refused(share: float) -> None:
    """The error names the bounds."""
    with pytest.raises(ValueError, match=r"jitter must be a number from 0 to 0\.9"):
        AdaptiveSampling(jitter=share)


def evaded(share: float) -> Outcome:
    policy = AdaptiveSampling(0.2, 0.2, jitter=Jitter(share, b"secret"))
    factory = lambda: AdaptiveSampling(policy.normal_fps, policy.burst_fps, jitter=policy.jitter)  # noqa: E731
    simulation = Simulation(load_script(EVADER, room={"seconds": 900}), factory, "policy", random.Random(1).random)
    simulation.run()
    return simulation.outcome()


def test_who_evades_a_fixed_grid_is_found_with_jitter() -> None:
    """At equal rates: never without jitter, and with it about as often as by random (Poisson) sampling, or more."""
    exact, jittered = evaded(0.0), evaded(0.9)
    assert not exact.found
    assert jittered.sent == pytest.approx(exact.sent, rel=0.05)
    poisson = 1 - math.exp(-0.2 * 4)
    assert len(jittered.found) / len(jittered.detections) > 0.9 * poisson


def test_who_sees_each_sample_and_evades_the_next_is_found_less_often_than_by_random_sampling() -> None:
    """For the 4 s after it: (0.8 - 0.1) / 1.8 of the intervals are shorter; random ones are with 1 - e^-0.8."""
    times = due_times(AdaptiveSampling(0.2, 0.2, jitter=Jitter(0.9, b"secret")), 5_000)
    shorter = sum(after - before < 4 for before, after in itertools.pairwise(times)) / (len(times) - 1)
    assert shorter == pytest.approx(0.7 / 1.8, abs=0.03)
    assert shorter < 1 - math.exp(-0.8)
