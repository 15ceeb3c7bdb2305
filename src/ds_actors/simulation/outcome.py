"""The results of a simulation. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from ds_actors.simulation.statistics import quantile_interval, rate_interval


@frozen
class Detection:
    """One manipulation of one track, and when the monitor detected it."""

    track: str
    begins: float
    after: float | None
    """Seconds from its beginning to the first elevated answer; None when it ended undetected."""
    alarm_after: float | None = None
    """Seconds from its beginning to the alert of its track; None when it ended without one."""
    clear_after: float | None = None
    """Seconds from its end to the end of that alert; None without an alert, or when the alert outlasts the scenario."""


@frozen
class Outcome:
    """One policy in one scenario."""

    policy: str
    tracks: int
    seconds: float
    due: int
    sent: int
    sent_bytes: int
    dropped: Mapping[str, int]
    left: int
    """Samples that were due and were waiting or in progress at the end."""
    detections: Sequence[Detection]
    fairness: float
    """Jain's index over each participant's share of its due samples: 1 is equal, 1/n is all to one."""
    longest_gap: float
    """The longest time in seconds that any track, while not muted, went without a sample."""
    false_alarms: int = 0
    """Alerts of a track that began with an answer to a genuine sample."""
    genuine_hours: float = 0.0
    """Hours of all tracks without manipulation."""
    unreliable: int = 0
    """Tracks that the judge flags so often without an alarm that it cannot judge them, at the end."""

    @property
    def found(self) -> list[float]:
        """Times to detection in seconds, sorted, of the detected manipulations."""
        return sorted(detection.after for detection in self.detections if detection.after is not None)

    @property
    def missed(self) -> int:
        """Manipulations that ended undetected."""
        return sum(detection.after is None for detection in self.detections)

    def quantile(self, share: float) -> float | None:
        """Return the time within which `share` of all manipulations were detected (nearest rank).

        None when fewer were detected at all.
        """
        return _nearest_rank(self.found, len(self.detections), share)

    @property
    def false_alarm_rate(self) -> float:
        """False alarms per genuine hour and track."""
        return self.false_alarms / self.genuine_hours if self.genuine_hours else 0.0

    @property
    def alarm_delays(self) -> list[float]:
        """Seconds from the beginning of a manipulation to its alert, sorted, of those with one."""
        return sorted(found.alarm_after for found in self.detections if found.alarm_after is not None)

    @property
    def clear_delays(self) -> list[float]:
        """Seconds from the end of a manipulation to the end of its alert, sorted."""
        return sorted(found.clear_after for found in self.detections if found.clear_after is not None)

    def alarm_quantile(self, share: float) -> float | None:
        """Return the time within which `share` of all manipulations led to an alert; None when fewer did."""
        return _nearest_rank(self.alarm_delays, len(self.detections), share)

    def alarms(self) -> dict[str, Any]:
        """Return what people see of an erring judge: false alarms, delays, each with an interval of 95 %."""
        delays, cleared, total = self.alarm_delays, self.clear_delays, len(self.detections)
        figures: dict[str, Any] = {
            "samples_per_second": self.sent / self.seconds / self.tracks if self.seconds else 0.0,
            "genuine_hours": self.genuine_hours,
            "unreliable": self.unreliable,
            "false_alarms": self.false_alarms,
            "false_alarms_per_hour": self.false_alarm_rate,
            "false_alarms_interval": rate_interval(self.false_alarms, self.genuine_hours)
            if self.genuine_hours
            else None,
            "never_alarmed": (total - len(delays)) / total if total else 0.0,
            "clear_median": cleared[(len(cleared) - 1) // 2] if cleared else None,
        }
        for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99)):
            figures[f"alarm_{name}"] = self.alarm_quantile(share)
            figures[f"alarm_{name}_interval"] = quantile_interval(delays, total, share) if total else None
        return figures

    def dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {
            "policy": self.policy,
            "tracks": self.tracks,
            "seconds": self.seconds,
            "due": self.due,
            "sent": self.sent,
            "bytes": self.sent_bytes,
            "dropped": dict(self.dropped),
            "left": self.left,
            "manipulations": len(self.detections),
            "missed": self.missed,
            "median": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "fairness": self.fairness,
            "longest_gap": self.longest_gap,
            "times": self.found,
            **self.alarms(),
        }


def _nearest_rank(known: Sequence[float], total: int, share: float) -> float | None:
    rank = math.ceil(share * total)
    return known[rank - 1] if 0 < rank <= len(known) else None


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of one policy under several seeds as one; rates and quantiles are those of all runs together.

    Raises:
        ValueError: without an outcome.
    """
    if not outcomes:
        raise ValueError("there is no outcome to merge")
    first = outcomes[0]
    dropped: Counter[str] = Counter()
    for outcome in outcomes:
        dropped.update(outcome.dropped)
    return Outcome(
        first.policy,
        sum(outcome.tracks for outcome in outcomes),
        first.seconds,
        sum(outcome.due for outcome in outcomes),
        sum(outcome.sent for outcome in outcomes),
        sum(outcome.sent_bytes for outcome in outcomes),
        dropped,
        sum(outcome.left for outcome in outcomes),
        [detection for outcome in outcomes for detection in outcome.detections],
        sum(outcome.fairness for outcome in outcomes) / len(outcomes),
        max(outcome.longest_gap for outcome in outcomes),
        sum(outcome.false_alarms for outcome in outcomes),
        sum(outcome.genuine_hours for outcome in outcomes),
        sum(outcome.unreliable for outcome in outcomes),
    )


def jain(shares: Sequence[float]) -> float:
    """Return Jain's fairness index of some shares: (sum x)^2 / (n * sum x^2).

    Source: Jain, Chiu, Hawe: "A Quantitative Measure of Fairness" (DEC-TR-301, 1984).
    """
    squares = sum(share * share for share in shares)
    return 1.0 if squares == 0 else sum(shares) ** 2 / (len(shares) * squares)
