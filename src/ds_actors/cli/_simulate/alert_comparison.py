"""Which of the simulated policies alerts best where the judge errs, and what its samples bought. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ds_actors._text import counted, plain
from ds_actors.cli._simulate.comparison import NAME_LIMIT
from ds_actors.simulation import Outcome

ALERT_LEGEND: Final = (
    "samples/s            samples per second and track",
    "false/h              alerts that began with a genuine sample, per genuine hour and track",
    "to alarm: median,    time from the beginning of a manipulation within which half of all manipulations,",
    "p90, p99             90 % and 99 % led to an alert",
    "never                share of the manipulations that ended without an alert",
    "clear                median time from the end of a manipulation to the end of its alert",
    "unreliable           tracks that the service flags so often without an alarm that they cannot be judged",
    "[a, b]               interval of 95 %; - is beyond what was seen",
)
"""What the columns of the table of alerts mean."""


def alert_winner(outcomes: Sequence[Outcome], target: float) -> Outcome | None:
    """Return the outcome that alerts soonest among those with at most `target` false alarms per hour and track.

    When none keeps the target, the one with the fewest false alarms wins. A single policy, or nothing to find, has no
    winner.
    """
    if len(outcomes) < 2 or not any(outcome.detections for outcome in outcomes):
        return None
    keeping = [outcome for outcome in outcomes if outcome.false_alarm_rate <= target]
    if keeping:
        return min(keeping, key=_soonest)
    return min(outcomes, key=lambda outcome: (outcome.false_alarm_rate, *_soonest(outcome)))


def compare_alerts(outcomes: Sequence[Outcome], target: float) -> list[str]:
    """Return the winner and why it wins, then what its samples bought in comparison with each other one."""
    best = alert_winner(outcomes, target)
    if best is None:
        return []
    lines = [f"winner: {plain(best.policy, NAME_LIMIT)}: {_why(best, outcomes, target)}"]
    return lines + [_against(best, outcome) for outcome in outcomes if outcome is not best]


def _soonest(outcome: Outcome) -> tuple[float, ...]:
    delays = (outcome.alarm_quantile(share) for share in (0.5, 0.9, 0.99))
    return (*(math.inf if delay is None else delay for delay in delays), outcome.sent)


def _why(best: Outcome, outcomes: Sequence[Outcome], target: float) -> str:
    keeping = sum(outcome.false_alarm_rate <= target for outcome in outcomes)
    limit = f"at most {target:g} false alarms per hour and track"
    if keeping == 0:
        return f"none has {limit}; it has the fewest, {best.false_alarm_rate:.3g}"
    if keeping == 1:
        return f"the only one with {limit}"
    return f"the soonest of {keeping} with {limit}"


def _against(best: Outcome, other: Outcome) -> str:
    name = plain(other.policy, NAME_LIMIT)
    cost = f"{best.sent / other.sent:.2f} times the samples" if other.sent else counted(best.sent, "sample")
    return f"        against {name}: {cost} {_sooner(best, other)} and {_accuses(best, other)}"


def _sooner(best: Outcome, other: Outcome) -> str:
    own, its = best.alarm_quantile(0.5), other.alarm_quantile(0.5)
    if own is None or its is None:
        alerted = (len(best.alarm_delays), len(other.alarm_delays))
        return f"alert to {alerted[0]} manipulations instead of {alerted[1]}"
    word = "earlier" if own <= its else "later"
    return f"alert {abs(own - its):.2f} s {word} (median)"


def _accuses(best: Outcome, other: Outcome) -> str:
    own, its = best.false_alarm_rate, other.false_alarm_rate
    if own == its:
        return "accuse as often"
    if own == 0:
        return f"never accuse, instead of {its:.3g} times per hour and track"
    if its == 0:
        return f"accuse {own:.3g} times per hour and track, instead of never"
    times = max(own, its) / min(own, its)
    return f"accuse {times:.{0 if times >= 10 else 1}f} times {'less' if own < its else 'more'} often"
