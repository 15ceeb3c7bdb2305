"""What the watcher makes of a room's events in an order that a real room does not give on command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from attrs import define, field
from livekit import rtc
from livekit.plugins.dataspike import _forwarding
from livekit.plugins.dataspike._forwarding import Forwarding, ForwardingControl
from livekit.plugins.dataspike._reconciler import DesiredTrack
from livekit.plugins.dataspike._rules import TrackRules, track_info
from livekit.plugins.dataspike._watcher import RoomWatcher
from waiting import loop_idle, until_on_loop

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import TrackInfo


@define(eq=False)
class Room:
    """A room as the watcher sees it."""

    connection_state: int = rtc.ConnectionState.CONN_CONNECTED
    remote_participants: dict[str, Any] = field(factory=dict[str, Any])
    _handlers: dict[str, list[Callable[..., None]]] = field(factory=dict[str, list[Callable[..., None]]])

    def join(self, identity: str) -> Any:
        participant = self.remote_participants[identity] = SimpleNamespace(identity=identity, track_publications={})
        return participant

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers.setdefault(name, []).append(handler)

    def off(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name].remove(handler)

    def emit(self, name: str, *args: Any) -> None:
        for handler in self._handlers.get(name, []):
            handler(*args)


@define
class FakeMonitor:
    """What the monitor would have been told."""

    speaks: list[tuple[str, bool]] = field(factory=list[tuple[str, bool]])
    present: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    left: list[str] = field(factory=list[str])
    wanted: dict[str, bool] = field(factory=dict[str, bool])

    def watch(self, room: Room, forwarding: Forwarding = "always", *, auto_subscribe: bool = True) -> RoomWatcher:
        bridge = LoopBridge()
        watcher = RoomWatcher(
            cast("rtc.Room", room),
            TrackRules(),
            bridge,
            ForwardingControl(bridge.loop, forwarding),
            auto_subscribe=auto_subscribe,
            want=self._want,
            joined=lambda identity: self.present.append(("joined", identity)),
            left=self._leave,
            speaks=lambda identity, speaking: self.speaks.append((identity, speaking)),
        )
        watcher.start()
        return watcher

    def _want(self, track: str, desired: DesiredTrack | None) -> None:
        if desired is not None:
            self.wanted[track] = desired.wanted

    def _leave(self, identity: str) -> None:
        self.left.append(identity)
        self.present.append(("left", identity))


def test_who_leaves_while_speaking_and_is_back_at_once_speaks_no_more() -> None:
    """No other event says so: to the monitor they never left, and the next list of speakers lacks them."""

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        alice = room.join("alice")
        watcher = told.watch(room)
        room.emit("active_speakers_changed", [alice])
        room.emit("participant_disconnected", alice)
        room.emit("participant_connected", room.join("alice"))
        await loop_idle()
        room.emit("active_speakers_changed", [])
        assert told.left == []
        assert told.speaks == [("alice", True), ("alice", False)]
        watcher.stop()

    asyncio.run(main())


def test_each_beginning_and_end_of_speech_is_told_once() -> None:
    """The room gives whole lists; a participant who leaves is reported as gone, which ends their speech too."""

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        alice, bob = room.join("alice"), room.join("bob")
        watcher = told.watch(room)
        for speakers in ([alice], [alice], [bob, alice], [bob], [bob]):
            room.emit("active_speakers_changed", speakers)
        assert told.speaks == [("alice", True), ("bob", True), ("alice", False)]
        del room.remote_participants["bob"]
        room.emit("participant_disconnected", bob)
        await loop_idle()
        assert (told.speaks[-1], told.left) == (("bob", False), ["bob"])
        watcher.stop()
        room.emit("active_speakers_changed", [alice])
        assert len(told.speaks) == 4

    asyncio.run(main())


def test_who_comes_back_without_a_track_is_told_of_as_there() -> None:
    """As all do after a full reconnect: the monitor would forget in ten minutes what it knows of who is in the room."""

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        alice = room.join("alice")
        watcher = told.watch(room)
        await loop_idle()
        del room.remote_participants["alice"]
        room.emit("participant_disconnected", alice)
        await loop_idle()
        room.emit("participant_connected", room.join("alice"))
        await loop_idle()
        room.emit("participant_active", alice)
        await loop_idle()
        assert told.present == [("joined", "alice"), ("left", "alice"), ("joined", "alice")]
        watcher.stop()

    asyncio.run(main())


@pytest.mark.parametrize("auto_subscribe", [True, False])
def test_a_track_without_a_subscription_should_be_checked_unless_the_host_does_not_subscribe(
    auto_subscribe: bool,
) -> None:
    """A server that grants no subscription makes the monitor blind; a host's choice does not."""

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        publication = Mock(sid="TR", kind=rtc.TrackKind.KIND_VIDEO, source=1, track=None, encryption_type=0)
        alice = room.join("alice")
        alice.sid, alice.kind = "PA", rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
        alice.track_publications["TR"] = publication
        watcher = told.watch(room, auto_subscribe=auto_subscribe)
        await loop_idle()
        assert told.wanted == {"TR": auto_subscribe}
        room.emit("track_unsubscribed", Mock(), publication, alice)
        await loop_idle()
        assert told.wanted == {"TR": False}
        watcher.stop()

    asyncio.run(main())


