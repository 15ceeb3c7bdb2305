"""Late, missing and slow frames, and slow links, in a live monitor."""

from __future__ import annotations

from functools import partial

import monitor_kit as kit
import pytest
import trio
from attrs import define
from monitor_kit import Service, Slow, Still

from ds_actors.detection import AdaptiveSampling, Coverage, Frame, FrameTooSmallError, Monitor, TrackInfo

RARE = partial(AdaptiveSampling, 0.001, 0.001)


def test_a_slow_encoder_is_no_missing_frame() -> None:
    """Five tracks of one participant have a frame at once, which takes half a second to encode."""

    async def encode(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
        await trio.sleep(0.5)
        return b"jpeg"

    async def body(_service: Service, monitor: Monitor) -> None:
        for n in range(5):
            await monitor.add_track(TrackInfo("p", f"T{n}"), Still())
        await trio.sleep(60)
        status = monitor.status()
        assert "no_frame" not in status.uplink.dropped
        assert all(track.sent >= 11 for track in status.tracks)
        assert kit.adds_up(monitor)

    kit.run(body, encode=encode)


def test_a_late_capture_gives_its_turn_back() -> None:
    """Eight sources without a frame hold all turns for 0.3 s, then the ninth track has its own."""

    async def body(service: Service, monitor: Monitor) -> None:
        began = trio.current_time()
        await kit.add(monitor, *(f"T{n}" for n in range(8)), source=Slow())
        await kit.add(monitor, "B")
        await trio.sleep(1)
        assert service.sent("B") == pytest.approx([began + 0.3])
        assert monitor.status().uplink.granted == 8

    kit.run(body, sampling=RARE)


def test_a_participant_has_two_late_captures_at_most() -> None:
    """The third track without a frame has used up its time after 0.3 s, the others after 2 s."""

    async def body(_service: Service, monitor: Monitor) -> None:
        for n in range(3):
            await monitor.add_track(TrackInfo("p", f"T{n}"), Slow())
        await trio.sleep(0.4)
        account = monitor.status().uplink
        assert (account.granted, dict(account.dropped)) == (2, {"no_frame": 1})
        await trio.sleep(1.7)
        account = monitor.status().uplink
        assert (account.granted, dict(account.dropped)) == (0, {"no_frame": 3})
        assert kit.adds_up(monitor)

    kit.run(body, sampling=RARE)


@pytest.mark.parametrize(
    ("source", "seconds", "sent"),
    [("camera", 1.9, 1), ("camera", 2.1, 0), ("screen_share", 9.9, 1), ("screen_share", 10.1, 0)],
)
def test_a_frame_is_waited_for(source: str, seconds: float, sent: int) -> None:
    """For 2 s, of a screen share for 10 s; a late frame is sent like any other."""

    async def body(service: Service, monitor: Monitor) -> None:
        began = trio.current_time()
        await monitor.add_track(TrackInfo("p", "B", source=source), Slow(seconds=seconds))
        await trio.sleep(20)
        assert service.sent("B") == pytest.approx([began + seconds] * sent)
        assert dict(monitor.status().uplink.dropped) == ({} if sent else {"no_frame": 1})

    kit.run(body, sampling=RARE)


@pytest.mark.parametrize(("source", "third"), [("camera", 12.0), ("screen_share", 40.0)])
def test_three_one_shots_without_a_frame_are_no_frames(source: str, third: float) -> None:
    """The coverage says so at the end of the third, and takes it back with the first frame."""

    async def body(_service: Service, monitor: Monitor) -> None:
        frames = Slow()
        await monitor.add_track(TrackInfo("p", "B", source=source), frames)
        await trio.sleep(third - 0.1)
        assert monitor.coverage("B") in (Coverage.WAITING, Coverage.STALE)
        await trio.sleep(0.2)
        assert monitor.coverage("B") is Coverage.NO_FRAMES
        frames.seconds = 0.0
        await trio.sleep(20)
        assert monitor.coverage("B") is Coverage.CHECKED
        assert kit.adds_up(monitor)

    kit.run(body)


@define
class Tiny(Still):
    """A source whose frames are too small while told so."""

    small: bool = True

    async def capture(self) -> Frame | None:
        frame = await super().capture()
        if self.small:
            raise FrameTooSmallError("a frame of 40 x 30 pixels")
        return frame


def test_three_one_shots_whose_frames_are_too_small_are_too_small() -> None:
    """Not `no_frames`: frames do arrive. The drops are counted by that reason, and a larger frame takes it back."""

    async def body(service: Service, monitor: Monitor) -> None:
        frames = Tiny()
        await monitor.add_track(TrackInfo("p", "B"), frames)
        await trio.sleep(9.9)
        assert monitor.coverage("B") is Coverage.WAITING
        await trio.sleep(0.2)
        assert monitor.coverage("B") is Coverage.TOO_SMALL
        assert dict(monitor.status().uplink.dropped) == {"too_small": 3}
        assert service.sent("B") == []
        monitor.set_muted("B", True)
        monitor.set_muted("B", False)
        assert monitor.coverage("B") is Coverage.WAITING
        await trio.sleep(20)
        assert monitor.coverage("B") is Coverage.TOO_SMALL
        frames.small = False
        await trio.sleep(5.1)
        assert monitor.coverage("B") is Coverage.CHECKED
        assert kit.adds_up(monitor)

    kit.run(body)
