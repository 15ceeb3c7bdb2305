"""The soonest that any policy can alert, at a number of samples per second. Pure.

A judge that misses a share m flags a look at a manipulated track with 1 - m. A policy that looks r times a second has
r x t looks in t seconds on average, and the chance of a flag among n looks, 1 - m^n, is concave in n: it is largest
when all looks are equally far apart. One flag is not enough for an alert, and a second look that waits for the first
one's answer is answered a second latency later. An oracle whose second look is free and always right therefore alerts
when the evenly spaced looks find their first flag, plus two latencies.
"""

from __future__ import annotations

import math


def soonest_alert(samples_per_second: float, misses: float, latency: float, share: float = 0.5) -> float:
    """Return the seconds within which an oracle alerts in that share of all manipulations.

    Args:
        samples_per_second: of each track that is not known to be manipulated.
        misses: the share of manipulated samples that the judge answers with clear, below 1.
        latency: seconds from a sample to its answer.
        share: 0.5 for the median, 0.9 for p90.

    Raises:
        ValueError: when a rate is not above 0, or a share is outside its bounds.
    """
    if not 0 < samples_per_second < math.inf or not 0 <= latency < math.inf:
        raise ValueError(f"samples_per_second and latency must be positive, not {samples_per_second!r} and {latency!r}")
    if not 0 <= misses < 1 or not 0 < share < 1:
        raise ValueError(f"misses and share must be below 1, and share above 0, not {misses!r} and {share!r}")
    looks, found = 0, 0.0
    while (after := 1 - misses ** (looks + 1)) < share:
        looks, found = looks + 1, after
    return (looks + (share - found) / (after - found)) / samples_per_second + 2 * latency
