"""Which tracks of a room the watcher has watched, how it says why the others are not, and what it asks the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock, call

import pytest
from attrs import define, field
from livekit import rtc
from livekit.plugins.dataspike import _forwarding, _watcher
from livekit.plugins.dataspike._forwarding import Forwarding, ForwardingControl, TrackForwarding
from livekit.plugins.dataspike._reconciler import DesiredTrack
from livekit.plugins.dataspike._rules import TrackRules
from livekit.plugins.dataspike._watcher import RoomWatcher
from waiting import loop_idle, until_on_loop

from ds_actors.asyncio import LoopBridge


def publication(sid: str, kind: str = "VIDEO", source: str = "CAMERA", *, track: bool = True, **facts: Any) -> Any:
    return Mock(
        sid=sid,
        kind=getattr(rtc.TrackKind, f"KIND_{kind}"),
        source=getattr(rtc.TrackSource, f"SOURCE_{source}"),
        track=Mock() if track else None,
        **{"encryption_type": rtc.EncryptionType.NONE, "muted": False, "simulcasted": False} | facts,
    )


@define(eq=False)
class Room:
    """A room as the watcher sees it, whose events are emitted by the test."""

    connection_state: int = rtc.ConnectionState.CONN_CONNECTED
    remote_participants: dict[str, Any] = field(factory=dict[str, Any])
    e2ee_manager: Any = field(factory=lambda: SimpleNamespace(enabled=False))
    _handlers: dict[str, list[Callable[..., None]]] = field(factory=dict[str, list[Callable[..., None]]])

    def join(self, identity: str, *publications: Any, kind: str = "STANDARD") -> Any:
        participant = self.remote_participants[identity] = SimpleNamespace(
            identity=identity,
            sid=f"PA_{identity}",
            kind=getattr(rtc.ParticipantKind, f"PARTICIPANT_KIND_{kind}"),
            attributes={},
            track_publications={one.sid: one for one in publications},
        )
        return participant

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers.setdefault(name, []).append(handler)

    def off(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name].remove(handler)

    async def emit(self, name: str, *args: Any) -> None:
        for handler in self._handlers.get(name, []):
            handler(*args)
        await loop_idle()


class Control(ForwardingControl):
    """Remembers who asks whether a track is the detector's alone."""

    def __init__(self, bridge: LoopBridge, forwarding: Forwarding) -> None:
        super().__init__(bridge.loop, forwarding)
        self.alone: dict[str, Callable[[], bool]] = {}

    def track(self, publication: rtc.RemoteTrackPublication, alone: Callable[[], bool]) -> TrackForwarding | None:
        self.alone[publication.sid] = alone
        return None


@define
class Wanted:
    """What the monitor would have been told."""

    tracks: dict[str, DesiredTrack] = field(factory=dict[str, DesiredTrack])
    control: Control | None = None

    def watch(self, room: Room, rules: TrackRules | None = None, forwarding: Forwarding = "always") -> RoomWatcher:
        bridge = LoopBridge()
        self.control = Control(bridge, forwarding)
        watcher = RoomWatcher(
            cast("rtc.Room", room),
            TrackRules() if rules is None else rules,
            bridge,
            self.control,
            auto_subscribe=True,
            want=self._want,
            joined=print,
            left=print,
            speaks=print,
        )
        watcher.start()
        return watcher

    def _want(self, track: str, desired: DesiredTrack | None) -> None:
        if desired is None:
            del self.tracks[track]
        else:
            self.tracks[track] = desired

    def why(self, track: str) -> str:
        """Why a track is not watched; empty when it is."""
        desired = self.tracks[track]
        assert desired.monitored is desired.wanted is (desired.source is not None) is (not desired.why)
        return desired.why


@pytest.mark.parametrize(
    ("rules", "kind", "why"),
    [
        (TrackRules(), "AGENT", "an agent or egress"),
        (TrackRules(sources=("screen_share",)), "STANDARD", "not in sources"),
        (TrackRules(track_filter=lambda _publication, _participant: False), "STANDARD", "track_filter said no"),
        (TrackRules(consent=lambda _participant: False), "STANDARD", "no consent"),
    ],
)
def test_what_the_host_leaves_out_is_listed_with_its_reason_and_its_subscription_left_alone(
    rules: TrackRules, kind: str, why: str
) -> None:
    """It is neither subscribed to nor unsubscribed from: others in the process may use it."""

    async def main() -> None:
        room, wanted = Room(), Wanted()
        publications = [publication("TR_1"), publication("TR_2", track=False)]
        room.join("alice", *publications, kind=kind)
        watcher = wanted.watch(room, rules)
        await loop_idle()
        assert {wanted.why("TR_1"), wanted.why("TR_2")} == {why}
        watcher.stop()
        for one in publications:
            one.set_subscribed.assert_not_called()

    asyncio.run(main())


