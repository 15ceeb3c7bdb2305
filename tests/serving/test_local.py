"""A detector inside the monitor that uses it."""

from __future__ import annotations

from functools import partial

import hostile_models
import numpy as np
import pytest
from numpy.typing import NDArray
from serving_kit import HOSTILE
from waiting import until_in_trio

from ds_actors.detection import AdaptiveSampling, Coverage, Frame, Level, Monitor, TrackInfo
from ds_actors.detectors import DetectorError, Finding, Thresholds
from ds_actors.sandbox import paint_marker
from ds_actors.serving import Local, ModelLimits, QueueLimits

pytestmark = pytest.mark.timeout(200)  # each starts processes

PATIENT = QueueLimits(deadline=120.0)


class Picture:
    """A source of one picture."""

    def __init__(self, painted: float = 0.0, width: int = 320) -> None:
        self.width = width
        self.pixels = np.full((240, width, 3), 128, np.uint8)
        if painted:
            self.pixels = paint_marker(self.pixels, painted)

    async def capture(self) -> Frame:
        return Frame(self.width, 240, "rgb24", self.pixels.tobytes())

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("detector", [HOSTILE, hostile_models.judge], ids=["processes", "thread"])
async def test_a_monitor_needs_no_second_program(detector: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no address: the models are in its own tree, and stop with it."""
    for name in ("DATASPIKE_API_KEY", "DATASPIKE_WS_URL"):
        monkeypatch.delenv(name, raising=False)
    local = Local(detector, queue=PATIENT)  # type: ignore[arg-type]
    async with Monitor(service=local, sampling=partial(AdaptiveSampling, 2.0, 4.0)) as monitor:
        await monitor.add_track(TrackInfo("alice", "TR_a"), Picture())
        await monitor.add_track(TrackInfo("bob", "TR_b"), Picture(0.2))
        await until_in_trio(lambda: monitor.level("TR_a") is Level.CLEAR and monitor.level("TR_b") is Level.ALERT, 100)
        assert [node.name for node in monitor.tree().children] == ["sinks", "service", "uplink", "tracks", "watch"]
        status = monitor.status()
    assert status.uplink.state == "up"
    assert status.uplink.connections == 1


async def test_a_model_that_dies_inside_a_monitor_is_replaced() -> None:
    """The connection lasts; the other track has its verdict."""
    local = Local(HOSTILE, queue=PATIENT, models=ModelLimits(workers=2))
    async with Monitor(service=local, sampling=partial(AdaptiveSampling, 2.0, 4.0)) as monitor:
        await monitor.add_track(TrackInfo("alice", "TR_a"), Picture(width=hostile_models.DIES))
        await until_in_trio(lambda: monitor.status().results.get("error", 0) > 0, 100)
        await monitor.add_track(TrackInfo("bob", "TR_b"), Picture(0.2))
        await until_in_trio(lambda: monitor.level("TR_b") is Level.ALERT, 100)
        assert monitor.level("TR_a") is Level.UNKNOWN
        assert monitor.status().uplink.connections == 1


async def test_a_track_without_a_face_is_unjudged_and_not_clear() -> None:
    """A finding without a probability is no verdict."""

    def judge(image: NDArray[np.uint8]) -> Finding:
        return Finding(reason="no_face")

    async with Monitor(service=Local(judge, queue=PATIENT), sampling=partial(AdaptiveSampling, 4.0, 4.0)) as monitor:
        await monitor.add_track(TrackInfo("alice", "TR_a"), Picture())
        await until_in_trio(lambda: monitor.status().results.get("unknown", 0) > 1, 100)
        assert monitor.level("TR_a") is Level.UNKNOWN
        assert monitor.coverage("TR_a") is not Coverage.CHECKED


async def test_thresholds_that_were_never_measured_are_said_to_be_guesses_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that are given are taken as measured."""
    for thresholds, times in ((None, 1), (Thresholds(0.3, 0.6), 0)):
        caplog.clear()
        local = Local(hostile_models.judge, thresholds=thresholds)
        for _ in range(2):
            async with Monitor(service=local):
                pass
        assert caplog.text.count("the thresholds are guesses, not measured on this detector") == times


def test_what_is_no_detector_is_refused_at_once() -> None:
    """Before a monitor runs."""
    with pytest.raises(DetectorError, match="the detector is of type int"):
        Local(5)  # type: ignore[arg-type]
