"""The actor of one microphone: when it listens, what it asks the uplink for, and what makes it stop or look sooner."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import trio
from attrs import define, field

from ds_actors import ActorRef, ChildSpec, Supervisor
from ds_actors.detection import Coverage, Dataspike, Level, Monitor, TrackInfo
from ds_actors.detection.sampling import Plan, Speaking
from ds_actors.detection.tracks.audio_actor import AudioTrackActor
from ds_actors.detection.tracks.messages import GateChanged, VerdictArrived
from ds_actors.detection.tracks.sampler import MutedChanged
from ds_actors.detection.tracks.speech import AudioPace
from ds_actors.detection.turns import Deliver, Granted, OutboxMessage, Relevel, RequestTurn, Withdraw
from ds_actors.testing import Probe

SPEECH = np.resize(np.array([3_000, -3_000], "<i2"), 1_600).tobytes()
QUIET = bytes(3_200)
INFO = TrackInfo("alice", "TR_mic", "audio", "microphone")


@define(eq=False)
class Microphone:
    """100 ms blocks in virtual time, of whatever is said at the moment."""

    speaking: bool = True
    open: bool = False
    looks: list[float] = field(factory=list[float])

    async def read(self) -> bytes:
        if not self.open:
            self.open = True
            self.looks.append(trio.current_time())
        await trio.sleep(0.1)
        return SPEECH if self.speaking else QUIET

    async def aclose(self) -> None:
        self.open = False
        await trio.lowlevel.checkpoint()


@define(eq=False)
class Host:
    """What the actor needs of its monitor."""

    probe: Probe[OutboxMessage] = field(factory=Probe[OutboxMessage])
    at: Level = Level.CLEAR
    due: int = 0
    silences: int = 0
    plans: list[Plan] = field(factory=list[Plan])

    def uplink(self) -> ActorRef[OutboxMessage]:
        return self.probe.ref

    def attention(self, track: str) -> Level:
        return self.at

    def last_due(self, track: str) -> float | None:
        return None

    def sample_due(self, track: str) -> None:
        self.due += 1

    def planned(self, track: str, plan: Plan) -> None:
        self.plans.append(plan)

    def captured(self, track: str, *, frame: bool, too_small: bool) -> None:
        raise AssertionError("it sees nothing")

    def speaks(self, participant: str) -> bool:
        raise AssertionError("it hears that itself")

    def silent(self, track: str) -> None:
        self.silences += 1


@asynccontextmanager
async def open_track(microphone: Microphone, host: Host, **options: Any) -> AsyncGenerator[ActorRef[Any]]:
    spec: ChildSpec[Any] = ChildSpec(
        lambda: AudioTrackActor(INFO, microphone, AudioPace(60, 0.2, 1.0), host, **options), name="mic"
    )
    async with Supervisor("tests") as supervisor:
        ref = await supervisor.start(spec)
        await host.probe.expect(Withdraw)
        yield ref


async def test_three_seconds_of_speech_become_one_sample_a_minute(autojump_clock: trio.testing.MockClock) -> None:
    """Listen, ask for a turn, deliver 96,000 bytes; look again a minute after the last look began."""
    host, microphone = Host(), Microphone()
    async with open_track(microphone, host) as ref:
        for minute in range(3):
            request = await host.probe.expect(RequestTurn, timeout=70)
            assert 60 * minute + 2.99 < trio.current_time() - microphone.looks[0] < 60 * minute + 3.2
            assert not microphone.open
            ref.tell(Granted(request))
            deliver = await host.probe.expect(Deliver)
            assert (len(deliver.sample.data), deliver.sample.format) == (96_000, "pcm")
    assert host.due == 3


async def test_silence_asks_for_nothing_and_looks_again_in_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Ten seconds of nothing, then five of leaving it alone."""
    host, microphone = Host(), Microphone(speaking=False)
    async with open_track(microphone, host):
        await trio.sleep(40)
    assert np.allclose(np.diff(microphone.looks), 15, atol=0.2)
    assert host.silences in (2, 3)  # the third ends with the test
    assert host.due == 0


