"""The laws that each plan keeps by itself: its figures, its pauses, its rate, its picture. Pure."""

from __future__ import annotations

import math
from typing import Final

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import MAX_FPS, Plan, SampleDue, Started, Verdict
from ds_actors.testing._history import EPS, History, Violation, shown


def valid_plans(history: History) -> Violation | None:
    """Every plan has a reason to show, and valid figures."""
    for at, moment in history.numbered():
        wrong = _wrong(moment.plan)
        if wrong:
            return Violation(at, wrong)
    return None


def _wrong(plan: Plan) -> str:
    wrong = ""
    if not plan.reason.strip() or not plan.reason.isprintable() or len(plan.reason) > 100:
        wrong = f"the reason is {plan.reason!r}; views need one line of 1 to 100 characters"
    elif plan.quality is not None and not (is_whole(plan.quality) and 0 <= plan.quality <= 100):
        wrong = f"the quality is {plan.quality!r}; it is an integer from 0 to 100, or None"
    elif plan.max_side is not None and not (is_whole(plan.max_side) and plan.max_side >= 1):
        wrong = f"max_side is {plan.max_side!r}; it is 1 pixel or more, or None"
    elif plan.fps is not None and not 0 < plan.fps <= MAX_FPS:
        wrong = f"the rate is {plan.fps!r} fps; it is above 0, {MAX_FPS:g} at most, or None"
    return wrong


def is_whole(value: object) -> bool:
    """Return True for an integer that is no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def silent_pauses(history: History) -> Violation | None:
    """Nothing is planned while the track is muted."""
    for at, moment in history.numbered():
        if history.paused[at] and moment.plan.due is not None:
            return Violation(at, "a sample is planned while the track is muted")
    return None


def honest_rates(history: History) -> Violation | None:
    """The shown rate is the planned one."""
    if history.promise.budget is not None:
        return None
    spread = history.promise.spread
    for at, moment in history.numbered():
        plan = moment.plan
        if not isinstance(moment.event, SampleDue) or plan.fps is None or plan.due is None:
            continue
        # The next interval counts from the planned time, or after a long delay from the present one.
        soonest = history.planned[at] + (1 - spread) / plan.fps
        latest = moment.now + (1 + spread) / plan.fps
        if not soonest - EPS <= plan.due <= latest + EPS:
            return Violation(
                at,
                f"it shows {plan.fps:g} fps, at which the next sample is due from {shown(soonest)} to {shown(latest)}",
            )
    return None


_USUAL_QUALITY: Final = 75


def good_pictures(history: History) -> Violation | None:
    """An alarm never asks for a worse picture."""
    level = Level.UNKNOWN
    usual: tuple[float, float] | None = None
    for at, moment in history.numbered():
        match moment.event:
            case Started(first, _):
                level = first
            case Verdict(new) if new.is_verdict:
                level = new
            case _:
                pass
        plan = moment.plan
        quality = _USUAL_QUALITY if plan.quality is None else plan.quality
        side = math.inf if plan.max_side is None else plan.max_side
        if not level.elevated:
            usual = quality, side
        elif usual is not None and (quality < usual[0] or side < usual[1]):
            return Violation(at, f"at {level.value} it asks for a worse picture than before")
    return None
