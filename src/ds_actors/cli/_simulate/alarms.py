"""The table of what people see of a judge that errs: false alarms, and the delay of the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ds_actors.detection.events import plain
from ds_actors.simulation import Outcome


def alarm_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row per policy, with intervals of 95 % in brackets; `ALERT_LEGEND` explains the columns."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("policy", overflow="fold", min_width=14)
    for name in ("samples/s", "false/h", "to alarm: median", "p90", "p99", "never", "clear", "unreliable"):
        shown.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        found = outcome.alarms()
        shown.add_row(
            Text(plain(outcome.policy, 200)),
            f"{found['samples_per_second']:.4f}",
            f"{found['false_alarms_per_hour']:.3g}{_between(found['false_alarms_interval'], '.3g')}",
            *(
                f"{_seconds(found[f'alarm_{name}'])}{_between(found[f'alarm_{name}_interval'], '.2f')}"
                for name in ("median", "p90", "p99")
            ),
            f"{found['never_alarmed']:.2%}",
            _seconds(found["clear_median"]),
            f"{outcome.unreliable}/{outcome.tracks}",
        )
    return shown


def _between(interval: Any, form: str) -> str:
    if interval is None:
        return ""
    low, high = ("-" if bound is None else format(bound, form) for bound in interval)
    return f" [{low}, {high}]"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
