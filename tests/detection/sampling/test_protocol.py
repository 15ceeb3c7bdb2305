"""What a policy promises, and which figures one may have."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ds_actors.detection.budget import Budget
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Plan,
    Promise,
    SamplingEvent,
    check_fps,
    check_quality,
    check_seconds,
    make_policy,
)

PROMISE = Promise(4.0, 0.5, 0.5, 10.0, Budget(samples_per_minute=60), frames_between=True, settles_after=3)


def test_the_longest_gap_is_the_floors_interval() -> None:
    """With jitter, its longest one."""
    assert PROMISE.longest_gap == 2.0
    assert PROMISE.jittered(0.25).longest_gap == 2.5


def test_jitter_makes_a_promise_wider_by_its_share() -> None:
    """Intervals may be that much shorter or longer; what is not an interval stays, and without jitter all does."""
    promise = PROMISE.jittered(0.5)
    assert promise == Promise(8.0, 0.5, 0.75, 15.0, PROMISE.budget, True, spread=0.5, settles_after=3)
    assert PROMISE.jittered(0.0) is PROMISE


def test_no_jitter_promises_more_samples_than_any_policy_may_take() -> None:
    """30 a second."""
    assert Promise(20.0, 1.0, 1.0, 1.0).jittered(0.5).ceiling_fps == 30.0


@pytest.mark.parametrize("rate", [1, 0.001, 30])
def test_a_rate_is_a_float_above_0_and_at_most_30(rate: float) -> None:
    """An integer is one too."""
    assert check_fps("fps", rate) == rate
    assert type(check_fps("fps", rate)) is float


@pytest.mark.parametrize("bad", [0, -1, 30.001, math.inf, math.nan, True, False])
def test_what_is_no_rate_is_refused_by_its_name(bad: float) -> None:
    """Also a truth value, which Python takes for a number."""
    with pytest.raises(ValueError, match=r"^fps must be a finite number above 0 and at most 30, not "):
        check_fps("fps", bad)


@pytest.mark.parametrize("seconds", [1, 0.001, 1e9])
def test_seconds_are_a_finite_float_above_0(seconds: float) -> None:
    """However long."""
    assert check_seconds("hold", seconds) == seconds
    assert type(check_seconds("hold", seconds)) is float


@pytest.mark.parametrize("bad", [0, -1, math.inf, math.nan, True])
def test_what_is_no_length_of_time_is_refused_by_its_name(bad: float) -> None:
    """Infinity too: nothing would ever end."""
    with pytest.raises(ValueError, match=r"^hold must be a finite number of seconds above 0, not "):
        check_seconds("hold", bad)


def test_a_quality_is_an_integer_from_0_to_100() -> None:
    """Both ends are."""
    assert [check_quality(quality) for quality in (0, 1, 75, 100)] == [0, 1, 75, 100]
    bad: Any
    for bad in (-1, 101, 75.0, True):
        with pytest.raises(ValueError, match="quality must be an integer from 0 to 100"):
            check_quality(bad)


class Promising:
    """A policy but for its events."""

    promise = PROMISE


class Planning:
    """A policy but for its promise."""

    def on(self, _event: SamplingEvent, _now: float, /) -> Plan:
        return Plan(None, "never")


class Told(Promising):
    """Its events are no function."""

    on = None


def test_a_factory_makes_a_policy_for_each_track() -> None:
    """One of its own."""
    first, second = make_policy(AdaptiveSampling), make_policy(AdaptiveSampling)
    assert isinstance(first, AdaptiveSampling)
    assert first is not second


@pytest.mark.parametrize("kind", [Promising, Planning, Told, object])
def test_what_lacks_a_part_of_a_policy_is_refused_by_the_name_of_its_class(kind: Any) -> None:
    """A promise and events, both are needed."""
    with pytest.raises(TypeError, match=f"^{kind.__name__} is not a sampling policy"):
        make_policy(kind)


def test_a_policy_where_a_factory_belongs_is_refused_with_what_to_pass() -> None:
    """All tracks would share it."""
    policy: Any = AdaptiveSampling()
    with pytest.raises(TypeError, match=r"pass a factory, as in lambda: AdaptiveSampling\(\.\.\.\)"):
        make_policy(policy)
