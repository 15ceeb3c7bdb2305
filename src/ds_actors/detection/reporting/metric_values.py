"""The figures of a status as metrics: which name, which labels, which value. Pure.

No label is an identity: labels are reasons, levels, states and the names of sinks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level
from ds_actors.detection.status import State, Status, UplinkState

MetricKey = tuple[str, tuple[str, ...]]
"""A metric's name without its prefix, and the values of its labels."""

COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "samples_due": ("Samples that were due.", ()),
    "samples_sent": ("Samples sent to the detection service.", ()),
    "sample_answers": (
        "Samples sent, by outcome: answered, unanswered for 30 s, or lost with the connection.",
        ("outcome",),
    ),
    "samples_dropped": ("Samples that were due and not sent, by reason.", ("reason",)),
    "sample_bytes": ("Bytes of the samples sent, without the wire's own.", ()),
    "actor_restarts": ("Restarts of actors and their supervisors, by part of the monitor.", ("part",)),
    "results": ("Results of the detection service, by level.", ("level",)),
    "malformed_messages": ("Messages of the detection service that could not be read.", ()),
    "uplink_connections": ("Connections to the detection service.", ()),
    "sink_events": ("Events for a sink, by outcome: delivered, failed, timed_out, dropped.", ("sink", "outcome")),
}
"""Description and label names of each counter; Prometheus appends _total to the name."""
GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "monitors": ("Monitors that run, by state.", ("state",)),
    "blind_monitors": ("Monitors with tracks that should be checked and have not been for 30 s.", ()),
    "uplinks": ("Uplinks of running monitors, by state.", ("state",)),
    "uplinks_slow": ("Uplinks of running monitors whose link is slow.", ()),
    "tracks": ("Tracks of all monitors, by coverage.", ("coverage",)),
    "track_levels": ("Tracks of all monitors, by level.", ("level",)),
    "samples_waiting": ("Samples that are due and not sent yet.", ()),
    "actors": ("Actors that run, by part of the monitor.", ("part",)),
    "mailbox_messages": ("Messages that wait in mailboxes, by part of the monitor.", ("part",)),
    "sink_waiting": ("Events that wait for a sink.", ("sink",)),
    "sink_behind": ("Tracks whose current level a sink has not accepted.", ("sink",)),
}
"""Description and label names of each gauge."""


def counter_values(status: Status) -> dict[MetricKey, float]:
    """Return the totals of one monitor since it began."""
    uplink = status.uplink
    values: dict[MetricKey, float] = {
        ("samples_due", ()): uplink.due,
        ("samples_sent", ()): uplink.sent,
        ("malformed_messages", ()): uplink.malformed,
        ("uplink_connections", ()): uplink.connections,
        ("sample_bytes", ()): uplink.bytes_sent,
    }
    values |= {
        ("sample_answers", ("answered",)): uplink.answered,
        ("sample_answers", ("unanswered",)): uplink.unanswered,
        ("sample_answers", ("lost",)): uplink.lost,
    }
    values |= {("samples_dropped", (reason,)): count for reason, count in uplink.dropped.items()}
    values |= {("results", (level.value,)): status.results.get(level.value, 0) for level in Level}
    values |= {("actor_restarts", (part.name,)): part.restarts for part in status.parts}
    for sink in status.sinks:
        values |= {
            ("sink_events", (sink.name, "delivered")): sink.delivered,
            ("sink_events", (sink.name, "failed")): sink.failed,
            ("sink_events", (sink.name, "timed_out")): sink.timed_out,
            ("sink_events", (sink.name, "dropped")): sink.dropped,
        }
    return values


def gauge_values(status: Status) -> dict[MetricKey, float]:
    """Return the present figures of one monitor; every state has a value, so that an alert rule can rely on it."""
    uplink = status.uplink
    values: dict[MetricKey, float] = {("monitors", (state,)): 0 for state in get_args(State)}
    values |= {("uplinks", (state,)): 0 for state in get_args(UplinkState)}
    values |= {("tracks", (coverage.value,)): 0 for coverage in Coverage}
    values |= {("track_levels", (level.value,)): 0 for level in Level}
    values["monitors", (status.state,)] += 1
    values["uplinks", (uplink.state,)] += 1
    values["uplinks_slow", ()] = uplink.slow
    for track in status.tracks:
        values["tracks", (track.coverage.value,)] += 1
        values["track_levels", (track.level.value,)] += 1
    values["blind_monitors", ()] = bool(status.blind)
    values["samples_waiting", ()] = uplink.waiting + uplink.granted
    for part in status.parts:
        values["actors", (part.name,)] = part.actors
        values["mailbox_messages", (part.name,)] = part.queued
    for sink in status.sinks:
        values["sink_waiting", (sink.name,)] = sink.waiting
        values["sink_behind", (sink.name,)] = sink.behind
    return values


def changes(before: Mapping[MetricKey, float], after: Mapping[MetricKey, float]) -> dict[MetricKey, float]:
    """Return by how much each value changed; a value that is missing in one of the two is 0 there."""
    return {
        key: after.get(key, 0) - before.get(key, 0) for key in (*after, *(key for key in before if key not in after))
    }
