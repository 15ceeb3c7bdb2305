"""The watcher on the agent's loop: it reads from the room which tracks the monitor should watch.

An event only marks a participant. Soon afterwards the watcher reads the desired state of each of their tracks from the
room. An event that is lost, repeated or out of order therefore does no harm, and a sweep over all participants every
10 s finds what no event reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from livekit import rtc
from livekit.plugins.dataspike._audio import RoomAudio
from livekit.plugins.dataspike._forwarding import ForwardingControl, sdk_can_pause
from livekit.plugins.dataspike._frame_requests import FrameRequests
from livekit.plugins.dataspike._handlers import Handlers
from livekit.plugins.dataspike._reconciler import DesiredTrack
from livekit.plugins.dataspike._rules import TrackRules, track_info
from livekit.plugins.dataspike._subscriptions import Subscriptions
from livekit.plugins.dataspike._video import RoomVideo
from livekit.plugins.dataspike.log import logger

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import TrackInfo

SWEEP_EVERY: Final = 10.0
SWEEP_AT_ONCE: Final = 20
"""Participants looked at in one turn of the loop."""

_UNREADABLE: Final = frozenset(
    {
        rtc.EncryptionState.ENCRYPTION_FAILED,
        rtc.EncryptionState.DECRYPTION_FAILED,
        rtc.EncryptionState.MISSING_KEY,
        rtc.EncryptionState.INTERNAL_ERROR,
    }
)

Source = RoomVideo | RoomAudio


class RoomWatcher:
    """Follows one room.

    Args:
        room: connected or not yet.
        rules: which tracks are watched.
        bridge: how the sources reach trio.
        forwarding: pauses tracks between samples.
        auto_subscribe: subscribe to each publication that is to be watched, once.
        want: called with each change of a track's desired state; with None when the track is gone.
        joined: called with each identity that joined.
        left: called with each identity that left.
        speaks: called when an identity starts or stops speaking, as its client reports.
    """

    def __init__(
        self,
        room: rtc.Room,
        rules: TrackRules,
        bridge: LoopBridge,
        forwarding: ForwardingControl,
        *,
        auto_subscribe: bool,
        want: Callable[[str, DesiredTrack | None], object],
        joined: Callable[[str], object],
        left: Callable[[str], object],
        speaks: Callable[[str, bool], object],
    ) -> None:
        self._room = room
        self._rules = rules
        self._bridge = bridge
        self._forwarding = forwarding
        self._frames = FrameRequests(bridge.loop, possible=sdk_can_pause())
        self._subscriptions = Subscriptions(auto_subscribe)
        self._want = want
        self._joined = joined
        self._left = left
        self._speaks = speaks
        self._known: dict[str, dict[str, DesiredTrack]] = {}
        self._consents: dict[str, tuple[rtc.RemoteParticipant, bool]] = {}
        self._refusals: dict[str, tuple[rtc.RemoteTrackPublication, str]] = {}
        self._unreadable: set[str] = set()
        self._speaking: set[str] = set()
        self._shut: str | None = None
        self._dirty: dict[str, None] = {}
        self._soon: asyncio.Handle | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._handlers = Handlers(room)
        self._open = False

    # ---- start and end

    def start(self) -> None:
        """Add the handlers and look at everybody who is there."""
        self._open = True
        for event, handler in (
            ("participant_connected", self._mark),
            ("participant_disconnected", self._mark_left),
            ("participant_active", self._mark),
            ("participant_attributes_changed", self._attributes_changed),
            ("track_published", self._publication_changed),
            ("track_unpublished", self._publication_changed),
            ("track_subscribed", self._track_subscribed),
            ("track_unsubscribed", self._track_unsubscribed),
            ("track_subscription_failed", self._mark),
            ("track_muted", self._mark),
            ("track_unmuted", self._mark),
            ("e2ee_state_changed", self._encryption_changed),
            ("active_speakers_changed", self._speakers_changed),
            ("connection_state_changed", self._mark_all),
            ("reconnected", self._mark_all),
            ("moved", self._mark_all),
        ):
            self._handlers.on(event, handler)
        self._sweep_all()

    def stop(self) -> None:
        """Remove the handlers and stop looking; the desired states stay as they are."""
        self._open = False
        self._handlers.stop()
        for timer in (self._soon, self._sweep):
            if timer is not None:
                timer.cancel()

    def sources(self) -> list[Source]:
        """Return the sources of all tracks that are watched."""
        return [
            w.source for desired_tracks in self._known.values() for w in desired_tracks.values() if w.source is not None
        ]

    def shut(self, identity: str | None) -> None:
        """Close the gate of that participant's microphones, and open all others."""
        before, self._shut = self._shut, identity
        for changed in {before, identity} if before != identity else ():
            if changed is not None:
                self._mark_identity(changed)

    # ---- events

    def _mark(self, participant: rtc.Participant, *_: object) -> None:
        self._mark_identity(participant.identity)

    def _mark_identity(self, identity: str) -> None:
        if not self._open:
            return
        self._dirty[identity] = None
        if self._soon is None:
            self._soon = self._bridge.loop.call_soon(self._look)

    def _publication_changed(self, _publication: rtc.TrackPublication, participant: rtc.Participant) -> None:
        self._mark(participant)

    def _mark_left(self, participant: rtc.Participant) -> None:
        self._unreadable.discard(participant.identity)
        self._speak(self._speaking - {participant.identity})  # they may be back before the next look
        self._mark(participant)

    def _mark_all(self, *_: object) -> None:
        for identity in {*self._known, *self._room.remote_participants}:
            self._mark_identity(identity)

    def _attributes_changed(self, _changed: dict[str, str], participant: rtc.Participant) -> None:
        self._consents.pop(participant.identity, None)
        for sid in self._known.get(participant.identity, ()):
            self._refusals.pop(sid, None)
        self._mark(participant)

    def _track_subscribed(
        self, _track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._subscriptions.subscribed(publication.sid)
        self._mark(participant)

    def _track_unsubscribed(
        self, _track: rtc.Track | None, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._subscriptions.unsubscribed(publication.sid, self._bridge.loop.time())
        self._mark(participant)

    def _encryption_changed(self, participant: rtc.Participant, state: int) -> None:
        if state in _UNREADABLE:
            self._unreadable.add(participant.identity)
        else:
            self._unreadable.discard(participant.identity)
        self._mark(participant)

    def _speakers_changed(self, speakers: list[rtc.Participant]) -> None:
        self._speak({speaker.identity for speaker in speakers})

    def _speak(self, speaking: set[str]) -> None:
        for identity in speaking ^ self._speaking:
            self._speaks(identity, identity in speaking)
        self._speaking = speaking

    # ---- looking

    def _sweep_all(self) -> None:
        if self._open:
            self._mark_all()
            self._sweep = self._bridge.loop.call_later(SWEEP_EVERY, self._sweep_all)

    def _look(self) -> None:
        self._soon = None
        if not self._open:
            return
        for _ in range(min(SWEEP_AT_ONCE, len(self._dirty))):
            identity = next(iter(self._dirty))
            del self._dirty[identity]
            try:
                self._look_at(identity)
            except Exception:
                logger.exception("a participant's tracks could not be read")
        if self._dirty:
            self._soon = self._bridge.loop.call_soon(self._look)

    def _look_at(self, identity: str) -> None:
        participant = self._room.remote_participants.get(identity)
        before = self._known.get(identity, {})
        desired_tracks: dict[str, DesiredTrack] = {}
        if participant is not None:
            for sid, publication in participant.track_publications.items():
                if publication.track is not None and self._subscriptions.arrived(publication):
                    self._forwarding.look()
                desired_tracks[sid] = self._desired_track(publication, participant, before.get(sid))
        for sid in before.keys() - desired_tracks.keys():
            self._gone(sid)
        if participant is None:
            self._known.pop(identity, None)
            self._consents.pop(identity, None)
            self._left(identity)
        else:
            if identity not in self._known:
                self._joined(identity)
            self._known[identity] = desired_tracks
        for sid, desired in desired_tracks.items():
            if before.get(sid) != desired:
                self._want(sid, desired)

    def _gone(self, sid: str) -> None:
        self._refusals.pop(sid, None)
        self._subscriptions.gone(sid, self._bridge.loop.time())
        self._want(sid, None)

    def _desired_track(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant, before: DesiredTrack | None
    ) -> DesiredTrack:
        info = track_info(publication, participant)
        why = self._refusal(publication, participant) or ("" if self._consent(participant) else "no consent")
        if why:
            return DesiredTrack(info, monitored=False, wanted=False, why=why, muted=publication.muted)
        track = publication.track
        if track is None:
            wanted = self._subscribe(publication, participant.identity)
            return DesiredTrack(info, wanted=wanted, subscribed=False, muted=publication.muted)
        if info.end_to_end and not self._room.e2ee_manager.enabled:
            return DesiredTrack(info, muted=publication.muted, encrypted=True)
        return DesiredTrack(
            info,
            self._source(info, track, publication, before),
            muted=publication.muted,
            encrypted=participant.identity in self._unreadable,
            gate_open=info.kind != "audio" or participant.identity != self._shut,
        )

    def _source(
        self,
        info: TrackInfo,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        before: DesiredTrack | None,
    ) -> Source:
        # A track that was subscribed anew, or a room that reconnected in full, has a new object: a new source.
        if before is not None and before.source is not None and before.source.track is track:
            return before.source
        if info.kind == "audio":
            return RoomAudio(self._bridge, track)
        forwarding = self._forwarding.track(publication, lambda: self._alone(publication))
        return RoomVideo(self._bridge, track, forwarding, self._frames.track(publication))

    def _subscribe(self, publication: rtc.RemoteTrackPublication, identity: str) -> bool:
        """Subscribe, and return whether the track should be checked, which a host that unsubscribes does not want."""
        if not self._subscriptions.wanted(publication):
            return False
        if self._room.connection_state != rtc.ConnectionState.CONN_CONNECTED:
            return True  # a full reconnect loses subscriptions; the watcher looks again afterwards
        is_video = publication.kind == rtc.TrackKind.KIND_VIDEO
        patience = self._forwarding.patience if is_video and not self._subscriptions.host_subscribes else 0.0
        again = self._subscriptions.ask(publication, self._bridge.loop.time(), patience)
        if again is not None:
            self._bridge.loop.call_later(again, self._mark_identity, identity)
        return True

    def _alone(self, publication: rtc.RemoteTrackPublication) -> bool:
        return self._subscriptions.asked_for(publication) and not self._subscriptions.host_subscribes

    def _consent(self, participant: rtc.RemoteParticipant) -> bool:
        known = self._consents.get(participant.identity)
        if known is None or known[0] is not participant:
            known = self._consents[participant.identity] = (participant, self._rules.consents(participant))
        return known[1]

    def _refusal(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> str:
        known = self._refusals.get(publication.sid)
        if known is None or known[0] is not publication:
            known = self._refusals[publication.sid] = (publication, self._rules.refusal(publication, participant))
        return known[1]
