"""The monitor's story in the log: one INFO line per step, and no identity in any message."""

from __future__ import annotations

import logging

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Still

from ds_actors.detection import Budget, CallbackSink, Monitor, ResultType, TrackInfo

STORY = "ds_actors.detection.reporting.progress"
HOSTILE = "mallory\x1b[2J\n"


def story(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == STORY]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in story(caplog)]


def test_a_run_is_told_from_its_settings_to_its_summary(caplog: pytest.LogCaptureFixture) -> None:
    """What is watched, connected, the first sample, each change of level, the summary; however many samples go out."""
    caplog.set_level(logging.INFO, STORY)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(58)
        service.silent.add("B")
        await service.say(ResultType.ALERT, "B")
        await service.say(ResultType.ALERT, "B")
        assert len(service.samples) > 10

    kit.run(body, sinks=[CallbackSink(print)], notify="changes", budget=Budget(samples_per_minute=600))
    *steps, summary = messages(caplog)
    settings = "AdaptiveSampling with 0.2 to 1 samples/s per track, JPEG quality 75, budget 600 samples/min"
    assert steps == [
        f"monitoring begins: ws://127.0.0.1:1, {settings}, changes of level to callback",
        "connected to the detection service",
        "first sample of a track sent: video, camera",
        "the level of a track is clear (was unknown)",
        "the level of a track is alert (was clear)",
    ]
    assert summary.startswith("monitoring ends after 58 s: 1 track; ")
    assert "results: alert 2, clear 12; dropped: none" in summary
    assert {record.levelname for record in story(caplog)} == {"INFO"}


def test_a_second_connection_is_not_told_as_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """The outage's own lines tell of it."""
    caplog.set_level(logging.INFO, STORY)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(10)
        await service.links[-1].aclose()
        await trio.sleep(30)
        assert monitor.status().uplink.connections == 2

    with caplog.at_level(logging.INFO, STORY):
        kit.run(body)
    assert messages(caplog).count("connected to the detection service") == 1


def test_participants_are_marked_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    """Their identity is in the record as LiveKit marks personal data, and in no message."""
    caplog.set_level(logging.INFO, STORY)

    async def body(_service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo(HOSTILE, "A", "video", "camera"), Still())
        await trio.sleep(1)

    kit.run(body)
    assert "mallory" not in " ".join(messages(caplog))
    marked = [
        record.__dict__["lk.pii.participant"] for record in story(caplog) if "lk.pii.participant" in record.__dict__
    ]
    assert marked == ["mallory[2J"] * 2
