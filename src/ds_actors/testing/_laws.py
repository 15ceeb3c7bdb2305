"""The laws of sampling policies; each checks a history against the policy's own promise. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ds_actors.detection.sampling import MAX_FPS, Promise
from ds_actors.testing._history import EPS, Check
from ds_actors.testing._laws_of_levels import kept_levels, prompt_answers
from ds_actors.testing._laws_of_plans import good_pictures, honest_rates, is_whole, silent_pauses, valid_plans
from ds_actors.testing._laws_of_rates import (
    above_the_floor,
    calm_jumps,
    no_idleness,
    prompt_resumes,
    settled_in_time,
    under_the_ceiling,
    within_budget,
)

LAWS: Final[Mapping[str, tuple[str, Check | None]]] = {
    "own": ("each track has its own policy object", None),
    "promise": ("the promise can be kept, and does not change", None),
    "crash": ("a policy answers every event with a plan, and never raises", None),
    "replay": ("a replayed history gives the same plans: no hidden clock, no hidden randomness", None),
    "plan": ("every plan has a reason to show, and valid figures", valid_plans),
    "pause": ("nothing is planned while the track is muted", silent_pauses),
    "jump": (
        "after a clock jump at most one sample is due at once, and the next within the floor's interval",
        calm_jumps,
    ),
    "budget": ("the budget is never exceeded in any window", within_budget),
    "idle": ("no sample waits while the budget allows it", no_idleness),
    "resume": ("a new or unmuted track is due at once, as the ceiling allows", prompt_resumes),
    "escalation": ("an escalation never lengthens the wait, and is answered in time", prompt_answers),
    "floor": ("the rate is never below the floor while not muted", above_the_floor),
    "ceiling": ("the rate never exceeds the ceiling in any window", under_the_ceiling),
    "honest": ("the shown rate is the planned one", honest_rates),
    "drift": ("over a day there are floor(T x fps) samples, give or take one", None),
    "error": ("an answer that is no verdict changes no plan", None),
    "memory": ("a mute, a loss, an outage or a crash leaves the rate where an elevated level puts it", kept_levels),
    "picture": ("an alarm never asks for a worse picture", good_pictures),
    "shift": ("the same story at another origin of the clock gives the same plans, shifted", None),
    "settling": ("after a clearing the rate reaches the floor in time", settled_in_time),
}
"""Each law's sentence, with its check when a history alone shows it; the first broken law in this order is reported."""


def unkept(promise: object) -> str:
    """Return why a promise cannot be kept; empty when it can be."""
    if not isinstance(promise, Promise):
        return f"promise is {promise!r}, not a Promise"
    wrong = ""
    if not 0 < promise.floor_fps <= promise.ceiling_fps <= MAX_FPS:
        wrong = f"0 < floor_fps <= ceiling_fps <= {MAX_FPS:g} does not hold"
    elif not 0 <= promise.answers_within < math.inf or not 0 <= promise.settles_within < math.inf:
        wrong = "answers_within and settles_within must be finite, 0 or more"
    elif not is_whole(promise.settles_after) or promise.settles_after < 1:
        wrong = "settles_after is a number of clear verdicts, 1 or more"
    elif not 0 <= promise.spread < 1:
        wrong = "spread is the share by which an interval differs: 0 or more, and below 1"
    elif promise.answers_within < 1 / promise.ceiling_fps - EPS:
        wrong = "answers_within is shorter than the ceiling's interval"
    return f"{wrong}: {promise}" if wrong else ""
