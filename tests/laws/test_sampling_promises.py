"""What a sampling policy promises of itself decides what the laws ask of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from attrs import define, evolve, field
from broken_policies import Sound

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Grid,
    Jitter,
    Plan,
    Promise,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    Started,
    Verdict,
)
from ds_actors.testing import LawBroken, check_sampling_policy
from ds_actors.testing._steady import drifts


@define
class Patient:
    """Settles only after three clear answers in a row."""

    inner: AdaptiveSampling = field(factory=AdaptiveSampling)
    clears: int = 3

    @property
    def promise(self) -> Promise:
        return evolve(self.inner.promise, settles_after=3)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        match event:
            case Started(level):
                self.clears = 0 if level.elevated else 3
            case Verdict(level) if level.is_verdict:
                self.clears = 0 if level.elevated else self.clears + 1
                if self.clears < 3:
                    return self.inner.on(event if level.elevated else SampleSent(), now)
            case _:
                pass
        return self.inner.on(event, now)


@define
class Irregular:
    """Varies its own interval from 80 % to 120 %."""

    grid: Grid = field(factory=lambda: Grid(0.5, Jitter(0.2, b"key")))

    @property
    def promise(self) -> Promise:
        return Promise(0.5, 0.5, 2.0, 2.0).jittered(0.2)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return self.grid.on(event, now, 0.5, "irregular")


@pytest.mark.parametrize("factory", [Patient, Irregular])
def test_a_promise_can_express_jitter_and_a_number_of_clear_answers(factory: Callable[[], SamplingPolicy]) -> None:
    """Both are correct, and both are accepted."""
    check_sampling_policy(factory, examples=200)


@pytest.mark.parametrize("factory", [Patient, Irregular])
def test_without_that_promise_the_same_policy_breaks_a_law(factory: Callable[[], SamplingPolicy]) -> None:
    """So the promise is what makes the difference."""

    class Unsaid(Sound):
        @property
        def promise(self) -> Promise:
            return evolve(self.inner.promise, spread=0.0, settles_after=1)

    with pytest.raises(LawBroken):
        check_sampling_policy(lambda: Unsaid(factory()), examples=200)


class Promising(Sound):
    """Sound, except for its promise."""

    told: ClassVar[Any] = None

    @property
    def promise(self) -> Any:
        return self.told


@pytest.mark.parametrize(
    ("promise", "why"),
    [
        ("fast", "promise is 'fast', not a Promise"),
        (Promise(0.2, 1.0, 5.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(1.0, 0.2, 1.0, 5.0, settles_after=0), "settles_after is a number of clear verdicts, 1 or more"),
        (Promise(1.0, 0.2, 1.0, 5.0, spread=1.0), "spread is the share by which an interval differs"),
        (Promise(1.0, 0.0, 1.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(31.0, 0.2, 1.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(1.0, 0.2, math.inf, 5.0), "answers_within and settles_within must be finite, 0 or more"),
        (Promise(1.0, 0.2, 1.0, -1.0), "answers_within and settles_within must be finite, 0 or more"),
        (Promise(1.0, 0.2, 0.5, 5.0), "answers_within is shorter than the ceiling's interval"),
    ],
)
def test_a_promise_that_nobody_can_keep_is_named(promise: object, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any timeline is tried, with the figures."""
    monkeypatch.setattr(Promising, "told", promise)
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Promising)
    assert caught.value.law == "promise"
    assert why in str(caught.value)


def test_the_day_of_a_policy_that_settles_late_is_counted_from_the_last_sample_tried() -> None:
    """Where its closer look lasts for more samples than are tried, that rate is the one that is counted."""

    class Eager(Sound):
        @property
        def promise(self) -> Promise:
            return Promise(1.0, 1.0, 1.0, 1e6)

    assert drifts(Eager(AdaptiveSampling(1.0, 1.0)), Level.CLEAR) == ""
