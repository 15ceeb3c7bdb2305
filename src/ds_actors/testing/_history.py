"""A history of one policy, with the facts that several laws need. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.budget import TokenBuckets
from ds_actors.detection.sampling import Paused, Promise, Resumed, SampleDropped, SampleDue, SampleSent, Started
from ds_actors.testing._timeline import BEGIN
from ds_actors.testing._track import Moment

EPS: Final = 1e-6
"""Seconds within which two times are the same."""


@frozen
class Violation:
    """A law that did not hold, with the place in the history."""

    at: int
    """The index in the history."""
    why: str


@define
class History:
    """A history with the facts about each moment that several laws need."""

    moments: Sequence[Moment]
    promise: Promise
    paused: list[bool] = field(factory=list[bool], init=False)
    ready: list[float] = field(factory=list[float], init=False)
    """When the next sample is affordable: until then the budget excuses waiting."""
    planned: list[float] = field(factory=list[float], init=False)
    """The planned time of a SampleDue; a late delivery does not change it."""

    def __attrs_post_init__(self) -> None:
        paused, set_at = False, -math.inf
        for moment in self.moments:
            match moment.event:
                case Started() | Resumed():
                    paused = False
                case Paused():
                    paused = True
                case _:
                    pass
            self.paused.append(paused)
            self.planned.append(max(moment.before.due or moment.now, set_at))
            if moment.plan.due != moment.before.due or isinstance(moment.event, SampleDue):
                set_at = moment.now
        self._reckon()

    def _reckon(self) -> None:
        budget = self.promise.budget
        if budget is None:
            self.ready = [moment.now for moment in self.moments]
            return
        buckets, reserved = TokenBuckets(budget), 0
        for moment in self.moments:
            match moment.event:
                case Started(_, last_due):
                    buckets, reserved = TokenBuckets(budget, last_due), 0
                case SampleDue():
                    buckets.reserve(moment.now)
                    reserved += 1
                case SampleSent(size) if reserved:
                    reserved -= 1
                    buckets.settle(size)
                case SampleDropped() if reserved:
                    reserved -= 1
                    buckets.give_back()
                case _:
                    pass
            self.ready.append(buckets.ready_at(moment.now))

    def waits_for_budget(self, at: int) -> bool:
        """Return whether the budget is spent, or is what decides when the next sample is due."""
        moment, ready = self.moments[at], self.ready[at]
        if self.promise.budget is None or ready > moment.now:
            return ready > moment.now
        return moment.plan.due is not None and abs(moment.plan.due - ready) < EPS

    def numbered(self) -> Iterator[tuple[int, Moment]]:
        """Yield every moment with its index."""
        return enumerate(self.moments)


Check = Callable[[History], Violation | None]


def shown(time: float) -> str:
    """Return a time as reports show it, in seconds from the start."""
    return f"{time - BEGIN:.3f}"
