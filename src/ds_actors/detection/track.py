"""The track actor: when a sample is due, and how it is made. One live track, one actor.

It owns its sampling policy and its mailbox. What must outlive a crash (level, coverage, counts) is its host's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio
from attrs import define, field, frozen

from ds_actors import Actor, ActorRef, Exit
from ds_actors.detection.encoding import EncodingError, Frame
from ds_actors.detection.events import Level, Sample, TrackInfo
from ds_actors.detection.outbox import CaptureLate, Deliver, GiveUp, OutboxMessage, Relevel, RequestTurn, Withdraw
from ds_actors.detection.sampling import (
    SHORTEST_GAP,
    Dropped,
    Due,
    Paused,
    Plan,
    Resumed,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Sent,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.detection.scene import luma_signature
from ds_actors.detection.sources import FrameSource

LATE_AFTER: Final = 0.3
PATIENCE: Final = 2.0
SCREEN_SHARE_PATIENCE: Final = 10.0

Encode = Callable[[Frame, int, int | None], Awaitable[bytes]]


@frozen
class Granted:
    """The outbox gave this track its turn."""

    request: RequestTurn
    """What it grants; one that was withdrawn meanwhile, or is a former incarnation's, is no turn any more."""


@frozen
class Judged:
    """The track's level, which its host keeps, has a result more behind it."""


@frozen
class SampleSent:
    """The uplink has sent this track's sample."""

    size: int = 0
    """Bytes of it."""


@frozen
class Mute:
    """The track was muted or unmuted."""

    muted: bool


@frozen
class Captured:
    """The capture of this turn is over: a frame's JPEG, or the reason why there is none."""

    turn: int
    data: bytes | None = field(repr=False)
    reason: str
    at: float
    wall_ms: int
    signature: bytes = field(default=b"", repr=False)
    """The frame's, empty where there is none."""


@frozen
class Spoke:
    """The participant began or stopped to speak, as their client says."""

    active: bool


@frozen
class Seen:
    """A frame was seen that nobody asked for, because the track's stream is open anyway."""

    signature: bytes = field(repr=False)


TrackMessage = Granted | Judged | SampleSent | Mute | Captured | Spoke | Seen


class TrackHost(Protocol):
    """What a track needs of its monitor."""

    def uplink(self) -> ActorRef[OutboxMessage]:
        """The uplink's reference."""
        ...

    def level(self, track: str) -> Level:
        """The level that the track has now, or inherits."""
        ...

    def last_due(self, track: str) -> float | None:
        """When its last sample was due, also before a crash; None before the first."""
        ...

    def sample_due(self, track: str) -> None:
        """Hear that a sample is due now."""
        ...

    def planned(self, track: str, plan: Plan) -> None:
        """Hear the newest plan, for the views."""
        ...

    def captured(self, track: str, *, frame: bool) -> None:
        """Hear whether a one-shot gave a frame."""
        ...

    def speaks(self, participant: str) -> bool:
        """Return whether the participant speaks now, as far as is known."""
        ...

    def silent(self, track: str) -> None:
        """Hear that a microphone had nothing worth sending."""
        ...


