"""The laws of sampling policies; each checks a history against the policy's own promise. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.budget import TokenBuckets
from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    MAX_FPS,
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingPolicy,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.testing._timeline import BEGIN, Moment

EPS: Final = 1e-6
DAY: Final = 86_400.0
_MOST_STEADY: Final = 20_000


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


def _plan(history: History) -> Violation | None:
    for at, moment in history.numbered():
        wrong = _wrong(moment.plan)
        if wrong:
            return Violation(at, wrong)
    return None


def _wrong(plan: Plan) -> str:
    wrong = ""
    if not plan.reason.strip() or not plan.reason.isprintable() or len(plan.reason) > 100:
        wrong = f"the reason is {plan.reason!r}; views need one line of 1 to 100 characters"
    elif plan.quality is not None and not (_is_whole(plan.quality) and 0 <= plan.quality <= 100):
        wrong = f"the quality is {plan.quality!r}; it is an integer from 0 to 100, or None"
    elif plan.max_side is not None and not (_is_whole(plan.max_side) and plan.max_side >= 1):
        wrong = f"max_side is {plan.max_side!r}; it is 1 pixel or more, or None"
    elif plan.fps is not None and not 0 < plan.fps <= MAX_FPS:
        wrong = f"the rate is {plan.fps!r} fps; it is above 0, {MAX_FPS:g} at most, or None"
    return wrong


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pause(history: History) -> Violation | None:
    for at, moment in history.numbered():
        if history.paused[at] and moment.plan.due is not None:
            return Violation(at, "a sample is planned while the track is muted")
    return None


def _jump(history: History) -> Violation | None:
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
            return Violation(at, f"after a jump of the clock the next sample is due by {_at(latest)}")
    return None


def _resume(history: History) -> Violation | None:
    last = -math.inf
    for at, moment in history.numbered():
        if isinstance(moment.event, SampleDue):
            last = moment.now
        if isinstance(moment.event, Started | Resumed) and moment.plan.due is not None:
            latest = max(moment.now, last + 1 / history.promise.ceiling_fps, history.ready[at])
            if moment.plan.due > latest + EPS:
                return Violation(at, f"a new or unmuted track is due at once, by the ceiling at {_at(latest)}")
    return None


def _ceiling(history: History) -> Violation | None:
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


def _floor(history: History) -> Violation | None:
    return _waits(history, idle=False)


def _idle(history: History) -> Violation | None:
    if history.promise.budget is None:
        return None
    found = [violation for violation in (_waits(history, idle=True), _answers(history)) if violation is not None]
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
            return Violation(at, f"the next sample is due by {_at(excused)}: {words}")
    return None


def _escalation(history: History) -> Violation | None:
    longer = _lengthens(history)
    late = _answers(history) if history.promise.budget is None else None
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
            return Violation(at, f"the wait is longer than before: it was until {_at(before)}")
    return None


def _answers(history: History) -> Violation | None:
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
            return Violation(at, f"the {history.promise.answers_within:g} s of the promise end at {_at(latest)}")
    return None


def _settling(history: History) -> Violation | None:
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
                    return Violation(at, f"settled since {_at(settled)}, and yet sooner than {_at(last + gap)}")
                last = planned
            case _:
                pass
        # A clock jump or an empty budget moves samples too: such samples do not show the policy's own rate.
        if level.elevated or clears < needed or speaking or moment.jumped or history.waits_for_budget(at):
            calm = max(calm, moment.now)
    return None


def _budget(history: History) -> Violation | None:
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


def _memory(history: History) -> Violation | None:
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
            return Violation(at, f"the level is {level.value}, at which the next sample is due by {_at(latest)}")
    return None


def _honest(history: History) -> Violation | None:
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
                at, f"it shows {plan.fps:g} fps, at which the next sample is due from {_at(soonest)} to {_at(latest)}"
            )
    return None


_USUAL_QUALITY: Final = 75


def _picture(history: History) -> Violation | None:
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


def _at(time: float) -> str:
    return f"{time - BEGIN:.3f}"


LAWS: Final[dict[str, tuple[str, Check | None]]] = {
    "own": ("each track has its own policy object", None),
    "promise": ("the promise can be kept, and does not change", None),
    "crash": ("a policy answers every event with a plan, and never raises", None),
    "replay": ("a replayed history gives the same plans: no hidden clock, no hidden randomness", None),
    "plan": ("every plan has a reason to show, and valid figures", _plan),
    "pause": ("nothing is planned while the track is muted", _pause),
    "jump": ("after a clock jump at most one sample is due at once, and the next within the floor's interval", _jump),
    "budget": ("the budget is never exceeded in any window", _budget),
    "idle": ("no sample waits while the budget allows it", _idle),
    "resume": ("a new or unmuted track is due at once, as the ceiling allows", _resume),
    "escalation": ("an escalation never lengthens the wait, and is answered in time", _escalation),
    "floor": ("the rate is never below the floor while not muted", _floor),
    "ceiling": ("the rate never exceeds the ceiling in any window", _ceiling),
    "honest": ("the shown rate is the planned one", _honest),
    "drift": ("over a day there are floor(T x fps) samples, give or take one", None),
    "error": ("an answer that is no verdict changes no plan", None),
    "memory": ("a mute, a loss, an outage or a crash leaves the rate where an elevated level puts it", _memory),
    "picture": ("an alarm never asks for a worse picture", _picture),
    "shift": ("the same story at another origin of the clock gives the same plans, shifted", None),
    "settling": ("after a clearing the rate reaches the floor in time", _settling),
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
    elif not _is_whole(promise.settles_after) or promise.settles_after < 1:
        wrong = "settles_after is a number of clear verdicts, 1 or more"
    elif not 0 <= promise.spread < 1:
        wrong = "spread is the share by which an interval differs: 0 or more, and below 1"
    elif promise.answers_within < 1 / promise.ceiling_fps - EPS:
        wrong = "answers_within is shorter than the ceiling's interval"
    return f"{wrong}: {promise}" if wrong else ""


def drifts(policy: SamplingPolicy, level: Level) -> str:
    """Run a policy for a day at one level, each sample slightly late; return the error in the count, or "".

    A rate that makes more than 20,000 samples a day is run for as many.
    """
    promise = policy.promise
    late = min(0.003, 0.05 / promise.ceiling_fps)
    size = 50_000 if promise.budget is None else min(50_000, promise.budget.sample_bytes)
    plan = policy.on(Started(level), BEGIN)
    settled = BEGIN + promise.settles_within  # a policy may begin at a higher rate
    for _ in range(_MOST_STEADY):
        if plan.due is None or plan.due >= settled:
            break
        plan = _sampled(policy, plan.due + late, size)
    fps = plan.fps if level.elevated else promise.floor_fps
    if plan.due is None or fps is None or (promise.budget is not None and promise.budget.fps < fps):
        return ""  # the budget determines the rate then, and has its own law
    seconds = min(DAY, _MOST_STEADY / fps)
    end, count, due = plan.due + seconds, 0, plan.due
    while due <= end and count <= 2 * _MOST_STEADY:
        count += 1
        due = _sampled(policy, due + late, size).due or math.inf
    expected = math.floor(seconds * fps)
    # With jitter the count varies: by 0.58 x spread x the root of the count, of which this is more than five times.
    if abs(count - expected) <= 1 + 3 * promise.spread * math.sqrt(expected):
        return ""
    return f"{count} samples in {seconds:.0f} s at {level.value}, where {fps:g} fps make {expected}, give or take one"


def _sampled(policy: SamplingPolicy, now: float, size: int) -> Plan:
    policy.on(SampleDue(), now)
    return policy.on(SampleSent(size), now)
