"""What the monitor's actors call: it keeps what must outlive a crash of any of them, and passes results on.

No method waits. Everything here runs in trio's thread, but for `status`, `coverage` and `level`, which only read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import MappingProxyType

import trio
from attrs import define, field

from ds_actors import ActorRef
from ds_actors.detection._refs import TreeRefs
from ds_actors.detection.coverage import Coverage, coverage
from ds_actors.detection.events import Level, Sample, WireResult
from ds_actors.detection.levels.assessment import Applied, Assessments
from ds_actors.detection.reporting.blindness import Blindness, Sight
from ds_actors.detection.reporting.measurements import Measurements
from ds_actors.detection.reporting.notes import Note
from ds_actors.detection.reporting.progress import ProgressLog
from ds_actors.detection.sampling import Plan, SampleSent
from ds_actors.detection.sinks._record import SinkRecord
from ds_actors.detection.status import RoomState, RoomStatus, State, Status, UplinkStatus
from ds_actors.detection.tracks.messages import VerdictArrived
from ds_actors.detection.tracks.registry import RegisteredTrack, TrackRegistry
from ds_actors.detection.turns import Allowance, OutboxMessage
from ds_actors.detection.uplink.answers import AnswerAccount, Settled
from ds_actors.detection.uplink.availability import Availability
from ds_actors.detection.uplink.ledger import Ledger
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import Outbox

logger: logging.Logger = logging.getLogger("ds_actors.detection")


@define(eq=False)
class Hub:
    """The monitor as its own actors see it."""

    outbox: Outbox
    link: LinkPace
    """What the uplink's link carries; the outbox has the same one."""
    sinks: dict[str, SinkRecord]
    ledger: Ledger | None
    state_cb: Callable[[Status], object] | None
    progress: ProgressLog
    refs: TreeRefs = field(init=False)
    """Set once the tree is built, before any actor runs."""
    assessments: Assessments = field(factory=Assessments, init=False)
    registry: TrackRegistry = field(factory=TrackRegistry, init=False)
    measured: Measurements = field(factory=Measurements, init=False)
    speaking: set[str] = field(factory=set[str], init=False)
    leaving: bool = field(default=False, init=False)
    """The monitor closes: what happens to its uplink from here on is no news."""
    state: State = field(default="idle", init=False)
    _room: RoomStatus | None = field(default=None, init=False)
    _blindness: Blindness = field(factory=Blindness, init=False)
    _availability: Availability = field(factory=Availability, init=False)
    _answers: AnswerAccount = field(factory=AnswerAccount, init=False)
    _malformed: int = field(default=0, init=False)
    _clock_offset: float = field(default=0.0, init=False)
    _reported: tuple[object, ...] = field(default=("idle", "connecting", "", False, False), init=False)

    # ---- what the track actors need

    def uplink(self) -> ActorRef[OutboxMessage]:
        """Return the uplink's reference."""
        return self.refs.uplink()

    def level(self, track: str) -> Level:
        """Return the track's level, its own or inherited."""
        return self.assessments.level(track)

    def attention(self, track: str) -> Level:
        """Return the level by which the track is sampled: its level, or a verdict that waits for confirmation."""
        return self.assessments.attention(track)

    def last_due(self, track: str) -> float | None:
        """Return when its last sample was due, before a crash too; None before the first."""
        registered = self.registry.get(track)
        return None if registered is None else registered.last_due

    def sample_due(self, track: str) -> None:
        """Record when a sample was due, which outlives a crash."""
        registered = self.registry.get(track)
        if registered is not None:
            registered.last_due = trio.current_time()

    def planned(self, track: str, plan: Plan) -> None:
        """Record the newest plan, for the views and for a source that follows it."""
        registered = self.registry.get(track)
        if registered is not None:
            registered.planned(plan, self.level(track))

    def captured(self, track: str, *, frame: bool, too_small: bool) -> None:
        """Count captures in a row without a frame, or with one that is too small."""
        registered = self.registry.get(track)
        if registered is not None:
            registered.captured(frame=frame, too_small=too_small)

    def speaks(self, participant: str) -> bool:
        """Return whether the participant is speaking, as far as the room knows."""
        return participant in self.speaking

    def silent(self, track: str) -> None:
        """Keep a silent microphone from becoming stale: it has nothing to send."""
        registered = self.registry.get(track)
        if registered is not None:
            registered.facts.due_since = trio.current_time()

    def allowance(self, captured_at: float) -> Allowance:
        """Return how large the sample of a picture may be that was captured then."""
        return self.link.allowance(captured_at, self.outbox.waiting, trio.current_time())

    # ---- the tracks

    def track_added(self, track: RegisteredTrack) -> None:
        """Register a track, for the summary and the sinks too."""
        self.assessments.add_track(track.info, trio.current_time())
        self.registry.add(track)
        self.progress.track_added()
        for record in self.sinks.values():
            if record.reports is not None:
                record.reports.track_added(track.info.track)

    def track_ended(self, track: str) -> None:
        """Record that a track ended; its last level is still delivered to the sinks, for some time."""
        now = trio.current_time()
        self.registry.pop(track)
        self.assessments.end_track(track, now)
        for record in self.sinks.values():
            if record.reports is not None:
                record.reports.track_ended(track, now)

    # ---- what the uplink needs

    def uplink_connecting(self) -> None:
        """Record that an attempt begins."""
        self._availability.connecting()

    def uplink_up(self) -> None:
        """Record that the upgrade was accepted."""
        self._availability.up()
        self.progress.connected()
        self._uplink_changed(None)

    def uplink_answered(self) -> None:
        """Record a result or a pong."""
        self._uplink_changed(self._availability.answered(trio.current_time()))

    def uplink_down(self, error: Exception | None, heard: float | None) -> None:
        """Record that the connection, or the attempt, ended; an open connection's last byte arrived at `heard`."""
        self._settle(*self._answers.connection_ended())
        self._uplink_changed(self._availability.down(error, trio.current_time(), heard))

    def sample_sending(self, sample: Sample) -> None:
        """Record that a sample's send begins."""
        self._answers.sending(sample.track)

    def sample_sent(self, sample: Sample) -> None:
        """Count a sample whose send returned, and tell its track."""
        now = trio.current_time()
        self.measured.bytes_sent += len(sample.data)
        if self.ledger is not None:
            self.ledger.sent(sample, time.time_ns() // 1_000_000, self._availability.connections)
        self._settle(self._answers.sample_sent(now), *self._answers.expire(now))
        registered = self.registry.get(sample.track)
        if registered is not None:
            registered.sample_sent(now)
            if registered.sent == 1:
                self.progress.first_sample(registered.info)
            self.refs.tell_track(sample.track, SampleSent(len(sample.data)))

    def sample_arrived(self, age: float) -> None:
        """Record the age, in seconds, at which the service had a sample."""
        self.measured.arrival_ages.add(age)

    def malformed(self) -> None:
        """Count a message of the service that could not be read."""
        self._malformed += 1

    def result(self, result: WireResult) -> bool:
        """Apply an answer and tell track and sinks, in one step without an await; return whether its track is known."""
        now = trio.current_time()
        applied = self.assessments.result(result, now, time.time_ns() // 1_000_000)
        if applied is None:
            return False
        self.progress.result(applied.event)
        self._settle(*self._answers.expire(now), self._answers.answer(result.track, applied.verdict.value, now))
        registered = self.registry.get(applied.event.track_id)
        if registered is not None:
            registered.answered(now, verdict=applied.verdict.is_verdict)
        if applied.level is not None:
            self.refs.tell_track(applied.track, VerdictArrived())
        self._tell_sinks(applied)
        return True

    def _tell_sinks(self, applied: Applied) -> None:
        event = applied.event
        for name, record in self.sinks.items():
            if record.reports is not None and not applied.notable:
                continue
            if record.reports is not None and event.level.is_verdict:
                record.reports.changed(event, trio.current_time(), live=event.track_id in self.registry)
            ref = self.refs.sink(name)
            if ref is None:
                record.queue.put(event)  # its next actor finds it there
            else:
                ref.tell(event)

    def _settle(self, *settled: Settled | None) -> None:
        for sample in settled:
            if sample is not None and self.ledger is not None:
                self.ledger.settle(sample)

    # ---- what the watch and the room need

    def look(self) -> None:
        """Look whether the tracks that should be checked are checked; log and report when that changes."""
        now = trio.current_time()
        self.measured.looked(self.refs.supervisor.tree())
        self._settle(*self._answers.expire(now))
        blind, wanted = self.registry.blind(self.level, now)
        availability, room = self._availability, self._room
        no_uplink = "" if availability.state == "up" else availability.cause or availability.state
        reconnecting = room is not None and room.state == "reconnecting"
        self._log(self.link.look(now))
        sight = Sight(blind, wanted, no_uplink, reconnecting, slow_link=self.link.slowness.slow)
        self._log(self._blindness.look(sight, now))
        self._report_state()

    def set_room(self, state: RoomState) -> None:
        """Record that the room is connected or reconnecting, and report the change."""
        if self._room is None or self._room.state != state:
            self._room = RoomStatus(state, time.time_ns() // 1_000_000)
            self._report_state()

    # ---- the lifetime and the status

    def entered(self) -> None:
        """Record that the monitor's block begins, and how far trio's clock is from the one other threads can read."""
        self._clock_offset = trio.current_time() - time.perf_counter()
        self.progress.began()

    def closed(self) -> None:
        """Report the end of the monitor, and forget every level."""
        if self.state != "failed":
            self.set_state("closed")
        self.progress.ended(self.status())
        self.assessments.clear()

    def status(self) -> Status:
        """Return a frozen snapshot of everything, from any thread, without waiting."""
        account, now = self.outbox.account(), self._now()
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
            self._answers.round_trip,
            self._answers.answered,
            self._answers.unanswered,
            self._answers.lost,
            self._answers.outstanding,
            slow=self.link.slowness.slow,
            bytes_per_second=self.link.speed.rate(now) if self.link.speed.known else None,
            bytes_sent=self.measured.bytes_sent,
        )
        shown = (*self.registry, *self.registry.unwatched())
        tracks = tuple(track.status(self.level(track.info.track), now) for track in shown)
        sinks = tuple(record.status() for record in self.sinks.values())
        results = MappingProxyType(dict(self.assessments.counts))
        reason = availability.cause if self.state in ("running", "refused") else ""
        refused = MappingProxyType(dict(self.registry.refused))
        blind, parts = self._blindness.cause, self.measured.parts()
        return Status(self.state, reason, uplink, tracks, sinks, results, refused, self._room, blind, parts)

    def coverage(self, track: str) -> Coverage:
        """Return how well a track is covered, from any thread."""
        registered = self.registry.get(track)
        if registered is not None:
            return registered.coverage(self.level(track), self._now())
        unwatched = self.registry.find_unwatched(track)
        return Coverage.NOT_MONITORED if unwatched is None else coverage(unwatched.facts, self._now())

    def set_state(self, state: State) -> None:
        """Change the state, and report the change."""
        self.state = state
        self._report_state()

    def _now(self) -> float:
        try:
            return trio.current_time()
        except RuntimeError:  # another thread; trio's clock is this one but for its offset
            return time.perf_counter() + self._clock_offset

    def _uplink_changed(self, note: Note | None) -> None:
        self._log(note)
        if self.state in ("running", "refused"):
            self.state = "refused" if self._availability.state == "refused" else "running"
        self._report_state()

    def _log(self, note: Note | None) -> None:
        if note is not None:
            logger.log(getattr(logging, note.level.upper()), "%s", note.text)

    def _report_state(self) -> None:
        room = "" if self._room is None else self._room.state
        current = (self.state, self._availability.state, room, bool(self._blindness.cause), self.link.slowness.slow)
        if current == self._reported or (self.leaving and self.state not in ("closed", "failed")):
            return
        self._reported = current
        if self.state_cb is not None:
            try:
                self.state_cb(self.status())
            except Exception:
                logger.exception("state_cb failed")