@define(eq=False)
class TrackActor(Actor[TrackMessage]):
    """Samples one track: due, turn, capture, encode, deliver."""

    info: TrackInfo
    source: FrameSource
    policy: SamplingPolicy
    host: TrackHost
    encode: Encode
    quality: int = 75
    muted: bool = False
    _plan: Plan = field(default=Plan(None, "not started"))
    _not_before: float = -math.inf
    """When the next sample may be taken, whatever the policy plans."""
    _request: RequestTurn | None = None
    """The newest request that the outbox has, granted or not."""
    _urgency: Level = Level.UNKNOWN
    """The level by which the outbox ranks it."""
    _turn: int = 0
    _holds: bool = False
    """A turn is granted, and its capture is under way."""
    _capture: trio.CancelScope | None = None
    _late_at: float = math.inf
    """When the capture under way has held its turn for long enough."""

    async def started(self) -> None:
        """Read the level that survived, and take back what a former incarnation had asked for."""
        self.context.needs_proof()
        self._tell(Withdraw(self.info.track, "restarted"))
        self._on(Started(self.host.level(self.info.track), self.host.last_due(self.info.track)))
        if self.host.speaks(self.info.participant):
            self._on(Speaking(active=True))
        if self.muted:
            self._on(Paused())

    async def run(self) -> None:
        """Wait for whichever comes first: a message, a sample's due time, or the end of a capture's patience."""
        while True:
            # One scope until it fires: a new one for each message would cost more than the message.
            with trio.CancelScope() as alarm:
                while True:
                    due = self._act()
                    if due != alarm.deadline:  # each change costs a place in trio's heap
                        alarm.deadline = due
                    try:
                        message = await self.inbox.take()
                    except trio.EndOfChannel:
                        return
                    self._handle(message)
                    self.inbox.settle(message)

    def _act(self) -> float:
        """Do what is due, and return when something is due next."""
        now = trio.current_time()
        if now >= self._late_at:
            self._capture_late()
        if self._plan.due is not None and now >= max(self._plan.due, self._not_before):
            self._not_before = now + SHORTEST_GAP
            self._sample_due()
        due = self._plan.due
        return self._late_at if due is None else min(max(due, self._not_before), self._late_at)

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Free the turn; the source is its host's to close, since another incarnation may go on with it."""
        self._tell(Withdraw(self.info.track, "ended" if exit.crash is None else "restarted"))

    def _on(self, event: SamplingEvent) -> None:
        self._plan = self.policy.on(event, trio.current_time())
        self.host.planned(self.info.track, self._plan)

    def _tell(self, message: OutboxMessage) -> bool:
        return self.host.uplink().tell(message)

    def _sample_due(self) -> None:
        track = self.info.track
        self.host.sample_due(track)
        self._on(Due())
        self._urgency = self.host.level(track)
        request = RequestTurn(track, self.info.participant, self._urgency, self.context.ref)
        if self._tell(request):
            self._request = request
        else:
            self._on(Dropped("superseded"))

    def _handle(self, message: TrackMessage) -> None:
        match message:
            case Granted(request):
                if request is self._request:
                    self._begin_capture()
            case Judged():
                # Asked for here, not carried: where the mailbox is full of older messages, the newest is refused.
                level = self.host.level(self.info.track)
                if level is not self._urgency:
                    self._urgency = level
                    self._tell(Relevel(self.info.track, level))
                self._on(Verdict(level))
            case SampleSent(size):
                self.context.healthy()
                self._on(Sent(size))
            case Spoke(active):
                self._on(Speaking(active))
            case Seen(signature):
                self._on(Scene(signature))
            case Mute(muted):
                self._mute(muted=muted)
            case Captured():
                self._captured(message)

    def _mute(self, *, muted: bool) -> None:
        if muted == self.muted:
            return
        self.muted = muted
        if muted:
            self._abandon_capture()
            if self._request is not None:
                self._request = None
                self._on(Dropped("muted"))
            self._tell(Withdraw(self.info.track, "muted"))
            self._on(Paused())
        else:
            self._on(Resumed())

    def _begin_capture(self) -> None:
        self._abandon_capture()
        self._turn += 1
        self._holds = True
        self._capture = self.context.spawn(self._run_capture, self._turn)
        self._late_at = trio.current_time() + LATE_AFTER

    def _abandon_capture(self) -> None:
        self._holds = False
        self._late_at = math.inf
        self._turn += 1  # whatever the old capture still says is not heard
        if self._capture is not None:
            self._capture.cancel()
            self._capture = None

    async def _run_capture(self, turn: int) -> None:
        patience = SCREEN_SHARE_PATIENCE if self.info.source == "screen_share" else PATIENCE
        frame: Frame | None = None
        data: bytes | None = None
        reason, signature = "no_frame", b""
        at, wall_ms = trio.current_time(), time.time_ns() // 1_000_000
        try:
            with trio.move_on_after(patience):
                frame = await self.source.capture()
            if frame is not None and turn == self._turn:
                self._late_at = math.inf  # it is the frame that may be late, not the encoder
            at, wall_ms = trio.current_time(), time.time_ns() // 1_000_000
            if frame is not None:
                data = await self.encode(frame, self._quality(), self._plan.max_side)
                reason, signature = "", luma_signature(frame)
        except EncodingError as error:
            reason = error.reason
        self.host.captured(self.info.track, frame=frame is not None)
        self.context.ref.tell(Captured(turn, data, reason, at, wall_ms, signature))

    def _quality(self) -> int:
        return self.quality if self._plan.quality is None else self._plan.quality

    def _capture_late(self) -> None:
        self._late_at = math.inf
        if not self._tell(CaptureLate(self.info.track)):
            self._abandon_capture()
            self._request = None
            self._on(Dropped("no_frame"))

    def _captured(self, message: Captured) -> None:
        if message.turn != self._turn or not self._holds:
            return
        self._holds = False
        self._late_at = math.inf
        self._capture = None
        self._request = None
        info = self.info
        if message.signature:
            self._on(Scene(message.signature))
        if message.data is None:
            self._tell(GiveUp(info.track, message.reason))
            self._on(Dropped(message.reason))
            return
        sample = Sample(info.participant, info.track, message.wall_ms, message.data, message.at)
        if not self._tell(Deliver(info.track, sample)):
            self._on(Dropped("stale"))
