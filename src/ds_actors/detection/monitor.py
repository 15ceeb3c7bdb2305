"""The monitor: the tree of sinks, uplink and tracks, and what must outlive a crash of any of them.

monitor ─┬─ sinks    one actor a sink
         ├─ uplink   permanent, own backoff, never gives up
         └─ tracks   dynamic, one actor a live track, own backoff each
"""

from __future__ import annotations

import logging
import random as random_module
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self, cast

import trio

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    ChildSpec,
    ExponentialBackoff,
    Node,
    RestartScheduled,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    TelemetryEvent,
)
from ds_actors.detection.assessment import Applied, Assessments
from ds_actors.detection.audio import AudioPace
from ds_actors.detection.audio_track import AudioTrackActor, Gate
from ds_actors.detection.availability import Availability, Note
from ds_actors.detection.budget import Budget
from ds_actors.detection.connection import Connect, open_stream
from ds_actors.detection.coverage import Coverage, Facts, coverage
from ds_actors.detection.encoding import Frame, encode_jpeg
from ds_actors.detection.errors import UplinkError
from ds_actors.detection.events import Level, Sample, TrackInfo, WireResult
from ds_actors.detection.ledger import Ledger, LedgerRow
from ds_actors.detection.outbox import Outbox, OutboxMessage, Withdraw
from ds_actors.detection.round_trip import RoundTrip
from ds_actors.detection.sampling import AdaptiveSampling, Plan, SamplingPolicy, check_quality, make_policy
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks import Sink, check_sink
from ds_actors.detection.sinks._actor import SinkActor, SinkCounts
from ds_actors.detection.sinks._queue import SinkQueue
from ds_actors.detection.sources import FrameSource, PcmSource
from ds_actors.detection.status import SinkStatus, State, Status, UplinkStatus
from ds_actors.detection.track import Encode, Judged, Mute, SampleSent, Seen, Spoke, TrackActor, TrackMessage
from ds_actors.detection.track_backoff import TrackBackoff
from ds_actors.detection.uplink import Uplink
from ds_actors.detection.uplink_backoff import UplinkBackoff
from ds_actors.detection.wanted import ListedTrack, WantedTrack, WantedTracks

logger: logging.Logger = logging.getLogger("ds_actors.detection")

CLOSE_SOURCE: Final = 0.5
"""Seconds that a source may take to close after its actor."""
SLOW_QUALITY: Final = 50
SLOW_SIDE: Final = 960

Notify = Literal["all", "changes"]


async def encode_in_thread(frame: Frame, quality: int, max_side: int | None) -> bytes:
    """Make the JPEG in a worker thread."""
    return await trio.to_thread.run_sync(lambda: encode_jpeg(frame, quality=quality, max_side=max_side))