def test_nothing_is_ever_unsubscribed_from() -> None:
    """Whatever happens to a track that the detector asked for."""

    async def main() -> None:
        room, wanted, consents = Room(), Wanted(), [True, False]
        one = publication("TR_1", track=False)
        alice = room.join("alice", one)
        watcher = wanted.watch(room, TrackRules(consent=lambda _participant: consents[0]))
        await loop_idle()
        one.track = Mock()
        await room.emit("track_subscribed", one.track, one, alice)
        one.muted = True
        await room.emit("track_muted", alice, one)
        del consents[0]
        await room.emit("participant_attributes_changed", {"role": "guest"}, alice)
        assert wanted.why("TR_1") == "no consent"
        del alice.track_publications["TR_1"]
        await room.emit("track_unpublished", one, alice)
        assert wanted.tracks == {}
        watcher.stop()
        assert one.set_subscribed.mock_calls == [call(True)]

    asyncio.run(main())


def test_consent_is_asked_for_at_discovery_and_when_attributes_change() -> None:
    """Not at every look: it is the host's function, on the loop. Who comes back is asked for again."""

    async def main() -> None:
        room, wanted, asked, given = Room(), Wanted(), list[str](), {"alice"}

        def consent(participant: rtc.RemoteParticipant) -> bool:
            asked.append(participant.identity)
            return participant.identity in given

        alice = room.join("alice", publication("TR_1"), publication("TR_2"))
        watcher = wanted.watch(room, TrackRules(consent=consent))
        await loop_idle()
        await room.emit("reconnected")
        assert ([wanted.why("TR_1"), wanted.why("TR_2")], asked) == (["", ""], ["alice"])
        given.clear()
        await room.emit("reconnected")
        assert wanted.why("TR_1") == ""
        await room.emit("participant_attributes_changed", {"consent": "no"}, alice)
        assert ([wanted.why("TR_1"), wanted.why("TR_2")], asked) == (["no consent"] * 2, ["alice"] * 2)
        given.add("alice")
        await room.emit("participant_attributes_changed", {"consent": "yes"}, alice)
        assert (wanted.why("TR_1"), asked) == ("", ["alice"] * 3)
        given.clear()
        await room.emit("participant_connected", room.join("alice", publication("TR_1")))
        assert (wanted.why("TR_1"), asked) == ("no consent", ["alice"] * 4)
        watcher.stop()

    asyncio.run(main())


def test_a_track_whose_key_is_missing_or_wrong_is_encrypted_until_it_can_be_read() -> None:
    """Where the room has no encryption at all, no stream is opened for it."""

    async def main() -> None:
        room, wanted = Room(), Wanted()
        alice = room.join("alice", publication("TR_1", encryption_type=rtc.EncryptionType.GCM))
        watcher = wanted.watch(room)
        await loop_idle()
        desired = wanted.tracks["TR_1"]
        assert (desired.encrypted, desired.source, desired.monitored) == (True, None, True)
        room.e2ee_manager.enabled = True
        for state, encrypted in (("MISSING_KEY", True), ("OK", False), ("DECRYPTION_FAILED", True), ("OK", False)):
            await room.emit("e2ee_state_changed", alice, getattr(rtc.EncryptionState, state))
            desired = wanted.tracks["TR_1"]
            assert (desired.encrypted, desired.source is None) == (encrypted, False)
        watcher.stop()

    asyncio.run(main())


def test_what_no_event_tells_is_found_by_a_look_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveKit may lose an event, and has none for some changes."""
    monkeypatch.setattr(_watcher, "SWEEP_EVERY", 0.02)

    async def main() -> None:
        room, wanted = Room(), Wanted()
        watcher = wanted.watch(room)
        await loop_idle()
        room.join("alice", publication("TR_1"))
        await until_on_loop(lambda: wanted.tracks)
        room.remote_participants.clear()
        await until_on_loop(lambda: not wanted.tracks)
        watcher.stop()

    asyncio.run(main())


def test_a_voice_activity_detector_shuts_the_microphones_of_one_participant_only() -> None:
    """Their video is as it was, and so is everybody else's sound."""

    async def main() -> None:
        room, wanted = Room(), Wanted()
        for identity in ("alice", "bob"):
            microphone = publication(f"{identity}_audio", "AUDIO", "MICROPHONE")
            room.join(identity, publication(f"{identity}_video"), microphone)
        watcher = wanted.watch(room, TrackRules(audio=True))
        await loop_idle()

        def shut() -> set[str]:
            return {sid for sid, desired in wanted.tracks.items() if not desired.gate_open}

        assert shut() == set()
        for silent in ("alice", "bob", None):
            watcher.shut(silent)
            await loop_idle()
            assert shut() == (set() if silent is None else {f"{silent}_audio"})
        watcher.stop()

    asyncio.run(main())


def test_a_track_is_the_detectors_alone_while_it_asked_for_it_and_the_host_subscribes_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One video track that arrives unasked shows that the host consumes tracks: then none may be paused."""
    monkeypatch.setattr(_forwarding, "PATIENCE", 0.0)

    async def main() -> None:
        room, wanted = Room(), Wanted()
        first, second = publication("TR_1", track=False), publication("TR_2")
        alice = room.join("alice", first)
        watcher = wanted.watch(room, forwarding="auto")
        await loop_idle()
        first.set_subscribed.assert_called_once_with(True)
        first.track = Mock()
        await room.emit("track_subscribed", first.track, first, alice)
        assert wanted.control is not None
        assert wanted.control.alone["TR_1"]() is True
        alice.track_publications["TR_2"] = second
        await room.emit("track_subscribed", second.track, second, alice)
        assert {alone() for alone in wanted.control.alone.values()} == {False}
        watcher.stop()

    asyncio.run(main())
