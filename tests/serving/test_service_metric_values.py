"""The figures of a service as metrics."""

from __future__ import annotations

from ds_actors.serving.metric_values import METRICS, values
from ds_actors.serving.status import ServiceStatus

STATUS = ServiceStatus(
    "ready",
    {"model-1": "busy", "model-2": "busy", "model-3": "idle"},
    connections=2,
    refused={"401": 3},
    received=100,
    malformed=4,
    waiting=5,
    judging=6,
    dropped={"expired": 7},
    faults={"failed": 8},
    answered={"alert": 9, "clear": 10},
    unwritten=11,
    unsent=12,
    batches=13,
    lost=14,
)


def test_each_metric_has_its_value() -> None:
    """By its labels; a level, a reason and a state that did not occur have 0, so that a rule can rely on them."""
    found = values(STATUS)
    assert {name: {labels: count for labels, count in found[name].items() if count} for name in found} == {
        "serve_samples": {(): 100},
        "serve_answers": {("alert",): 9, ("clear",): 10},
        "serve_samples_dropped": {("expired",): 7},
        "serve_faults": {("failed",): 8},
        "serve_answers_unwritten": {(): 11},
        "serve_answers_unsent": {(): 12},
        "serve_malformed_messages": {(): 4},
        "serve_upgrades_refused": {("401",): 3},
        "serve_batches": {(): 13},
        "serve_batches_lost": {(): 14},
        "serve_connections": {(): 2},
        "serve_samples_waiting": {(): 5},
        "serve_samples_judging": {(): 6},
        "serve_models": {("busy",): 2, ("idle",): 1},
    }
    assert found["serve_answers"]["suspicious",] == 0
    assert found["serve_samples_dropped"]["overloaded",] == 0
    assert found["serve_models"] == {("loading",): 0, ("idle",): 1, ("busy",): 2, ("down",): 0}


def test_each_value_belongs_to_a_declared_metric() -> None:
    """With as many labels as it declares."""
    found = values(STATUS)
    assert found.keys() == METRICS.keys()
    assert all(len(labels) == len(METRICS[name][2]) for name, own in found.items() for labels in own)