class Monitor:
    """Watches tracks: samples them, has them judged, and tells the sinks.

    Args:
        service: where samples go, and with which key; by default from the environment.
        sampling: makes one policy a track.
        budget: what the whole room may spend on samples; what it does not hold is dropped, the least urgent first.
        sinks: where results go.
        notify: "all" results, or "changes" of level (and the first error after a non-error).
        quality: JPEG quality, 0 to 100, where the policy's plan says nothing.
        audio: how often microphones are listened to.
        ledger: keep what was sent, without its pixels, for `ledger()`.
        state_cb: called with the status when `state` or `uplink.state` changes; what it raises is logged. That the
            uplink goes down because the monitor closes is told with "closed", and not as an outage.
        connect: opens the stream under the WebSocket.
        encode: makes a JPEG of a frame; raises EncodingError.
        random: draws the jitter, in [0, 1).

    Raises:
        ValueError: for a quality outside 0 to 100, or two sinks of one name.
        TypeError: for a sampling that is a policy, or makes none, a budget that is no Budget, or a sink that is none.
    """

    def __init__(
        self,
        *,
        service: Dataspike | None = None,
        sampling: Callable[[], SamplingPolicy] = AdaptiveSampling,
        budget: Budget | None = None,
        sinks: Sequence[Sink] = (),
        notify: Notify = "all",
        quality: int = 75,
        audio: AudioPace | None = None,
        ledger: bool = False,
        state_cb: Callable[[Status], object] | None = None,
        connect: Connect = open_stream,
        encode: Encode = encode_in_thread,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if notify not in ("all", "changes"):
            raise ValueError(f'notify must be "all" or "changes", not {notify!r}')
        self._service = Dataspike() if service is None else service
        self._sampling = sampling
        make_policy(sampling)  # what is wrong with it is said here, not when the first track comes
        if not isinstance(cast("object", budget), Budget | None):
            raise TypeError(f"budget must be a Budget, as Budget(samples_per_minute=600) is, not {budget!r}")
        self._notify = notify
        self._quality = check_quality(quality)
        self._audio = AudioPace() if audio is None else audio
        self._state_cb = state_cb
        self._connect = connect
        self._encode = encode
        self._sinks: dict[str, tuple[Sink, SinkCounts]] = {}
        for sink in sinks:
            check_sink(sink)
            if sink.name in self._sinks:
                raise ValueError(f"two sinks are called {sink.name!r}")
            self._sinks[sink.name] = (sink, SinkCounts())
        self._outbox = Outbox(budget=budget)
        self._assessments = Assessments()
        self._availability = Availability()
        self._wanted = WantedTracks()
        self._speaking: set[str] = set()
        self._refs: dict[str, ActorRef[TrackMessage]] = {}
        self._sink_refs: dict[str, ActorRef[Any]] = {}
        self._uplink_ref: ActorRef[OutboxMessage] | None = None
        self._malformed = 0
        self._round_trip = RoundTrip()
        self._ledger = Ledger() if ledger else None
        self._slow = False
        self._clock_offset = 0.0
        self._state: State = "idle"
        self._leaving = False
        self._told: tuple[State, str] = ("idle", "connecting")
        backoff = ExponentialBackoff(base=0.5, cap=30.0)
        self._supervisor = Supervisor(
            "monitor",
            children=[
                SupervisorSpec("sinks", children=self._sink_specs, backoff=backoff, grace=1.0),
                ChildSpec(
                    Uplink,
                    self._service,
                    self,
                    connect,
                    name="uplink",
                    backoff=UplinkBackoff(),
                    stable_after=0.0,  # the heartbeat's word that a connection is healthy counts its seconds
                    grace=1.0,
                    mailbox=lambda: self._outbox,
                    expected=(UplinkError,),  # `Availability` says what of them is worth a line
                ),
                SupervisorSpec("tracks", "dynamic", self._track_specs, backoff=backoff, grace=0.5),
            ],
            close_within=5.0,
            listeners=(self._heard,),
            random=random,
        )

    async def __aenter__(self) -> Self:
        self._clock_offset = trio.current_time() - time.perf_counter()
        await self._supervisor.__aenter__()
        self._set_state("running")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._leaving = True
        try:
            return await self._supervisor.__aexit__(kind, error, traceback)
        except Exception as raised:
            if raised is not error:  # the body's own error is not the monitor's failure
                self._set_state("failed")
            raise
        finally:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for wanted in self._wanted:
                        nursery.start_soon(self._close_source, wanted)
            if self._state != "failed":
                self._set_state("closed")
            self._assessments.clear()

    # ---- tracks

    async def add_track(self, info: TrackInfo, source: FrameSource | PcmSource, *, muted: bool = False) -> bool:
        """Watch a track until `remove_track`; False, counted and listed, when a limit of tracks is reached.

        A video track needs a FrameSource, an audio track a PcmSource.

        Raises:
            ValueError: when the track is watched already.
            ActorStopped: before the monitor's block, after it, or while its tracks are started anew.
        """
        if info.track in self._wanted:
            raise ValueError(f"the track {info.track!r} is watched already")
        if not self._wanted.has_room(info):
            self.list_track(info, monitored=False, why="over the limit")
            return False
        now = trio.current_time()
        policy = self._audio if info.kind == "audio" else self._sampling()
        tracks = self._tracks()
        facts = Facts(published_at=now, due_since=now, end_to_end=info.end_to_end)
        wanted = WantedTrack(info, source, policy, facts, muted)
        self._assessments.add_track(info, now)
        self._wanted.add(wanted)
        try:
            self._refs[info.track] = await tracks.start(self._track_spec(wanted))
        except BaseException:
            self._wanted.pop(info.track)
            self._assessments.end_track(info.track, now)
            raise
        return True

    def list_track(
        self,
        info: TrackInfo,
        *,
        monitored: bool = True,
        why: str = "",
        muted: bool = False,
        encrypted: bool = False,
        subscribed: bool = True,
    ) -> None:
        """Show a track that is not watched in the status until it is added or removed.

        Its reason there is `why`, a few words, or else its coverage.
        """
        if info.track not in self._wanted:
            facts = Facts(
                monitored=monitored,
                muted=muted,
                encrypted=encrypted,
                subscribed=subscribed,
                published_at=trio.current_time(),
                rate=0.0,
            )
            self._wanted.list(ListedTrack(info, facts, why))

    async def remove_track(self, track: str) -> None:
        """Stop watching a track; its late results still count for 60 s. Nothing happens when it is not watched."""
        self._wanted.unlist(track)
        wanted = self._wanted.pop(track)
        if wanted is None:
            return
        self._refs.pop(track, None)
        self._assessments.end_track(track, trio.current_time())
        try:
            # It may have crashed, its supervisor may start anew without it, or the monitor is closed.
            with suppress(LookupError, ActorStopped):
                await self._tracks().terminate(track)
        finally:
            self.uplink().tell(Withdraw(track, for_good=True))
            await self._close_source(wanted)

    async def _close_source(self, wanted: WantedTrack) -> None:
        """Close a source for good; no actor does, since another may go on with it after a crash, also one above."""
        with trio.move_on_after(CLOSE_SOURCE, shield=True):
            try:
                await wanted.source.aclose()
            except Exception:
                logger.exception("a track's source failed to close")

    def set_muted(self, track: str, muted: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Stop sampling a muted track and drop its queued sample; go on when it is unmuted."""
        wanted = self._wanted.get(track)
        if wanted is None or wanted.muted == muted:
            return
        wanted.muted = muted
        if not muted:
            wanted.facts.due_since, wanted.facts.empty_captures = trio.current_time(), 0
        ref = self._track_ref(track)
        if ref is not None:
            ref.tell(Mute(muted))

    def set_encrypted(self, track: str, encrypted: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Note that a track's frames cannot be decrypted, or can again; a frame that comes proves the latter."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            wanted.facts.encrypted = encrypted

    def set_gate(self, track: str, is_open: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Listen to a microphone only while the gate is open, as a voice activity detector knows."""
        wanted = self._wanted.get(track)
        if wanted is None or wanted.shut != is_open:
            return
        wanted.shut = not is_open
        ref: ActorRef[Any] | None = self._track_ref(track)
        if wanted.info.kind == "audio" and ref is not None:
            ref.tell(Gate(is_open))

    def set_speaking(self, participant: str, speaking: bool, /) -> None:  # noqa: FBT001 - reads as the event it is
        """Note that a participant began or stopped to speak, as their client says.

        The policies of their video tracks hear of it; a microphone that was silent is listened to sooner, no more.
        """
        if speaking:
            self._speaking.add(participant)
        else:
            self._speaking.discard(participant)
        for wanted in self._wanted:
            if wanted.info.participant == participant:
                ref = self._track_ref(wanted.info.track)
                if ref is not None:
                    ref.tell(Spoke(speaking))

    def saw(self, track: str, signature: bytes, /) -> None:
        """Tell a track's policy of a frame between two samples, where the stream is open anyway.

        Args:
            track: its sid.
            signature: as `ds_actors.detection.scene.luma_signature` makes it.
        """
        wanted = self._wanted.get(track)
        ref = self._track_ref(track)
        if wanted is not None and wanted.info.kind == "video" and ref is not None:
            ref.tell(Seen(signature))

    def participant_joined(self, identity: str) -> None:
        """Go on remembering an identity that is here, or back, with tracks or without."""
        self._assessments.participant_joined(identity)

    def participant_left(self, identity: str) -> None:
        """Begin to forget an identity: what is remembered of it goes ten minutes from now."""
        self._speaking.discard(identity)
        self._assessments.participant_left(identity, trio.current_time())

    def tree(self) -> Node:
        """Return the snapshot of the tree of actors."""
        return self._supervisor.tree()

    def status(self) -> Status:
        """Return a frozen picture of everything, without waiting."""
        account = self._outbox.account()
        availability = self._availability
        uplink = UplinkStatus(
            availability.state,
            availability.cause,
            availability.attempts,
            availability.connections,
            account.due,
            account.sent,
            account.dropped,
            account.waiting,
            account.granted,
            self._malformed,
            self._round_trip.seconds,
        )
        now = self._now()
        tracks = tuple(one.status(self.level(one.info.track), now) for one in (*self._wanted, *self._wanted.listed()))
        sinks = tuple(self._sink_status(name, counts) for name, (_, counts) in self._sinks.items())
        results = MappingProxyType(dict(self._assessments.counts))
        reason = availability.cause if self._state in ("running", "refused") else ""
        not_watched = MappingProxyType(dict(self._wanted.refused))
        return Status(self._state, reason, uplink, tracks, sinks, results, not_watched)

    def ledger(self) -> tuple[LedgerRow, ...]:
        """Return what was sent last, 1,000 samples at most, oldest first; in memory only, also after the close.

        Raises:
            RuntimeError: when the monitor was not made with `ledger=True`.
        """
        if self._ledger is None:
            raise RuntimeError("this monitor keeps no ledger of what it sends; make it with Monitor(ledger=True)")
        return self._ledger.rows()

    def coverage(self, track: str) -> Coverage:
        """Return how well a track is covered."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            return wanted.coverage(self.level(track), self._now())
        listed = self._wanted.find_listed(track)
        return Coverage.NOT_MONITORED if listed is None else coverage(listed.facts, self._now())

    # ---- what the track actors need

    def uplink(self) -> ActorRef[OutboxMessage]:
        """The uplink's reference."""
        if self._uplink_ref is None:
            ref = self._supervisor.find("uplink")
            assert isinstance(ref, ActorRef)
            self._uplink_ref = ref
        return self._uplink_ref

    def level(self, track: str) -> Level:
        """The level that the track has now, or inherits."""
        return self._assessments.level(track)

    def last_due(self, track: str) -> float | None:
        """When its last sample was due, also before a crash; None before the first."""
        wanted = self._wanted.get(track)
        return None if wanted is None else wanted.last_due

    def sample_due(self, track: str) -> None:
        """Keep when a sample was due, which outlives a crash."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            wanted.last_due = trio.current_time()

    def planned(self, track: str, plan: Plan) -> None:
        """Keep the newest plan, for the views."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            wanted.plan = plan

    def captured(self, track: str, *, frame: bool) -> None:
        """Count one-shots without a frame."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            wanted.captured(frame=frame)

    def speaks(self, participant: str) -> bool:
        """Return whether the participant speaks now, as far as is known."""
        return participant in self._speaking

    def silent(self, track: str) -> None:
        """Let a silent microphone not become stale: nothing could come of it."""
        wanted = self._wanted.get(track)
        if wanted is not None:
            wanted.facts.due_since = trio.current_time()

    # ---- what the uplink needs

    def uplink_connecting(self) -> None:
        """An attempt begins."""
        self._availability.connecting()

    def uplink_up(self) -> None:
        """The upgrade was accepted."""
        self._round_trip.connected()
        self._availability.up()
        self._uplink_changed(None)

    def uplink_answered(self) -> None:
        """A result or a pong came."""
        self._uplink_changed(self._availability.answered(trio.current_time()))

    def uplink_down(self, error: Exception | None) -> None:
        """The connection, or the attempt, ended."""
        self._uplink_changed(self._availability.down(error, trio.current_time()))

    def sample_sent(self, sample: Sample, *, slow: bool) -> None:
        """A sample's send returned."""
        now = trio.current_time()
        self._slow = slow
        self._round_trip.sent(sample.track, now)
        if self._ledger is not None:
            self._ledger.sent(sample, time.time_ns() // 1_000_000)
        wanted = self._wanted.get(sample.track)
        if wanted is not None:
            wanted.sample_sent(now)
            ref = self._track_ref(sample.track)
            if ref is not None:
                ref.tell(SampleSent(len(sample.data)))

    def malformed(self) -> None:
        """The service sent what is no result."""
        self._malformed += 1

    def result(self, result: WireResult) -> None:
        """Apply an answer and tell track and sinks, in one step without an await."""
        now = trio.current_time()
        self._round_trip.answered(result.track, now)
        applied = self._assessments.result(result, now, time.time_ns() // 1_000_000)
        if applied is None:
            return
        wanted = self._wanted.get(applied.event.track_id)
        if wanted is not None:
            wanted.facts.last_result = now
        if applied.level is not None:
            ref = self._track_ref(applied.track)
            if ref is not None:
                ref.tell(Judged())
        self._tell_sinks(applied)

    # ---- inside

    def _tracks(self) -> SupervisorRef:
        try:
            tracks = self._supervisor.find("tracks")
        except LookupError:
            raise ActorStopped("the monitor is closed") from None
        assert isinstance(tracks, SupervisorRef)
        return tracks

    def _tell_sinks(self, applied: Applied) -> None:
        if self._notify == "changes" and not applied.notable:
            return
        for name in self._sinks:
            self._sink_ref(name).tell(applied.event)

    def _sink_ref(self, name: str) -> ActorRef[Any]:
        ref = self._sink_refs.get(name)
        if ref is None or ref.stopped:
            sinks = self._supervisor.find("sinks")
            assert isinstance(sinks, SupervisorRef)
            found = next(one for one in sinks.actors() if one.name == name)
            ref = self._sink_refs[name] = found
        return ref

    def _track_ref(self, track: str) -> ActorRef[TrackMessage] | None:
        ref = self._refs.get(track)
        if ref is not None and not ref.stopped:
            return ref
        # The tracks' supervisor was started anew, and with it the actor; or it is gone, as it is when closing.
        try:
            actors = self._tracks().actors()
        except ActorStopped:
            return None
        for one in actors:
            if one.name == track:
                self._refs[track] = one
                return one
        return None

    def _sink_specs(self) -> list[ChildSpec[Any]]:
        return [
            ChildSpec(
                SinkActor,
                sink,
                counts,
                name=name,
                mailbox=SinkQueue,
                grace=1.0,
                drain=True,
                backoff=ExponentialBackoff(base=0.5, cap=30.0),
            )
            for name, (sink, counts) in self._sinks.items()
        ]

    def _track_specs(self) -> list[ChildSpec[Any]]:
        return [self._track_spec(wanted) for wanted in self._wanted]

    def _track_spec(self, wanted: WantedTrack) -> ChildSpec[TrackMessage]:
        def look() -> TrackActor:
            # A policy that crashed its track begins anew; what it starts from, level and last sample, has survived.
            wanted.policy = policy = self._sampling()
            source = cast("FrameSource", wanted.source)
            return TrackActor(wanted.info, source, policy, self, self._encode_for, self._quality, wanted.muted)

        def hear() -> AudioTrackActor:
            source = cast("PcmSource", wanted.source)
            return AudioTrackActor(wanted.info, source, self._audio, self, wanted.muted, wanted.shut)

        make = cast("Callable[[], Actor[TrackMessage]]", hear if wanted.info.kind == "audio" else look)
        return ChildSpec(
            make, name=wanted.info.track, restart="transient", backoff=TrackBackoff(), stable_after=60.0, grace=0.5
        )

    async def _encode_for(self, frame: Frame, quality: int, max_side: int | None) -> bytes:
        if self._slow:
            quality, max_side = min(quality, SLOW_QUALITY), min(max_side or SLOW_SIDE, SLOW_SIDE)
        return await self._encode(frame, quality, max_side)

    def _heard(self, event: TelemetryEvent) -> None:
        if isinstance(event, RestartScheduled) and event.path.startswith("/monitor/tracks/"):
            for wanted in self._wanted:
                ref = self._refs.get(wanted.info.track)
                if ref is not None and ref.path == event.path:
                    wanted.crashed(trio.current_time())

    def _now(self) -> float:
        try:
            return trio.current_time()
        except RuntimeError:  # another thread; trio's clock is this one but for its offset
            return time.perf_counter() + self._clock_offset

    def _sink_status(self, name: str, counts: SinkCounts) -> SinkStatus:
        ref = self._sink_refs.get(name)
        mailbox = None if ref is None else ref.statistics()
        return SinkStatus(
            name,
            counts.delivered,
            counts.failed.total(),
            counts.timed_out,
            0 if mailbox is None else mailbox.refused + sum(mailbox.dropped.values()) + mailbox.failed + mailbox.dead,
            0 if mailbox is None else mailbox.queued + mailbox.in_hand,
        )

    def _uplink_changed(self, note: Note | None) -> None:
        if note is not None:
            logger.log(getattr(logging, note.level.upper()), "%s", note.text)
        if self._state in ("running", "refused"):
            self._state = "refused" if self._availability.state == "refused" else "running"
        self._tell_state()

    def _set_state(self, state: State) -> None:
        self._state = state
        self._tell_state()

    def _tell_state(self) -> None:
        told = (self._state, self._availability.state)
        if told == self._told or (self._leaving and self._state not in ("closed", "failed")):
            return
        self._told = told
        if self._state_cb is not None:
            try:
                self._state_cb(self.status())
            except Exception:
                logger.exception("state_cb failed")
