"""The network's faults in each phase: what is no row, and why."""

from __future__ import annotations

from typing import Final

from fault_cell import Phase

TRANSPORT: Final = (
    "latency",
    "jitter",
    "64 KB/s",
    "8 KB/s",
    "black hole",
    "reset",
    "slicing",
    "slow close",
    "limit",
    "down",
)
"""The names with which the rows of each phase begin."""

REASONS: Final[dict[tuple[Phase, str], str]] = {
    ("connect", "down"): "nothing listens then, which is the row *refused*",
    ("upgrade", "black hole"): "the request is sent and nothing comes back, which is the row *no answer*",
    ("answers", "black hole"): "*black hole, the answers only*, between two samples, takes 20 s and says the same",
}