async def test_a_suspicious_microphone_is_heard_sooner(autojump_clock: trio.testing.MockClock) -> None:
    """60 s times 0.2 / 1.0 from the look before, also when the verdict comes while it waits."""
    host, microphone = Host(), Microphone()
    async with open_track(microphone, host) as ref:
        ref.tell(Granted(await host.probe.expect(RequestTurn, timeout=5)))
        await host.probe.expect(Deliver)
        host.at = Level.ALERT
        ref.tell(VerdictArrived())
        await host.probe.expect(Relevel)
        await host.probe.expect(RequestTurn, timeout=20)
    assert 11.9 < microphone.looks[1] - microphone.looks[0] < 12.2


async def test_muted_or_gated_it_hears_nothing_and_takes_back_its_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The stream closes in the middle of a look; unmuted it begins anew."""
    for stop, go in ((MutedChanged(True), MutedChanged(False)), (GateChanged(False), GateChanged(True))):
        host, microphone = Host(), Microphone()
        async with open_track(microphone, host) as ref:
            await trio.sleep(1)
            assert len(microphone.looks) == 1
            ref.tell(stop)
            await host.probe.expect(Withdraw)
            await trio.sleep(30)
            assert not microphone.open
            assert len(microphone.looks) == 1
            ref.tell(go)
            await host.probe.expect(RequestTurn, timeout=5)
            assert len(microphone.looks) == 2
            ref.tell(stop)
            await host.probe.expect(Withdraw)


async def test_who_begins_to_speak_is_looked_at_sooner_and_no_more_than_that(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It shortens the five seconds after silence, not the minute after a chunk: publishers choose that figure."""
    host, microphone = Host(), Microphone(speaking=False)
    async with open_track(microphone, host) as ref:
        await trio.sleep(11)
        microphone.speaking = True
        ref.tell(Speaking(True))
        ref.tell(Granted(await host.probe.expect(RequestTurn, timeout=3.5)))
        await host.probe.expect(Deliver)
        ref.tell(Speaking(True))
        await trio.sleep(10)
        assert len(microphone.looks) == 2


async def test_who_is_said_not_to_speak_is_listened_to_all_the_same(autojump_clock: trio.testing.MockClock) -> None:
    """Their client says so, which may be the one that injects the sound."""
    host, microphone = Host(), Microphone(speaking=False)
    async with open_track(microphone, host) as ref:
        ref.tell(Speaking(False))
        await trio.sleep(12)
        ref.tell(Speaking(False))
        await trio.sleep(4)
        assert microphone.looks == pytest.approx([0.0, 15.0])


async def test_started_muted_or_gated_it_waits(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing is opened before a message says so."""
    for options in ({"muted": True}, {"gate_open": False}):
        host, microphone = Host(), Microphone()
        async with open_track(microphone, host, **options):
            await trio.sleep(20)
            assert microphone.looks == []


async def test_a_monitor_lists_what_nobody_watches_and_why(autojump_clock: trio.testing.MockClock) -> None:
    """Not monitored at once, not subscribed after ten seconds; a silent microphone is never stale."""

    async def never(_service: Dataspike) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async with Monitor(service=Dataspike(api_key="k", url="ws://127.0.0.1:1"), connect=never) as monitor:
        other, away, screen = (TrackInfo("bob", f"TR_{n}") for n in range(3))
        monitor.report_unwatched(other, monitored=False)
        monitor.report_unwatched(away, subscribed=False)
        monitor.report_unwatched(screen, encrypted=True)
        await monitor.add_track(INFO, Microphone(speaking=False))
        assert monitor.coverage("TR_0") is Coverage.NOT_MONITORED
        assert monitor.coverage("TR_1") is Coverage.WAITING
        assert monitor.coverage("TR_2") is Coverage.ENCRYPTED
        await trio.sleep(8)
        monitor.report_unwatched(away, subscribed=False, muted=False)  # said again, it stays published when it was
        await trio.sleep(3)
        assert monitor.coverage("TR_1") is Coverage.NOT_SUBSCRIBED
        assert {status.track for status in monitor.status().tracks} == {"TR_0", "TR_1", "TR_2", "TR_mic"}
        await trio.sleep(400)
        assert monitor.coverage("TR_mic") is Coverage.WAITING
        await monitor.add_track(away, EmptyCamera())
        assert len(monitor.status().tracks) == 4
        for track in ("TR_0", "TR_1", "TR_2", "TR_mic"):
            await monitor.remove_track(track)
        assert monitor.status().tracks == ()


class EmptyCamera:
    """A camera that gives nothing."""

    async def capture(self) -> None:
        await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