def test_a_track_is_subscribed_to_once_and_not_before_the_room_is_connected() -> None:
    """A full reconnect brings tracks before the connection, and what is asked of them then is lost."""

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        room.connection_state = rtc.ConnectionState.CONN_RECONNECTING
        publication = Mock(sid="TR", kind=rtc.TrackKind.KIND_VIDEO, source=1, track=None, encryption_type=0)
        alice = room.join("alice")
        alice.sid, alice.kind = "PA", rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
        alice.track_publications["TR"] = publication
        watcher = told.watch(room)
        await loop_idle()
        publication.set_subscribed.assert_not_called()
        room.connection_state = rtc.ConnectionState.CONN_CONNECTED
        for _ in range(2):
            room.emit("connection_state_changed", room.connection_state)
            room.emit("reconnected")
            await loop_idle()
        publication.set_subscribed.assert_called_once_with(True)
        watcher.stop()

    asyncio.run(main())


def test_with_auto_forwarding_the_detector_waits_to_see_who_subscribes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays without a track is asked for; a track that arrives unasked shows that the host subscribes."""
    monkeypatch.setattr(_forwarding, "PATIENCE", 0.05)

    async def main() -> None:
        room, told = Room(), FakeMonitor()
        publications = [
            Mock(
                sid=sid,
                kind=rtc.TrackKind.KIND_VIDEO,
                source=1,
                track=None,
                encryption_type=0,
                muted=False,
                simulcasted=False,
            )
            for sid in ("TR_1", "TR_2", "TR_3")
        ]
        alice = room.join("alice")
        alice.sid, alice.kind = "PA", rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
        alice.track_publications["TR_1"] = publications[0]
        watcher = told.watch(room, "auto")
        await loop_idle()
        publications[0].set_subscribed.assert_not_called()
        await until_on_loop(lambda: publications[0].set_subscribed.called)
        alice.track_publications["TR_2"] = publications[1]
        publications[1].track = Mock()
        room.emit("track_subscribed", publications[1].track, publications[1], alice)
        await loop_idle()
        publications[1].set_subscribed.assert_not_called()
        alice.track_publications["TR_3"] = publications[2]
        room.emit("track_published", publications[2], alice)
        await loop_idle()
        publications[2].set_subscribed.assert_called_once_with(True)
        watcher.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "watched"),
    [
        ("STANDARD", True),
        ("INGRESS", True),
        ("SIP", True),
        ("CONNECTOR", True),
        ("BRIDGE", True),
        ("AGENT", False),
        ("EGRESS", False),
    ],
)
def test_every_kind_of_participant_is_watched_but_agents_and_recorders(kind: str, watched: bool) -> None:
    """A stream that is fed in is the way to inject a picture; the kind is the token's, attributes are anybody's."""
    participant = Mock(
        kind=getattr(rtc.ParticipantKind, f"PARTICIPANT_KIND_{kind}"),
        identity="alice",
        sid="PA",
        attributes={"lk.publish_on_behalf": "agent", "opt-out": "1"},
    )
    publication = Mock(kind=rtc.TrackKind.KIND_VIDEO, source=0, sid="TR", encryption_type=rtc.EncryptionType.NONE)
    assert (TrackRules().refusal(publication, participant) == "") is watched


@pytest.mark.parametrize(
    ("rules", "kind", "source", "why"),
    [
        (TrackRules(audio=True), "VIDEO", "CAMERA", ""),
        (TrackRules(audio=True), "AUDIO", "MICROPHONE", ""),
        (TrackRules(), "AUDIO", "MICROPHONE", "no audio_params"),
        (TrackRules(audio=True), "AUDIO", "SCREENSHARE_AUDIO", "no microphone"),
        (TrackRules(sources=("camera",)), "VIDEO", "SCREENSHARE", "not in sources"),
        (TrackRules(track_filter=lambda _publication, _participant: False), "VIDEO", "CAMERA", "track_filter said no"),
    ],
)
def test_why_a_track_is_not_watched_is_said(rules: TrackRules, kind: str, source: str, why: str) -> None:
    """In a few words, which `status()` shows as the track's reason."""
    participant = Mock(kind=rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, identity="alice", sid="PA", attributes={})
    publication = Mock(
        kind=getattr(rtc.TrackKind, f"KIND_{kind}"),
        source=getattr(rtc.TrackSource, f"SOURCE_{source}"),
        sid="TR",
        encryption_type=rtc.EncryptionType.NONE,
    )
    assert rules.refusal(publication, participant) == why


def test_a_track_is_named_by_its_sid_and_its_participant_by_the_identity() -> None:
    """The service and every event name them so; the participant's sid, which a reconnect changes, comes beside."""
    participant = Mock(identity="alice", sid="PA_1")
    publication = Mock(kind=rtc.TrackKind.KIND_VIDEO, source=1, sid="TR_1", encryption_type=rtc.EncryptionType.NONE)
    publication.name = "a name that anybody may choose"
    assert track_info(publication, participant) == TrackInfo("alice", "TR_1", "video", "camera", "PA_1")


def test_a_source_that_nobody_knows_yet_is_unknown() -> None:
    """A number that a newer server sends."""
    participant = Mock(identity="alice", sid="PA")
    publication = Mock(kind=rtc.TrackKind.KIND_VIDEO, source=99, sid="TR", encryption_type=rtc.EncryptionType.NONE)
    assert track_info(publication, participant).source == "unknown"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (TrackRules(), "video of every source"),
        (TrackRules(audio=True), "video of every source and microphones"),
        (TrackRules(sources=("screen_share", "camera")), "video of camera, screen_share"),
        (TrackRules(sources=()), "video of no source"),
        (
            TrackRules(track_filter=lambda _publication, _participant: True, consent=lambda _participant: True),
            "video of every source, subject to track_filter and consent",
        ),
    ],
)
def test_the_rules_say_what_is_watched(rules: TrackRules, words: str) -> None:
    """In words for the log."""
    assert rules.describe() == words
