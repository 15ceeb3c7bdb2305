"""The actor of one video track: the trio shell that performs its sampler's decisions.

State that must outlive a crash (level, coverage, counts) belongs to its host, never to a field here.
"""

from __future__ import annotations

import time

import trio
from attrs import define, field

from ds_actors import Actor, Exit
from ds_actors.detection.events import Sample, TrackInfo
from ds_actors.detection.sampling import SampleSent, SamplingPolicy, Verdict
from ds_actors.detection.tracks.encoding import Encode, EncodingError, Frame, FrameTooSmallError
from ds_actors.detection.tracks.host import TrackHost
from ds_actors.detection.tracks.messages import TrackMessage, VerdictArrived
from ds_actors.detection.tracks.sampler import (
    CAPTURE_IS_LATE,
    PATIENCE,
    SCREEN_SHARE_PATIENCE,
    Begin,
    BeginCapture,
    CancelCapture,
    Captured,
    Effects,
    FellDue,
    FrameArrived,
    RefusedMessage,
    SamplerEvent,
    TrackSampler,
)
from ds_actors.detection.tracks.scene import luma_signature
from ds_actors.detection.tracks.sources import FrameSource
from ds_actors.detection.turns import Withdraw


@define(eq=False)
class TrackActor(Actor[TrackMessage]):
    """Samples one video track."""

    info: TrackInfo
    source: FrameSource
    policy: SamplingPolicy
    host: TrackHost
    encode: Encode
    quality: int = 75
    muted: bool = False
    _sampler: TrackSampler = field(init=False)
    _capture: trio.CancelScope | None = field(default=None, init=False)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    """Wakes the actor when it has something to do without a message."""

    async def started(self) -> None:
        """Continue from the surviving level and last sample, and withdraw an earlier incarnation's request."""
        self.context.mark_unproven()
        self._sampler = TrackSampler(self.info, self.policy, self.context.ref, self.muted)
        track, host = self.info.track, self.host
        self._handle(Begin(host.attention(track), host.last_due(track), host.speaks(self.info.participant)))

    async def run(self) -> None:
        """Wait for the first of these: a message, a sample's due time, the moment at which a capture is late."""
        while True:
            # One scope until it fires: a new scope per message would cost more than the message.
            with trio.CancelScope() as self._alarm:
                while True:
                    self._act()
                    self._set_alarm()
                    try:
                        message = await self.inbox.take()
                    except trio.EndOfChannel:
                        return
                    self._receive(message)
                    self.inbox.settle(message)

    def _set_alarm(self) -> None:
        wake_at = self._sampler.wake_at()
        if wake_at != self._alarm.deadline:  # each change costs an entry in trio's heap
            self._alarm.deadline = wake_at

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Free the turn; the host closes the source, since another incarnation may continue with it."""
        self.host.uplink().tell(Withdraw(self.info.track, "ended" if exit.crash is None else "restarted"))

    def _act(self) -> None:
        now = trio.current_time()
        if now >= self._sampler.late_at:
            self._handle(CAPTURE_IS_LATE)
        if now >= self._sampler.due_at:
            self.host.sample_due(self.info.track)  # before the policy runs, so that its crash loses nothing
            self._handle(FellDue(self.host.attention(self.info.track)))

    def _receive(self, message: TrackMessage) -> None:
        match message:
            case VerdictArrived():
                # Read here, not carried by the message: a mailbox full of older messages refuses the newest.
                self._handle(Verdict(self.host.attention(self.info.track)))
            case SampleSent():
                self.context.mark_healthy()
                self._handle(message)
            case _:
                self._handle(message)

    def _handle(self, event: SamplerEvent) -> None:
        sampler = self._sampler
        before = sampler.plan
        effects = sampler.handle(event, trio.current_time())
        if effects:
            self._perform(effects)
        if sampler.plan is not before:
            self.host.planned(self.info.track, sampler.plan)

    def _perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case BeginCapture(turn):
                    self._cancel_capture()
                    self._capture = self.context.spawn(self._run_capture, turn)
                case CancelCapture():
                    self._cancel_capture()
                case _:
                    if not self.host.uplink().tell(effect):
                        self._handle(RefusedMessage(effect))

    def _cancel_capture(self) -> None:
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
            at, wall_ms = trio.current_time(), time.time_ns() // 1_000_000
            if frame is not None:
                self._handle(FrameArrived(turn))
                plan = self._sampler.plan
                quality = self.quality if plan.quality is None else plan.quality
                data = await self.encode(frame, quality, plan.max_side)
                reason, signature = "", luma_signature(frame)
        except EncodingError as error:
            reason = error.reason
        # A source that raises EncodingError had a frame.
        arrived, too_small = reason != "no_frame", reason == FrameTooSmallError.reason
        self.host.captured(self.info.track, frame=arrived, too_small=too_small)
        info = self.info
        sample = None if data is None else Sample(info.participant, info.track, wall_ms, data, at)
        # Not told: a message to itself would wake the actor for nothing but this. What fell due meanwhile comes first.
        self._act()
        self._handle(Captured(turn, sample, reason, signature))
        self._set_alarm()
