"""Our own clients against the service: the monitor, and what the sandbox's grade says about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import trio
from serving_kit import HOSTILE
from trio_websocket import WebSocketRequest
from waiting import until_in_trio

from ds_actors.detection import AdaptiveSampling, CallbackSink, Dataspike, Frame, Level, Monitor, ResultEvent, TrackInfo
from ds_actors.detection.events import Sample
from ds_actors.sandbox import grade, paint_marker
from ds_actors.sandbox.records import Attempt, Received, Records
from ds_actors.serving import ModelLimits, QueueLimits, open_service
from ds_actors.serving._upgrade import bearer_key

pytestmark = pytest.mark.timeout(200)


class Camera:
    """A source of one picture."""

    def __init__(self, painted: float) -> None:
        self.pixels = paint_marker(np.full((240, 320, 3), 128, np.uint8), painted)

    async def capture(self) -> Frame:
        return Frame(320, 240, "rgb24", self.pixels.tobytes())

    async def aclose(self) -> None:
        pass


class Recorder:
    """Keeps what the sandbox keeps of a client."""

    def __init__(self) -> None:
        self.records, self.began = Records(), time.monotonic()

    def __call__(self, address: str, key: str, request: WebSocketRequest) -> Callable[[Sample], object]:
        now = time.monotonic() - self.began
        client = self.records.client(address, key)
        attempt = Attempt(now, key_in_url=key in request.path, last_sent=now, answered=True)
        client.attempts.append(attempt)
        assert bearer_key(request) == key

        def received(sample: Sample) -> None:
            at, age = time.monotonic() - self.began, time.time() - sample.timestamp_ms / 1_000
            attempt.note_sent(at)  # each sample is answered
            client.received += 1
            client.samples.append(Received(at, sample.participant, sample.track, len(sample.data), age, sample.format))

        return received


async def test_the_monitor_finds_the_manipulated_track_and_keeps_every_rule() -> None:
    """From pixels over the wire and the model to the level; the sandbox's grade finds no broken rule."""
    recorder = Recorder()
    seen: list[ResultEvent] = []
    queue, models = QueueLimits(deadline=120.0), ModelLimits(workers=2)
    async with open_service(HOSTILE, api_keys=["k"], queue=queue, models=models, observe=recorder) as service:
        with trio.fail_after(100):
            await service.wait_ready()
        sink = CallbackSink(seen.append)
        sampling = partial(AdaptiveSampling, 2.0, 4.0)
        async with Monitor(service=Dataspike(api_key="k", url=service.url), sampling=sampling, sinks=[sink]) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera(0.0))
            await monitor.add_track(TrackInfo("bob", "TR_b"), Camera(0.2))
            await until_in_trio(lambda: len(seen) >= 8, 100)
            assert (monitor.level("TR_a"), monitor.level("TR_b")) == (Level.CLEAR, Level.ALERT)
        await until_in_trio(lambda: service.status().connections == 0)
        rows = grade(recorder.records.clients, now=time.monotonic() - recorder.began)
        broken = {row.rule for row in rows if not row.kept}
        # The age of a sample ends here when it is read, which a slow machine does late; the sandbox sees the last byte.
        assert broken <= {"no sample older than 2 s"}
        assert sum(row.tested for row in rows) >= 4
        assert service.status().received == sum(service.status().answered.values()) + service.status().unsent
