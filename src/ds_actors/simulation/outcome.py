"""The results of a simulation. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen


@frozen
class Detection:
    """One manipulation of one track, and when the monitor detected it."""

    track: str
    begins: float
    after: float | None
    """Seconds from its beginning to the first elevated answer; None when it ended undetected."""


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
        rank = math.ceil(share * len(self.detections))
        found = self.found
        return found[rank - 1] if 0 < rank <= len(found) else None

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
        }


def jain(shares: Sequence[float]) -> float:
    """Return Jain's fairness index of some shares: (sum x)^2 / (n * sum x^2).

    Source: Jain, Chiu, Hawe: "A Quantitative Measure of Fairness" (DEC-TR-301, 1984).
    """
    squares = sum(share * share for share in shares)
    return 1.0 if squares == 0 else sum(shares) ** 2 / (len(shares) * squares)
