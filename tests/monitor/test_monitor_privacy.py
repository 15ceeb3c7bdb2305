"""A live monitor that keeps names and pixels from the service."""

from __future__ import annotations

import json
import logging

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service

from ds_actors.detection import (
    AdaptiveSampling,
    CallbackSink,
    Frame,
    Level,
    LogSink,
    Monitor,
    Privacy,
    ResultEvent,
    ResultType,
    Sample,
    TrackInfo,
)
from ds_actors.detection.turns import Deliver

KEY = b"0123456789abcdef"


def test_the_service_sees_pseudonyms_and_everybody_here_sees_names() -> None:
    """Levels, events, status and ledger are about the tracks; the wire is about pseudonyms alone."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        service.answer = ResultType.SUSPICIOUS
        await kit.add(monitor, "A", "B")
        await trio.sleep(3)
        assert len(service.samples) >= 2
        names = Privacy(pseudonyms=True, key=KEY).wire_names()
        assert names is not None
        expected = {names.of(f"p{track}", track) for track in "AB"}
        assert {(sample.participant, sample.track) for _, sample in service.samples} == expected
        assert monitor.level("A") is Level.SUSPICIOUS
        assert {(event.participant_id, event.track_id) for event in events} == {("pA", "A"), ("pB", "B")}
        assert {track.track for track in monitor.status().tracks} == {"A", "B"}
        rows = [json.loads(row.json()) for row in monitor.ledger()]
        assert {(row["participant"], row["track"]) for row in rows} == {("pA", "A"), ("pB", "B")}
        assert {(row["participant_sent"], row["track_sent"]) for row in rows} == expected
        assert {row["outcome"] for row in rows} == {"answered"}

    kit.run(
        body,
        privacy=Privacy(pseudonyms=True, key=KEY),
        ledger=True,
        sinks=[CallbackSink(events.append)],
    )


def test_an_answer_under_a_name_that_was_never_sent_counts_for_nobody() -> None:
    """A service that knows the names from elsewhere cannot use them here."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.answer = ResultType.CLEAR
        await kit.add(monitor, "A")
        await trio.sleep(3)
        before = monitor.status().results.get("unknown_track", 0)
        await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.CLEAR
        assert monitor.status().results["unknown_track"] == before + 1

    kit.run(body, privacy=Privacy(pseudonyms=True, key=KEY))


def test_no_picture_is_larger_than_the_limit() -> None:
    """Whatever the policy plans."""
    sides: list[int | None] = []

    async def encode(_frame: Frame, _quality: int, max_side: int | None) -> bytes:
        await trio.lowlevel.checkpoint()
        sides.append(max_side)
        return b"jpeg" * 1_000

    class Camera(kit.Still):
        async def capture(self) -> Frame | None:
            await super().capture()
            return Frame(1280, 720, "i420", b"")

    async def body(_service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo("p", "A"), Camera())
        await trio.sleep(3)

    kit.run(body, privacy=Privacy(max_side=480), encode=encode, sampling=lambda: AdaptiveSampling(1, 1))
    assert len(sides) >= 2
    assert max(side or 10_000 for side in sides) == 480


def test_no_picture_is_in_the_log_of_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever crashes with a sample in hand, and however much is logged; its carrier's repr has none either."""
    caplog.set_level(logging.DEBUG)
    pixels = b"these are the pixels of a face"
    frame, sample = Frame(10, 1, "rgb24", pixels), Sample("alice", "A", 1, pixels)
    assert "pixels" not in repr(frame) + repr(sample) + repr(Deliver("A", sample))

    async def encode(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
        await trio.lowlevel.checkpoint()
        return pixels

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        for _ in range(5):
            await trio.sleep(3)
            await kit.kill(monitor, "A", "uplink")
        assert service.samples[0][1].data == pixels

    kit.run(body, encode=encode, sampling=lambda: AdaptiveSampling(2, 2), ledger=True, sinks=[LogSink()])
    assert len([record for record in caplog.records if record.exc_info]) >= 5
    assert "pixels" not in caplog.text
