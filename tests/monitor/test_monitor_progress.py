"""The monitor's story in the log: one INFO line per step, and no identity in any message."""

from __future__ import annotations

import logging

import monitor_kit as kit
import pytest
import trio
from attrs import evolve
from monitor_kit import Service, Still

from ds_actors.detection import AdaptiveSampling, Budget, CallbackSink, Monitor, ResultType, TrackInfo
from ds_actors.detection.reporting.progress_text import ended_text, settings_text
from ds_actors.detection.status import Status, UplinkStatus

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


def test_the_summary_names_each_reason_of_a_drop() -> None:
    """With every count; a monitor that failed says so."""
    uplink = UplinkStatus("up", "", 0, 3, 1_200, 1_100, {"stale": 90, "muted": 10}, 0, 0, 0, None)
    status = Status("closed", "", uplink, (), (), {"clear": 1_000, "alert": 5, "error": 0})
    assert ended_text(status, 2, 3_601.2) == (
        "monitoring ends after 3,601 s: 2 tracks; 1,200 samples due, 1,100 sent; results: alert 5, clear 1,000; "
        "dropped: muted 10, stale 90; 3 connections"
    )
    assert ended_text(evolve(status, state="failed"), 0, 1.0).startswith("monitoring failed after 1 s: 0 tracks; ")


def test_settings_without_sinks_and_budget() -> None:
    """A sink's name is its owner's text, and is escaped too."""
    promise = AdaptiveSampling().promise
    words = settings_text(
        service="wss://a", policy="Mine", promise=promise, quality=50, budget=None, notify="all", sinks=[]
    )
    assert words.endswith("JPEG quality 50, no budget, every result to no sink")
    budget = Budget(samples_per_minute=6, bytes_per_second=5000)
    words = settings_text(
        service="wss://a", policy="Mine", promise=promise, quality=50, budget=budget, notify="all", sinks=[HOSTILE]
    )
    assert words.endswith("budget 6 samples/min and 5000 bytes/s, every result to mallory[2J")
