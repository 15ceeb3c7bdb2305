"""The figures of a service as metrics: which name, which labels, which value. Pure.

No label is an identity: labels are reasons, levels, states and statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from ds_actors.detection.events import Level
from ds_actors.serving.queue import DropReason
from ds_actors.serving.status import ServiceStatus, WorkerState

Values = Mapping[tuple[str, ...], float]
"""A metric's values by those of its labels."""

METRICS: Final[Mapping[str, tuple[Literal["counter", "gauge"], str, tuple[str, ...]]]] = {
    "serve_samples": ("counter", "Samples received.", ()),
    "serve_answers": ("counter", "Samples answered, by level.", ("level",)),
    "serve_samples_dropped": ("counter", "Samples that were not judged, by reason.", ("reason",)),
    "serve_faults": ("counter", "Samples without a valid answer of the detector, by fault.", ("fault",)),
    "serve_answers_unwritten": ("gauge", "Answers that their connections have not written yet.", ()),
    "serve_answers_unsent": ("counter", "Answers whose connection had ended.", ()),
    "serve_malformed_messages": ("counter", "Messages that were no samples.", ()),
    "serve_upgrades_refused": ("counter", "Connections refused, by HTTP status.", ("status",)),
    "serve_batches": ("counter", "Batches judged.", ()),
    "serve_batches_lost": ("counter", "Batches that ended with their model process.", ()),
    "serve_connections": ("gauge", "Open connections.", ()),
    "serve_samples_waiting": ("gauge", "Samples that wait for a model.", ()),
    "serve_samples_judging": ("gauge", "Samples in batches that are under way.", ()),
    "serve_models": ("gauge", "Models, by state.", ("state",)),
}
"""Kind, description and label names of each metric; Prometheus appends _total to a counter's name."""


def values(status: ServiceStatus) -> dict[str, Values]:
    """Return the values of each metric; those with known labels are always there, so that a rule can rely on them."""
    states = dict.fromkeys(get_args(WorkerState), 0)
    for state in status.workers.values():
        states[state] += 1
    answers = {level.value: status.answered.get(level.value, 0) for level in Level}
    dropped = {reason: status.dropped.get(reason, 0) for reason in get_args(DropReason)}
    return {
        "serve_samples": _plain(status.received),
        "serve_answers": _by_label(answers),
        "serve_samples_dropped": _by_label(dropped),
        "serve_faults": _by_label(status.faults),
        "serve_answers_unwritten": _plain(status.unwritten),
        "serve_answers_unsent": _plain(status.unsent),
        "serve_malformed_messages": _plain(status.malformed),
        "serve_upgrades_refused": _by_label(status.refused),
        "serve_batches": _plain(status.batches),
        "serve_batches_lost": _plain(status.lost),
        "serve_connections": _plain(status.connections),
        "serve_samples_waiting": _plain(status.waiting),
        "serve_samples_judging": _plain(status.judging),
        "serve_models": _by_label(states),
    }


def _plain(value: float) -> Values:
    return {(): value}


def _by_label(counts: Mapping[str, int]) -> Values:
    return {(label,): count for label, count in counts.items()}
