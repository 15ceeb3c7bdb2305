"""The laws of rates: ceiling, floor, budget, jumps, resumptions and the return to the floor. Pure."""

from __future__ import annotations

import math

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Paused, Resumed, SampleDue, SampleSent, Scene, Speaking, Started, Verdict
from ds_actors.testing._history import EPS, History, Violation, shown
from ds_actors.testing._laws_of_levels import answers_in_time


def calm_jumps(history: History) -> Violation | None:
    """After a clock jump at most one sample is due at once."""
    taken: float | None = None
    for at, moment in history.numbered():
        if not moment.jumped or not isinstance(moment.event, SampleDue):
            continue
        if taken == moment.now:
            return Violation(at, "after a jump of the clock more than one sample is due at once")
        taken = moment.now
        due = moment.plan.due
        latest = moment.now + history.promise.longest_gap
        if due is not None and due > latest + EPS and history.promise.budget is None:
            return Violation(at, f"after a jump of the clock the next sample is due by {shown(latest)}")
    return None


def prompt_resumes(history: History) -> Violation | None:
    """A new or unmuted track is due at once, as the ceiling allows."""
    last = -math.inf
    for at, moment in history.numbered():
        if isinstance(moment.event, SampleDue):
            last = moment.now
        if isinstance(moment.event, Started | Resumed) and moment.plan.due is not None:
            latest = max(moment.now, last + 1 / history.promise.ceiling_fps, history.ready[at])
            if moment.plan.due > latest + EPS:
                return Violation(at, f"a new or unmuted track is due at once, by the ceiling at {shown(latest)}")
    return None


def under_the_ceiling(history: History) -> Violation | None:
    """The rate never exceeds the ceiling in any window."""
    # Samples i to j in a window of p(j) - p(i): j - i + 1 <= fps * window + 1, that is, j - fps * p(j) never rises.
    least, number = math.inf, 0
    fps = history.promise.ceiling_fps
    for at, moment in history.numbered():
        if not isinstance(moment.event, SampleDue):
            continue
        value = number - fps * history.planned[at]
        if value > least + EPS:
            return Violation(at, f"this is sooner than {fps:g} samples per second allow")
        least = min(least, value)
        number += 1
    return None


def above_the_floor(history: History) -> Violation | None:
    """The rate is never below the floor while not muted."""
    return _waits(history, idle=False)


def no_idleness(history: History) -> Violation | None:
    """No sample waits while the budget allows it."""
    if history.promise.budget is None:
        return None
    found = [violation for violation in (_waits(history, idle=True), answers_in_time(history)) if violation is not None]
    return min(found, key=lambda violation: violation.at, default=None)


def _waits(history: History, *, idle: bool) -> Violation | None:
    """Check the longest wait; a wait that a budget could excuse, but does not, is idleness."""
    since = -math.inf
    for at, moment in history.numbered():
        if isinstance(moment.event, Started | Resumed | SampleDue):
            since = moment.now
        if history.paused[at]:
            continue
        due = moment.plan.due
        if due is None:
            if not idle:
                return Violation(at, "no sample is planned, though the track is not muted")
            continue
        latest = max(since + history.promise.longest_gap, moment.now)
        excused = max(latest, history.ready[at])
        if due > excused + EPS and idle == (history.promise.budget is not None):
            words = "the budget has enough for one" if idle else f"{history.promise.floor_fps:g} a second are promised"
            return Violation(at, f"the next sample is due by {shown(excused)}: {words}")
    return None


def settled_in_time(history: History) -> Violation | None:
    """After a clearing the rate reaches the floor in time."""
    level, speaking = Level.UNKNOWN, False
    clears = needed = history.promise.settles_after
    calm, last = -math.inf, -math.inf
    for at, moment in history.numbered():
        match moment.event:
            case Started(first, _):
                level, speaking = first, False
                clears = 0 if first.elevated else needed
                calm = moment.now
            case Verdict(new) if new.is_verdict:
                level = new
                clears = 0 if new.elevated else clears + 1
            case Speaking(active):
                speaking = active
                calm = moment.now
            case Scene() | Paused() | Resumed():
                calm = moment.now
            case SampleDue():
                planned = history.planned[at]
                settled = calm + history.promise.settles_within
                gap = (1 - history.promise.spread) / history.promise.floor_fps
                if settled < last and planned < last + gap - EPS:
                    return Violation(at, f"settled since {shown(settled)}, and yet sooner than {shown(last + gap)}")
                last = planned
            case _:
                pass
        # A clock jump or an empty budget moves samples too: such samples do not show the policy's own rate.
        if level.elevated or clears < needed or speaking or moment.jumped or history.waits_for_budget(at):
            calm = max(calm, moment.now)
    return None


def within_budget(history: History) -> Violation | None:
    """The budget is never exceeded in any window."""
    budget = history.promise.budget
    if budget is None:
        return None
    sent = sorted(
        (moment.sample, moment.event.size)
        for moment in history.moments
        if isinstance(moment.event, SampleSent) and moment.sample is not None
    )
    # Bytes beyond `sample_bytes` are paid afterwards, and a crash forgets them.
    starts = sum(isinstance(moment.event, Started) for moment in history.moments)
    largest = max((size for _, size in sent), default=0)
    for rate, unit, excess in (
        ((budget.samples_per_minute or 0) / 60, "samples", 0),
        (budget.bytes_per_second or 0, "bytes", max(0, largest - budget.sample_bytes) * starts),
    ):
        if not rate:
            continue
        # In every window at most (W + burst_seconds) x rate: spent before minus rate x time never rises by more.
        spent, least = 0.0, math.inf
        for due, size in sent:
            at = history.moments[due].now
            least = min(least, spent - rate * at)
            spent += 1 if unit == "samples" else size
            if spent - rate * at > least + rate * budget.burst_seconds + excess + EPS * max(1.0, spent):
                return Violation(
                    due, f"{spent:g} {unit} are spent, more than the budget allows in some window up to here"
                )
    return None
