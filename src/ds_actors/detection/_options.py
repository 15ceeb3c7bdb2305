"""What the monitor's options become, checked when it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from ds_actors.detection.budget import Budget
from ds_actors.detection.levels.confirmation import check_min_confirmations
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sinks import BufferingSink, Sink, check_sink
from ds_actors.detection.sinks._cooldown import LevelCooldown
from ds_actors.detection.sinks._record import SinkRecord
from ds_actors.detection.sinks._reports import LevelReports
from ds_actors.detection.sinks._throttled import Throttled

Notify = Literal["all", "changes"]
Assessment = Literal["last", "evidence"] | Evidence


def evidence_of(assessment: object, min_confirmations: int) -> Evidence | None:
    """Return the evidence that makes levels; None where the last verdict does.

    Raises:
        ValueError: when one of the two is not valid, or they contradict each other.
    """
    if assessment not in ("last", "evidence") and not isinstance(assessment, Evidence):
        raise ValueError(f'assessment must be "last", "evidence" or an Evidence(...), not {assessment!r}')
    if check_min_confirmations(min_confirmations) > 1 and assessment != "last":
        raise ValueError(
            'min_confirmations is for assessment="last": evidence asks for as many verdicts as it needs;'
            " leave one of them out"
        )
    if isinstance(assessment, Evidence):
        return assessment
    return Evidence() if assessment == "evidence" else None


def check_budget(budget: object) -> None:
    """Raise TypeError unless it is a budget or None."""
    if not isinstance(budget, Budget | None):
        raise TypeError(f"budget must be a Budget, such as Budget(samples_per_minute=600), not {budget!r}")


def sink_records(sinks: Sequence[Sink], notify: object, random: Callable[[], float]) -> dict[str, SinkRecord]:
    """Return the record of each sink by its name.

    Raises:
        TypeError, ValueError: when something is no sink, two have one name, or `notify` is neither "all" nor "changes".
    """
    if notify not in ("all", "changes"):
        raise ValueError(f'notify must be "all" or "changes", not {notify!r}')
    records: dict[str, SinkRecord] = {}
    for sink in sinks:
        check_sink(sink)
        if sink.name in records:
            raise ValueError(f"two sinks are called {sink.name!r}")
        records[sink.name] = record = SinkRecord(sink, _reports(sink, notify))
        if isinstance(sink, BufferingSink):
            sink.when_lost(partial(record.lost, random))
    return records


def _reports(sink: Sink, notify: object) -> LevelReports | None:
    if isinstance(sink, Throttled):
        return LevelReports(LevelCooldown(sink.cooldown))
    return LevelReports() if notify == "changes" else None
