"""From pixels to an alert over a real WebSocket, in real time."""

from __future__ import annotations

import io
import json
import logging

import numpy as np
import pytest
import trio
from attrs import define

from ds_actors.detection import (
    AdaptiveSampling,
    CallbackSink,
    Coverage,
    Dataspike,
    Frame,
    JsonLinesSink,
    Level,
    Monitor,
    ResultEvent,
    Sink,
    Status,
    TrackInfo,
)
from ds_actors.sandbox import Sandbox, judge_marker, open_sandbox, paint_marker


@define
class Camera:
    """A face-sized grey picture, tampered with or not."""

    tampered: float = 0.0
    closed: bool = False
    captures: int = 0

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        self.captures += 1
        picture = np.full((120, 160, 3), 128, np.uint8)
        if self.tampered:
            picture = paint_marker(picture, self.tampered)
        return Frame(160, 120, "rgb24", picture.tobytes())

    async def aclose(self) -> None:
        self.closed = True


def service(sandbox: Sandbox, key: str = "k") -> Dataspike:
    return Dataspike(api_key=key, url=sandbox.url)


async def until(condition: object, seconds: float = 30) -> None:
    with trio.fail_after(seconds):
        while not condition():  # type: ignore[operator]
            await trio.sleep(0.01)


async def test_a_tampered_track_is_alerted_and_nobody_else() -> None:
    """Pixels, JPEG, wire, verdict, callback and JSON lines; then a clear settles it."""
    events: list[ResultEvent] = []
    lines = io.StringIO()
    alice, bob = Camera(tampered=0.2), Camera()
    async with open_sandbox(judge_marker) as sandbox:
        sinks: list[Sink] = [CallbackSink(events.append), JsonLinesSink(lines)]
        sampling = lambda: AdaptiveSampling(2, 10)  # noqa: E731
        async with Monitor(service=service(sandbox), sampling=sampling, sinks=sinks) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), alice)
            await monitor.add_track(TrackInfo("bob", "TR_b"), bob)
            await until(lambda: {e.participant_id for e in events} == {"alice", "bob"})
            await until(lambda: len(sandbox.samples) > 8)
            assert monitor.level("TR_a") is Level.ALERT
            assert monitor.level("TR_b") is Level.CLEAR
            assert monitor.coverage("TR_b") is Coverage.CHECKED
            alice.tampered = 0.0
            await until(lambda: monitor.level("TR_a") is Level.CLEAR)
            status = monitor.status()
        account = status.uplink
        assert account.due == account.sent + sum(account.dropped.values()) + account.waiting + account.granted
    assert alice.closed
    assert bob.closed
    assert {e.participant_id for e in events if e.level is Level.ALERT} == {"alice"}
    first = json.loads(lines.getvalue().splitlines()[0])
    assert list(first)[:6] == ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]
    assert monitor.status().state == "closed"


async def test_a_cut_connection_is_replaced_and_nothing_stale_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """After the cut the next connection gets fresh samples, no level is forgotten, and the log has one line."""
    async with open_sandbox(judge_marker) as sandbox:
        sampling = lambda: AdaptiveSampling(5, 10)  # noqa: E731
        async with Monitor(service=service(sandbox), sampling=sampling, random=lambda: 0.1) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera(tampered=0.2))
            await until(lambda: monitor.level("TR_a") is Level.ALERT)
            sandbox.drop_now()
            await until(lambda: len(sandbox.attempts) == 2 and sandbox.connected == 1)
            seen = len(sandbox.samples)
            await until(lambda: len(sandbox.samples) > seen)
            assert monitor.level("TR_a") is Level.ALERT
            assert monitor.status().uplink.connections == 2
    assert max(sample.age for sample in sandbox.samples) < 2.0
    assert caplog.text.count("no connection") == 1
    assert "Traceback" not in caplog.text


async def test_a_refused_key_is_said_once_and_not_hammered(caplog: pytest.LogCaptureFixture) -> None:
    """One attempt, one ERROR that names the variable, status refused."""
    told: list[Status] = []
    async with open_sandbox(api_keys={"right"}) as sandbox:
        async with Monitor(service=service(sandbox, "wrong"), state_cb=told.append) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera())
            await until(lambda: monitor.status().state == "refused")
            await trio.sleep(1)
            assert len(sandbox.attempts) == 1
    errors = [r for r in caplog.records if r.levelno == logging.ERROR and r.name == "ds_actors.detection"]
    assert len(errors) == 1
    assert "DATASPIKE_API_KEY" in errors[0].getMessage()
    assert "refused" in [status.uplink.state for status in told]
    assert "wrong" not in caplog.text


async def test_a_muted_track_is_not_sampled() -> None:
    """Muting stops, unmuting goes on."""
    camera = Camera()
    async with open_sandbox() as sandbox:
        async with Monitor(service=service(sandbox), sampling=lambda: AdaptiveSampling(10, 10)) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), camera)
            await until(lambda: len(sandbox.samples) > 1)
            monitor.set_muted("TR_a", True)
            await trio.sleep(0.3)
            seen = camera.captures
            await trio.sleep(0.5)
            assert camera.captures == seen
            assert monitor.coverage("TR_a") is Coverage.MUTED
            monitor.set_muted("TR_a", False)
            await until(lambda: camera.captures > seen)


async def test_a_slow_callback_for_one_does_not_delay_another() -> None:
    """alice's callback waits for bob's event, so bob's has to come meanwhile."""
    bob = trio.Event()

    async def callback(event: ResultEvent) -> None:
        if event.participant_id == "alice":
            await bob.wait()
        else:
            bob.set()

    async with open_sandbox() as sandbox:
        monitor = Monitor(
            service=service(sandbox), sampling=lambda: AdaptiveSampling(5, 5), sinks=[CallbackSink(callback)]
        )
        async with monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera())
            await until(lambda: sandbox.samples)
            await monitor.add_track(TrackInfo("bob", "TR_b"), Camera())
            with trio.fail_after(30):
                await bob.wait()


async def test_a_raising_callback_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted every time and logged once a minute; the connection stays."""

    def callback(_event: ResultEvent) -> None:
        raise RuntimeError("no")

    async with open_sandbox() as sandbox:
        monitor = Monitor(
            service=service(sandbox), sampling=lambda: AdaptiveSampling(10, 10), sinks=[CallbackSink(callback)]
        )
        async with monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera())
            await until(lambda: monitor.status().sinks[0].failed >= 3)
            assert len(sandbox.attempts) == 1
    assert caplog.text.count("the sink callback failed") == 1
