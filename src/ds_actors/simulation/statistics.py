"""Intervals for what a simulation counts: rates, and quantiles of delays. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

Z_95: Final = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""


def rate_interval(count: int, exposure: float) -> tuple[float, float]:
    """Return the 95 % interval of a Poisson rate, in events per unit of exposure.

    Byar's approximation of the exact interval; source: Breslow, Day: "Statistical Methods in Cancer Research", volume 2
    (1987), section 2.3.

    Raises:
        ValueError: when the exposure is not above 0.
    """
    if not exposure > 0:
        raise ValueError(f"the exposure must be above 0, not {exposure!r}")
    low = 0.0 if count == 0 else count * max(0.0, 1 - 1 / (9 * count) - Z_95 / (3 * math.sqrt(count))) ** 3
    above = count + 1
    high = above * (1 - 1 / (9 * above) + Z_95 / (3 * math.sqrt(above))) ** 3
    return low / exposure, high / exposure


def quantile_interval(values: Sequence[float], total: int, share: float) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a quantile, from the order statistics of `total` delays.

    `values` are the known delays, sorted; the other ones are longer than all of them. A bound beyond the known ones is
    None.
    """
    spread = Z_95 * math.sqrt(total * share * (1 - share))
    ranks = max(1, math.floor(total * share - spread)), math.ceil(total * share + spread) + 1
    low, high = (values[rank - 1] if rank <= len(values) else None for rank in ranks)
    return low, high
