"""Microphones in a live monitor: when they are recorded, and what is sent."""

from __future__ import annotations

import itertools
from array import array

import monitor_kit as kit
import pytest
import trio
from attrs import define, field
from monitor_kit import Service

from ds_actors import ChildEnded, TelemetryEvent
from ds_actors.detection import Coverage, Monitor, TrackInfo
from ds_actors.detection.tracks.speech import AudioPace
from ds_actors.testing import run_virtual

SPEECH, QUIET = (array("h", [amplitude, -amplitude] * 800).tobytes() for amplitude in (3_000, 10))


@define
class Microphone:
    """Gives 100 ms of sound each 100 ms, and notes when it was opened."""

    speaks: bool = True
    opened: list[float] = field(factory=list[float])
    is_open: bool = False

    async def read(self) -> bytes:
        if not self.is_open:
            self.is_open = True
            self.opened.append(trio.current_time())
        await trio.sleep(0.1)
        return SPEECH if self.speaks else QUIET

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.is_open = False


@define
class Clinging(Microphone):
    """A microphone that does not close."""

    async def aclose(self) -> None:
        self.is_open = False
        await trio.sleep_forever()


async def listen(monitor: Monitor, track: str, microphone: Microphone) -> None:
    await monitor.add_track(TrackInfo(f"p{track}", track, kind="audio", source="microphone"), microphone)


@pytest.mark.parametrize(
    ("track", "opened"),
    [("B", [0, 60, 120]), ("A", [0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 120]), ("C", [12 * n for n in range(11)])],
)
def test_a_microphone_is_sent_as_three_seconds_of_pcm(track: str, opened: list[float]) -> None:
    """Once a minute, while suspicious or alert every twelve seconds, and its source is closed in between."""

    async def body(service: Service, monitor: Monitor) -> None:
        microphone = Microphone()
        await listen(monitor, track, microphone)
        await trio.sleep(125)
        assert microphone.opened == pytest.approx(opened)
        assert not microphone.is_open
        assert service.sent(track) == pytest.approx([at + 3 for at in opened])
        assert {(sample.format, len(sample.data)) for _, sample in service.samples} == {("pcm", 96_000)}
        assert monitor.coverage(track) is Coverage.CHECKED
        assert kit.adds_up(monitor)

    kit.run(body)


def test_a_silent_microphone_is_looked_at_again_and_never_stale() -> None:
    """Ten seconds of nothing, five of pause; reported speech leads to an earlier recording, once."""

    async def body(service: Service, monitor: Monitor) -> None:
        microphone = Microphone(speaks=False)
        await listen(monitor, "B", microphone)
        await trio.sleep(251)
        assert microphone.opened == pytest.approx([15 * n for n in range(17)])
        assert monitor.coverage("B") is Coverage.WAITING
        microphone.speaks = True
        monitor.set_speaking("pB", True)
        await trio.sleep(4)
        assert microphone.opened[17:] == pytest.approx([251])
        assert service.sent("B") == pytest.approx([254])
        for _ in range(10):
            monitor.set_speaking("pB", True)
        await trio.sleep(50)
        assert len(microphone.opened) == 18

    kit.run(body)


@pytest.mark.parametrize("how", ["muted", "gate"])
def test_a_muted_or_gated_microphone_is_not_listened_to(how: str) -> None:
    """A half-finished recording is not sent; it goes on at once, but not sooner than 3 s after it was opened."""

    def shut(monitor: Monitor, *, yes: bool) -> None:
        if how == "muted":
            monitor.set_muted("B", yes)
        else:
            monitor.set_gate("B", not yes)

    async def body(service: Service, monitor: Monitor) -> None:
        microphone = Microphone()
        await listen(monitor, "B", microphone)
        await trio.sleep(1)
        shut(monitor, yes=True)
        await trio.sleep(0.5)
        assert not microphone.is_open
        shut(monitor, yes=False)
        await trio.sleep(3)
        assert microphone.opened == pytest.approx([0, 3])
        shut(monitor, yes=True)
        await trio.sleep(300)
        assert not service.samples
        if how == "muted":
            assert monitor.coverage("B") is Coverage.MUTED
        shut(monitor, yes=False)
        await trio.sleep(3.1)
        assert microphone.opened == pytest.approx([0, 3, 304.5])
        assert len(service.samples) == 1

    kit.run(body)


def test_muting_drops_a_chunk_that_waits_for_its_turn() -> None:
    """It was recorded before the turn was requested, and is no longer sent."""

    async def body(service: Service, monitor: Monitor) -> None:
        await trio.sleep(0.1)
        service.links[-1].seconds = 1.0
        await listen(monitor, "B", Microphone())
        await trio.sleep(2.5)
        await kit.add(monitor, "A")
        await trio.sleep(0.6)
        assert monitor.status().uplink.waiting == 1
        monitor.set_muted("B", True)
        await trio.sleep(10)
        assert not service.sent("B")
        assert monitor.status().uplink.dropped["muted"] == 1
        assert kit.adds_up(monitor)

    kit.run(body)


def test_a_crashed_microphone_is_listened_to_again() -> None:
    """Whether its actor crashed in the middle of a look or its supervisor did; two samples stay 3 s apart."""

    async def body(service: Service, monitor: Monitor) -> None:
        microphone = Microphone()
        await listen(monitor, "B", microphone)
        for seconds in (1, 1, 4.5):
            await trio.sleep(seconds)
            await kit.kill(monitor, "B")
        await trio.sleep(10)
        await kit.kill_supervisor(monitor, "tracks")
        await trio.sleep(10)
        first, *others = service.sent("B")
        assert others
        assert all(b - a >= 3 for a, b in itertools.pairwise([first, *others]))
        assert monitor.coverage("B") is Coverage.CHECKED
        await monitor.remove_track("B")
        assert not microphone.is_open

    with kit.without_log():
        kit.run(body)


def test_a_microphone_that_does_not_close_delays_its_sample_by_half_a_second() -> None:
    """A longer wait would make each sample too old to be sent."""

    async def body(service: Service, monitor: Monitor) -> None:
        await listen(monitor, "B", Clinging())
        await trio.sleep(70)
        assert service.sent("B") == pytest.approx([3.5, 63.5])
        assert kit.adds_up(monitor)

    kit.run(body)


def test_tracks_stop_within_half_a_second_while_a_microphone_does_not_close() -> None:
    """It is in the middle of a recording, which the close cuts off."""
    ended: dict[str, float] = {}
    began = 0.0

    def note(event: TelemetryEvent) -> None:
        if isinstance(event, ChildEnded):
            ended[event.path] = trio.current_time() - began

    async def main() -> None:
        nonlocal began
        async with trio.open_nursery() as nursery:
            async with kit.monitor_of(Service(nursery)) as monitor:
                await listen(monitor, "B", Clinging())
                await trio.sleep(1)
                monitor._supervisor.listen(note)
                began = trio.current_time()
            nursery.cancel_scope.cancel()

    run_virtual(main)
    assert 0 < ended["/monitor/tracks/B"] <= ended["/monitor/tracks"] <= 0.5


def test_video_is_no_business_of_gates() -> None:
    """Gate and speaking may be reported for any track; a camera ignores them."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(1)
        monitor.set_gate("B", False)
        monitor.set_speaking("pB", True)
        monitor.set_speaking("nobody", True)
        await trio.sleep(10)
        assert len(service.sent("B")) == 3

    kit.run(body, audio=AudioPace(interval=30))
