"""The table of the simulated policies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row per policy: its cost, its detections and their delay, its fairness.

    /min is samples per minute and track; gap is the longest time that any track went without a sample.
    """
    shown = Table(box=None, pad_edge=False)
    shown.add_column("policy", overflow="fold", min_width=14)
    for name in ("samples", "MB", "/min", "dropped", "found", "median", "p99", "fairness", "gap"):
        shown.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        a_minute = outcome.sent * 60 / outcome.seconds / outcome.tracks if outcome.seconds else 0.0
        shown.add_row(
            Text(plain(outcome.policy, 200)),
            str(outcome.sent),
            f"{outcome.sent_bytes / 1e6:.1f}",
            f"{a_minute:.1f}",
            str(sum(outcome.dropped.values())),
            f"{len(outcome.found)}/{len(outcome.detections)}",
            _seconds(outcome.quantile(0.5)),
            _seconds(outcome.quantile(0.99)),
            f"{outcome.fairness:.3f}",
            _seconds(outcome.longest_gap),
        )
    return shown


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
