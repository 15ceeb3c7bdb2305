"""One table of several policies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return a row for each policy: what it costs, what it finds and how soon, whom it serves.

    /min is samples a minute and track; gap is the longest time that any track went without a sample.
    """
    shown = Table(box=None, pad_edge=False)
    shown.add_column("policy", overflow="fold", min_width=14)
    for name in ("samples", "MB", "/min", "dropped", "found", "median", "p99", "fairness", "gap"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in outcomes:
        a_minute = one.sent * 60 / one.seconds / one.tracks if one.seconds else 0.0
        shown.add_row(
            Text(plain(one.policy, 200)),
            str(one.sent),
            f"{one.sent_bytes / 1e6:.1f}",
            f"{a_minute:.1f}",
            str(sum(one.dropped.values())),
            f"{len(one.found)}/{len(one.detections)}",
            _seconds(one.quantile(0.5)),
            _seconds(one.quantile(0.99)),
            f"{one.fairness:.3f}",
            _seconds(one.longest_gap),
        )
    return shown


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
