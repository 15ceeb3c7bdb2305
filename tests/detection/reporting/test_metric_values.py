"""The figures of a status as metrics."""

from __future__ import annotations

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level
from ds_actors.detection.reporting.metric_values import (
    COUNTERS,
    GAUGES,
    MetricKey,
    changes,
    counter_values,
    gauge_values,
)
from ds_actors.detection.status import PartStatus, SinkStatus, Status, TrackStatus, UplinkStatus

UPLINK = UplinkStatus(
    "down",
    "the link is down",
    attempts=4,
    connections=3,
    due=100,
    sent=80,
    dropped={"stale": 12, "muted": 2},
    waiting=4,
    granted=2,
    malformed=1,
    round_trip=None,
    answered=70,
    unanswered=6,
    lost=4,
    slow=True,
    bytes_sent=4_000_000,
)


def track(level: Level, coverage: Coverage) -> TrackStatus:
    return TrackStatus("mallory", "TR_secret", "video", "camera", level, coverage, 0.2, 0.2, "", 3)


STATUS = Status(
    "running",
    "",
    UPLINK,
    (track(Level.ALERT, Coverage.CHECKED), track(Level.ALERT, Coverage.STALE), track(Level.CLEAR, Coverage.CHECKED)),
    (SinkStatus("webhook", delivered=5, failed=4, timed_out=3, dropped=2, waiting=1, behind=6),),
    {"alert": 60, "clear": 10, "unknown": 3},
    blind="no connection",
    parts=(PartStatus("uplink", actors=1, restarts=7, queued=0, error=""), PartStatus("tracks", 3, 2, 9, "OSError")),
)
IDLE = Status("idle", "", UplinkStatus("connecting", "", 0, 0, 0, 0, {}, 0, 0, 0, None), (), (), {})


def test_the_counters_are_those_of_the_status() -> None:
    """Each sum under its name, by reason, outcome, level, part or sink; a level without results has 0 of them."""
    values = counter_values(STATUS)
    assert {values.pop(("results", (level.value,))) for level in Level if level.value not in STATUS.results} == {0}
    assert values == {
        ("samples_due", ()): 100,
        ("samples_sent", ()): 80,
        ("sample_bytes", ()): 4_000_000,
        ("malformed_messages", ()): 1,
        ("uplink_connections", ()): 3,
        ("sample_answers", ("answered",)): 70,
        ("sample_answers", ("unanswered",)): 6,
        ("sample_answers", ("lost",)): 4,
        ("samples_dropped", ("stale",)): 12,
        ("samples_dropped", ("muted",)): 2,
        ("results", ("alert",)): 60,
        ("results", ("clear",)): 10,
        ("results", ("unknown",)): 3,
        ("actor_restarts", ("uplink",)): 7,
        ("actor_restarts", ("tracks",)): 2,
        ("sink_events", ("webhook", "delivered")): 5,
        ("sink_events", ("webhook", "failed")): 4,
        ("sink_events", ("webhook", "timed_out")): 3,
        ("sink_events", ("webhook", "dropped")): 2,
    }


def test_the_gauges_are_those_of_the_status() -> None:
    """What waits counts whether it has its turn or not, and each state, coverage and level that none has is 0."""
    values = gauge_values(STATUS)
    assert {key: value for key, value in values.items() if value} == {
        ("monitors", ("running",)): 1,
        ("blind_monitors", ()): 1,
        ("uplinks", ("down",)): 1,
        ("uplinks_slow", ()): 1,
        ("tracks", ("checked",)): 2,
        ("tracks", ("stale",)): 1,
        ("track_levels", ("alert",)): 2,
        ("track_levels", ("clear",)): 1,
        ("samples_waiting", ()): 6,
        ("actors", ("uplink",)): 1,
        ("actors", ("tracks",)): 3,
        ("mailbox_messages", ("tracks",)): 9,
        ("sink_waiting", ("webhook",)): 1,
        ("sink_behind", ("webhook",)): 6,
    }
    idle = gauge_values(IDLE)
    assert {key for key, value in idle.items() if value} == {("monitors", ("idle",)), ("uplinks", ("connecting",))}
    assert idle.keys() <= values.keys()


def test_each_value_belongs_to_a_declared_metric() -> None:
    """With as many labels as it declares, and each metric has a value; none has an identity."""
    for values, declared in ((counter_values(STATUS), COUNTERS), (gauge_values(STATUS), GAUGES)):
        assert {name for name, _ in values} == set(declared)
        assert all(len(labels) == len(declared[name][1]) for name, labels in values)
        assert not {"mallory", "TR_secret"} & {label for _, labels in values for label in labels}


def test_a_change_is_the_difference_of_two_values() -> None:
    """One that is missing in either is 0 there: what is gone is taken back."""
    before: dict[MetricKey, float] = {("a", ()): 1.0, ("b", ()): 2.0}
    after: dict[MetricKey, float] = {("a", ()): 4.0, ("c", ()): 5.0}
    assert changes(before, after) == {("a", ()): 3.0, ("b", ()): -2.0, ("c", ()): 5.0}
