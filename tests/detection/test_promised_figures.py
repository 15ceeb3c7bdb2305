"""The figures that users and operators are promised: a change of one breaks a promise.

Most tests name a constant instead of its value, so they would follow it.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

FIGURES: list[tuple[str, str, Any]] = [
    # results
    ("events", "MESSAGE_LIMIT", 1_024),
    ("events", "PAYLOAD_LIMIT", 15_000),
    # memory
    ("levels.assessment", "LATE_RESULTS", 60.0),
    ("levels.assessment", "MEMORY_AFTER_LEAVING", 600.0),
    ("levels.assessment", "MEMORY_LIMIT", 10_000),
    # coverage
    ("coverage", "NOT_SUBSCRIBED_AFTER", 10.0),
    ("coverage", "NO_FRAMES_AFTER", 3),
    ("coverage", "STALE_AFTER", 15.0),
    ("reporting.blindness", "BLIND_AFTER", 30.0),
    # which tracks
    ("tracks.registry", "TRACKS_PER_PARTICIPANT", 64),
    ("tracks.registry", "TRACKS", 2_000),
    # sampling and sending
    ("tracks.sampler", "LATE_AFTER", 0.3),
    ("tracks.sampler", "PATIENCE", 2.0),
    ("tracks.sampler", "SCREEN_SHARE_PATIENCE", 10.0),
    ("uplink.outbox", "WINDOW", 8),
    ("uplink.outbox", "LATE_CAPTURES", 2),
    ("uplink.outbox", "AGE_LIMIT", 2.0),
    ("uplink.turn_queue", "FAIR_EVERY", 4),
    ("sampling.protocol", "SHORTEST_GAP", 0.005),
    ("sampling.protocol", "MAX_FPS", 30.0),
    ("tracks.encoding", "MAX_SAMPLE_BYTES", 2 * 1024 * 1024),
    ("tracks.encoding", "REDUCED_SIDE", 1_920),
    ("tracks.encoding_threads", "ENCODINGS", 3),
    ("uplink.link_pace", "ARRIVES_WITHIN", 2.0),
    # the uplink
    ("uplink.close_reasons", "REFUSED_STATUSES", {401, 403}),
    ("uplink.close_reasons", "REFUSED_CODES", {1008, 3000, 4001, 4003, 4401, 4403}),
    ("uplink.close_reasons", "RETRY_AFTER_LIMIT", 300.0),
    ("uplink.heartbeat", "PING_AFTER", 10.0),
    ("uplink.heartbeat", "DEAD_AFTER", 10.0),
    ("uplink.heartbeat", "HEALTHY_AFTER", 10.0),
    ("uplink.heartbeat", "MALFORMED_LIMIT", 100),
    ("uplink.heartbeat", "UNANSWERED_FOR", 60.0),
    ("uplink.heartbeat", "FINISHED_WITHIN", 10.0),
    ("uplink.heartbeat", "CONTROL_FRAMES", 1_000),
    ("uplink.frames", "FRAMES_PER_MESSAGE", 64),
    ("uplink.connection", "MAX_MESSAGE_SIZE", 64 * 1024),
    ("uplink.ledger", "ROWS", 1_000),
    ("reporting.notes", "REMIND_EVERY", 300.0),
    # sinks
    ("sinks._queue", "PER_TRACK", 32),
    ("sinks._queue", "AT_ONCE", 16),
    ("sinks._actor", "DELIVERY_TIMEOUT", 30.0),
    ("reporting.log_throttle", "COMPLAIN_EVERY", 60.0),
    # audio
    ("tracks.speech", "SAMPLE_RATE", 16_000),
    ("tracks.speech", "CHUNK_SAMPLES", 48_000),
    ("tracks.speech", "FLOOR_DBFS", -50.0),
    ("tracks.speech", "SPEECH_ENDS_AFTER", 1.0),
    ("tracks.speech", "SHORTEST_SPEECH", 1.0),
    ("tracks.speech", "LISTEN_FOR", 10.0),
    ("tracks.speech", "LOOK_AGAIN_AFTER", 5.0),
    ("tracks.speech", "SHORTEST_INTERVAL", 3.0),
    # life
    ("tracks.backoff", "FAILING_CRASHES", 5),
    ("tracks.backoff", "FAILING_WITHIN", 60.0),
    ("tracks.backoff", "FAILING_RETRY", 60.0),
]


@pytest.mark.parametrize(("module", "name", "value"), FIGURES)
def test_a_promised_figure_is_what_it_was(module: str, name: str, value: Any) -> None:
    """In the modules of the monitor."""
    assert getattr(importlib.import_module(f"ds_actors.detection.{module}"), name) == value
