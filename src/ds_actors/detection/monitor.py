"""The monitor's public face: its lifetime, its tracks and its status."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import trio

from ds_actors import ActorStopped, Node
from ds_actors.detection._assembly import assemble
from ds_actors.detection._options import Assessment, Notify
from ds_actors.detection.budget import Budget
from ds_actors.detection.coverage import Coverage, Facts
from ds_actors.detection.embedded import EmbeddedService
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.log_fields import check_log_fields
from ds_actors.detection.log_fields import log_fields as logged_with
from ds_actors.detection.privacy import Privacy
from ds_actors.detection.reporting.measurements import Measurements
from ds_actors.detection.sampling import AdaptiveSampling, SamplingPolicy, Scene, Speaking
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks import Sink
from ds_actors.detection.status import RoomState, Status
from ds_actors.detection.tracks.closing import close_source
from ds_actors.detection.tracks.encoding import Encode
from ds_actors.detection.tracks.encoding_threads import encode_in_thread
from ds_actors.detection.tracks.messages import GateChanged
from ds_actors.detection.tracks.registry import RegisteredTrack, UnwatchedTrack
from ds_actors.detection.tracks.sampler import MutedChanged
from ds_actors.detection.tracks.sources import FrameSource, PcmSource
from ds_actors.detection.tracks.speech import AudioPace
from ds_actors.detection.turns import Withdraw
from ds_actors.detection.uplink.connection import Connect, open_stream
from ds_actors.detection.uplink.ledger import LedgerRow


class Monitor:
    """Watches media tracks: samples them, sends the samples to a detection service and notifies the sinks.

    Use it as an asynchronous context manager: the block is its lifetime, and leaving it closes every source.

    Args:
        service: where samples go, and with which key; by default from the environment. Or a service inside the monitor,
            such as `ds_actors.serving.Local`.
        sampling: called once for each track; returns its policy.
        budget: the samples that the whole room may spend; over it, the least urgent samples are dropped first.
        sinks: where results go.
        notify: "all" results, or "changes" of level (and the first error after a non-error). When a sink fails to take
            a change, it is given the track's current level again, within 15 s of each failure, until it takes it.
        assessment: what makes a level of the verdicts. "last": the last verdict is the level. "evidence": a verdict may
            be wrong, and the level follows from all of them; suspicious then means undecided, and events carry a
            confidence. Pass an `Evidence` for your own figures, and combine it with `EvidenceSampling`.
        min_confirmations: with the assessment "last", how many verdicts in a row raise a level; one lowers it.
        quality: JPEG quality, 0 to 100, unless the policy's plan says otherwise.
        privacy: what is kept from the service: names, and pixels.
        audio: how often microphones are recorded.
        ledger: keep a record of what was sent, without its pixels, for `ledger()`.
        state_cb: called with the status when `state`, `uplink.state`, `uplink.slow` or `room.state` changes, and when
            `blind` begins or ends; an exception in it is logged. Closing the monitor reports "closed", not an outage of
            the uplink.
        log_fields: what each record that this monitor logs has as a field too, such as `{"room": "demo"}`. It may
            change meanwhile.
        connect: opens the stream under the WebSocket.
        encode: makes a JPEG of a frame; raises EncodingError.
        random: draws the jitter, in [0, 1).

    Raises:
        ValueError: for a quality outside 0 to 100, an unknown `notify` or `assessment`, `min_confirmations` outside 1
            to 100 or above 1 with evidence, two sinks of the same name, or a field that every record has already.
        TypeError: when `sampling` is a policy instead of a factory of policies, `budget` is not a Budget, a sink has no
            `name` and `deliver`, or `log_fields` is not a mapping.

    Example:
        ```python
        async with Monitor(service=Dataspike(api_key="..."), sinks=[LogSink()]) as monitor:
            await monitor.add_track(TrackInfo(participant="alice", track="TR_1"), camera)
            await trio.sleep(60)
            print(monitor.status().uplink.sent)
        ```
    """

    def __init__(
        self,
        *,
        service: Dataspike | EmbeddedService | None = None,
        sampling: Callable[[], SamplingPolicy] = AdaptiveSampling,
        budget: Budget | None = None,
        sinks: Sequence[Sink] = (),
        notify: Notify = "all",
        assessment: Assessment = "last",
        min_confirmations: int = 1,
        quality: int = 75,
        privacy: Privacy | None = None,
        audio: AudioPace | None = None,
        ledger: bool = False,
        state_cb: Callable[[Status], object] | None = None,
        log_fields: Mapping[str, str] | None = None,
        connect: Connect = open_stream,
        encode: Encode = encode_in_thread,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        check_log_fields(log_fields)
        parts = assemble(
            service=service,
            sampling=sampling,
            budget=budget,
            sinks=sinks,
            notify=notify,
            assessment=assessment,
            min_confirmations=min_confirmations,
            quality=quality,
            privacy=Privacy() if privacy is None else privacy,
            audio=AudioPace() if audio is None else audio,
            ledger=ledger,
            state_cb=state_cb,
            connect=connect,
            encode=encode,
            random=random,
        )
        self._hub, self._factory, self._supervisor = parts.hub, parts.tracks, parts.supervisor
        self._log_fields = log_fields

    async def __aenter__(self) -> Self:
        with logged_with(self._log_fields):  # for the whole tree, whose tasks are started here
            self._hub.entered()
            await self._supervisor.__aenter__()
            self._hub.set_state("running")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        with logged_with(self._log_fields):
            return await self._leave(kind, error, traceback)

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        hub = self._hub
        hub.leaving = True
        try:
            return await self._supervisor.__aexit__(kind, error, traceback)
        except Exception as raised:
            if raised is not error:  # the body's own error is not the monitor's failure
                hub.set_state("failed")
            raise
        finally:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for track in hub.registry:
                        nursery.start_soon(close_source, track.source)
            hub.closed()

    async def add_track(self, info: TrackInfo, source: FrameSource | PcmSource, *, muted: bool = False) -> bool:
        """Watch a track until `remove_track`; return False, count and list it when a limit of tracks is reached.

        A video track needs a FrameSource, an audio track a PcmSource.

        Raises:
            ValueError: when the track is watched already.
            ActorStopped: before the monitor's block, after it, or while its tracks are being restarted.
        """
        hub = self._hub
        if info.track in hub.registry:
            raise ValueError(f"the track {info.track!r} is watched already")
        if not hub.registry.has_room(info):
            self.report_unwatched(info, monitored=False, why="over the limit", wanted=True)
            return False
        now = trio.current_time()
        policy = self._factory.policy(info.kind)
        tracks = hub.refs.tracks()
        facts = Facts(published_at=now, due_since=now, end_to_end=info.end_to_end)
        track = RegisteredTrack(info, source, policy, facts, muted)
        hub.track_added(track)
        try:
            with logged_with(self._log_fields):  # the actor's task is started in the caller's context
                hub.refs.add_track(info.track, await tracks.start(self._factory.spec(track)))
        except BaseException:
            hub.track_ended(info.track)
            raise
        return True

    def report_unwatched(
        self,
        info: TrackInfo,
        *,
        monitored: bool = True,
        why: str = "",
        muted: bool = False,
        encrypted: bool = False,
        subscribed: bool = True,
        wanted: bool | None = None,
    ) -> None:
        """Show a track that is not watched in the status until it is added or removed.

        The status shows `why` (a few words) as its reason; without it, its coverage. A track that is `wanted` (by
        default, if `monitored`) should be checked: when it is not for 30 s, that is reported.
        """
        if info.track not in self._hub.registry:
            now = trio.current_time()
            facts = Facts(
                monitored=monitored, muted=muted, encrypted=encrypted, subscribed=subscribed, published_at=now, rate=0.0
            )
            wanted = monitored if wanted is None else wanted
            self._hub.registry.add_unwatched(UnwatchedTrack(info, facts, why, wanted))

    async def remove_track(self, track: str) -> None:
        """Stop watching a track; its late results count for another 60 s. Unknown tracks are ignored."""
        hub = self._hub
        hub.registry.remove_unwatched(track)
        removed = hub.registry.get(track)
        if removed is None:
            return
        hub.refs.forget_track(track)
        hub.track_ended(track)
        try:
            # It may have crashed, its supervisor may restart without it, or the monitor is closed.
            with suppress(LookupError, ActorStopped):
                await hub.refs.tracks().terminate(track)
        finally:
            hub.uplink().tell(Withdraw(track, for_good=True))
            with logged_with(self._log_fields):
                await close_source(removed.source)

    def set_muted(self, track: str, muted: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Stop sampling a muted track and drop its queued sample; continue when it is unmuted."""
        registered = self._hub.registry.get(track)
        if registered is None or registered.muted == muted:
            return
        registered.muted = muted
        if not muted:
            facts = registered.facts
            facts.due_since, facts.empty_captures, facts.small_captures = trio.current_time(), 0, 0
        self._hub.refs.tell_track(track, MutedChanged(muted))

    def set_encrypted(self, track: str, encrypted: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Record whether a track's frames can be decrypted; an arriving frame proves that they can."""
        registered = self._hub.registry.get(track)
        if registered is not None:
            registered.facts.encrypted = encrypted

    def set_gate(self, track: str, is_open: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Record a microphone only while its gate is open, as a voice activity detector decides."""
        registered = self._hub.registry.get(track)
        if registered is None or registered.gate_open == is_open:
            return
        registered.gate_open = is_open
        if registered.info.kind == "audio":
            self._hub.refs.tell_track(track, GateChanged(is_open))

    def set_speaking(self, participant: str, speaking: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Record that a participant started or stopped speaking, as their client says.

        The policies of their video tracks receive it; a silent microphone is only recorded sooner.
        """
        if speaking:
            self._hub.speaking.add(participant)
        else:
            self._hub.speaking.discard(participant)
        for registered in self._hub.registry:
            if registered.info.participant == participant:
                self._hub.refs.tell_track(registered.info.track, Speaking(speaking))

    def observe_frame(self, track: str, signature: bytes, /) -> None:
        """Pass a frame between two samples to the track's policy, when the stream is open anyway.

        Args:
            track: its sid.
            signature: the result of `ds_actors.detection.luma_signature`.
        """
        registered = self._hub.registry.get(track)
        if registered is not None and registered.info.kind == "video":
            self._hub.refs.tell_track(track, Scene(signature))

    def set_room(self, state: RoomState, /) -> None:
        """Record that the room of the tracks is connected or reconnecting; while it reconnects, nothing is checked."""
        with logged_with(self._log_fields):
            self._hub.set_room(state)

    def participant_joined(self, identity: str) -> None:
        """Keep the memory of an identity that is present or back, with or without tracks."""
        self._hub.assessments.participant_joined(identity)

    def participant_left(self, identity: str) -> None:
        """Start to forget an identity: its memory expires in ten minutes."""
        self._hub.speaking.discard(identity)
        self._hub.assessments.participant_left(identity, trio.current_time())

    def tree(self) -> Node:
        """Return a snapshot of the tree of actors."""
        return self._supervisor.tree()

    def status(self) -> Status:
        """Return a frozen snapshot of everything, from any thread, without waiting."""
        return self._hub.status()

    def measurements(self) -> Measurements:
        """Return what is measured of each sample; in trio's thread."""
        return self._hub.measured

    def coverage(self, track: str) -> Coverage:
        """Return how well a track is covered."""
        return self._hub.coverage(track)

    def level(self, track: str) -> Level:
        """Return the track's level, its own or inherited; `unknown` before the first verdict."""
        return self._hub.level(track)

    def ledger(self) -> tuple[LedgerRow, ...]:
        """Return the last 1,000 samples sent, oldest first; kept in memory only, also after the close.

        Raises:
            RuntimeError: when the monitor was not made with `ledger=True`.
        """
        if self._hub.ledger is None:
            raise RuntimeError("no ledger of what is sent is kept; pass ledger=True to keep one")
        return self._hub.ledger.rows()
