"""The laws of what a level asks for: an answer in time, also after anything else that happens. Pure."""

from __future__ import annotations

import math

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Paused, Resumed, SampleDue, Started, Verdict
from ds_actors.testing._history import EPS, History, Violation, shown


def prompt_answers(history: History) -> Violation | None:
    """An escalation never lengthens the wait, and is answered in time."""
    longer = _lengthens(history)
    late = answers_in_time(history) if history.promise.budget is None else None
    return min(
        (violation for violation in (longer, late) if violation is not None),
        key=lambda violation: violation.at,
        default=None,
    )


def _lengthens(history: History) -> Violation | None:
    level = Level.UNKNOWN
    for at, moment in history.numbered():
        if isinstance(moment.event, Started):
            level = moment.event.level
        if not isinstance(moment.event, Verdict) or not moment.event.level.is_verdict:
            continue
        # From alert to suspicious is not an escalation; a repeated level must not lengthen the wait either.
        escalates = moment.event.level.elevated and moment.event.level.severity >= level.severity
        level = moment.event.level
        before, due = moment.before.due, moment.plan.due
        if escalates and before is not None and due is not None and due > max(before, moment.now) + EPS:
            return Violation(at, f"the wait is longer than before: it was until {shown(before)}")
    return None


def answers_in_time(history: History) -> Violation | None:
    """Check the time from an elevated verdict to the next sample; only a budget excuses a longer one."""
    answer_by = math.inf
    for at, moment in history.numbered():
        match moment.event:
            case Verdict(level) if level.elevated:
                answer_by = min(answer_by, moment.now + history.promise.answers_within)
            case Verdict(level) if not level.is_verdict:
                pass
            case SampleDue() | Started() | Paused() | Verdict():
                answer_by = math.inf
            case _:
                pass
        latest = max(answer_by, history.ready[at], moment.now)
        if not history.paused[at] and moment.plan.due is not None and moment.plan.due > latest + EPS:
            return Violation(at, f"the {history.promise.answers_within:g} s of the promise end at {shown(latest)}")
    return None


def kept_levels(history: History) -> Violation | None:
    """Check that at an elevated level no wait is longer than the promised answer, whatever happened before it."""
    if history.promise.budget is not None:
        return None
    level, since = Level.UNKNOWN, -math.inf
    for at, moment in history.numbered():
        match moment.event:
            case Started(first, _):
                level, since = first, moment.now
            case Verdict(new) if new.is_verdict:
                since = since if level.elevated else moment.now
                level = new
            case SampleDue() | Resumed():
                since = moment.now
            case _:
                pass
        due = moment.plan.due
        if not level.elevated or history.paused[at] or due is None:
            continue
        latest = max(since + history.promise.answers_within, moment.now)
        if due > latest + EPS:
            return Violation(at, f"the level is {level.value}, at which the next sample is due by {shown(latest)}")
    return None
