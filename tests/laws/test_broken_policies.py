"""Each fault of a sampling policy is caught by the law that names it, with the smallest timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from attrs import evolve
from broken_policies import BROKEN, Ditherer, Sound

from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Plan,
    SamplingEvent,
    SamplingPolicy,
)
from ds_actors.testing import LawBroken, check_sampling_policy
from ds_actors.testing._laws import LAWS


@pytest.mark.parametrize(("factory", "law"), BROKEN.items(), ids=[policy.__name__ for policy in BROKEN])
def test_each_fault_is_caught_by_the_law_that_names_it(factory: Callable[[], SamplingPolicy], law: str) -> None:
    """A policy with one fault fails with that law, and a timeline that can be read."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(factory, examples=200)
    assert caught.value.law == law
    assert LAWS[law][0] in str(caught.value)
    assert len(str(caught.value).splitlines()) < 32


def test_a_policy_that_plans_nothing_at_some_times_of_the_clock_is_refused() -> None:
    """It samples when the machine has been up for a while, and not at all before."""

    class Sleeper(Sound):
        def on(self, event: SamplingEvent, now: float, /) -> Plan:
            plan = self.inner.on(event, now)
            return evolve(plan, due=None) if now < 500 else plan

    with pytest.raises(LawBroken):
        check_sampling_policy(lambda: Sleeper(AdaptiveSampling()), examples=200)


def test_every_law_catches_something() -> None:
    """Every law catches at least two faults."""
    caught = Counter(BROKEN.values())
    assert caught.keys() == LAWS.keys()
    assert min(caught.values()) >= 2


def test_the_counterexample_is_the_smallest_timeline() -> None:
    """One line per event with its plan, in seconds from the start."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Ditherer)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "Ditherer breaks the law 'escalation': an escalation never lengthens the wait, and is answered in time."
    )
    assert lines[1].startswith("the wait is longer than before: it was until")
    assert [line.split()[1] for line in lines[3:5]] == ["started", "a"]
    assert lines[-1].split()[1] == "verdict"
    assert len(lines) <= 8
