r"""The decisions of a video track: when a sample is due, and what to do on turns and ends of captures. Pure.

`TrackSampler.handle(event, now)` returns the effects, in the order in which to perform them. Most effects are messages
for the outbox; when the outbox refuses one, the caller hands it back as `RefusedMessage`. The track actor performs the
effects with trio, the simulator in virtual time; both drive this same object.

The life of a sample:

    FellDue -> RequestTurn ... Granted -> BeginCapture ... Captured -> Deliver
                                                |              \-> GiveUp, when there is no frame
                                                \-> (0.3 s) CaptureIsLate -> CaptureLate
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import define, field, frozen

from ds_actors.detection.events import Level, Sample, TrackInfo
from ds_actors.detection.sampling import (
    SHORTEST_GAP,
    Paused,
    Plan,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.detection.turns import (
    CaptureLate,
    Deliver,
    GiveUp,
    Granted,
    OutboxMessage,
    Relevel,
    RequestTurn,
    Withdraw,
)

LATE_AFTER: Final = 0.3
"""Seconds that a capture may hold its turn without a frame."""
PATIENCE: Final = 2.0
"""Seconds that a capture waits for a frame."""
SCREEN_SHARE_PATIENCE: Final = 10.0
"""The same for a screen share, which sends a frame only when the picture changes."""


@frozen
class Begin:
    """The track's actor starts, for the first time or after a crash."""

    level: Level
    last_due: float | None = None
    """When its last sample was due before the crash (monotonic seconds)."""
    speaking: bool = False


@frozen
class FellDue:
    """The time `due_at` has come."""

    level: Level
    """The track's level now, which ranks the turn."""


@frozen
class CaptureIsLate:
    """The time `late_at` has come, and the capture has no frame yet."""


@frozen
class FrameArrived:
    """The capture has its frame and encodes it; it can no longer be late."""

    turn: int


@frozen
class Captured:
    """The capture ended."""

    turn: int
    sample: Sample | None = field(repr=False)
    reason: str = ""
    """The reason why there is no sample."""
    signature: bytes = field(default=b"", repr=False)
    """The frame's signature for scene changes; empty when there is no frame."""


@frozen
class MutedChanged:
    """The track was muted or unmuted."""

    muted: bool


@frozen
class RefusedMessage:
    """The outbox refused a message of this track."""

    message: OutboxMessage


SamplerEvent = (
    Begin
    | FellDue
    | CaptureIsLate
    | FrameArrived
    | Captured
    | MutedChanged
    | RefusedMessage
    | Granted
    | Verdict
    | SampleSent
    | Speaking
    | Scene
)


@frozen
class BeginCapture:
    """Capture and encode a frame, in place of any capture under way; report with this turn's number."""

    turn: int


@frozen
class CancelCapture:
    """Cancel the capture under way, if any."""


Effect = BeginCapture | CancelCapture | OutboxMessage
Effects = tuple[Effect, ...]

CAPTURE_IS_LATE: Final = CaptureIsLate()
_NONE: Final[Effects] = ()
_DUE: Final = SampleDue()
_CANCEL: Final = CancelCapture()


@define(eq=False)
class TrackSampler:
    """Makes the decisions of one video track; owns its policy."""

    info: TrackInfo
    policy: SamplingPolicy
    grantee: Any = field(repr=False)
    """The reference that the uplink tells when a turn is granted."""
    muted: bool = False
    plan: Plan = field(default=Plan(None, "not started"), init=False)
    due_at: float = field(default=math.inf, init=False)
    """When to send `FellDue` (monotonic seconds)."""
    late_at: float = field(default=math.inf, init=False)
    """When to send `CaptureIsLate` (monotonic seconds)."""
    turn: int = field(default=0, init=False)
    """The number of the newest capture; reports of older ones are ignored."""
    _not_before: float = field(default=-math.inf, init=False)
    """The earliest time for the next sample, whatever the policy plans."""
    _request: RequestTurn | None = field(default=None, init=False)
    """The newest request in the outbox, granted or not."""
    _earlier: RequestTurn | None = field(default=None, init=False)
    """The request that stays in the outbox when the newest one is refused."""
    _urgency: Level = field(default=Level.UNKNOWN, init=False)
    """The level by which the outbox ranks the request."""
    _capturing: bool = field(default=False, init=False)

    def handle(self, event: SamplerEvent, now: float) -> Effects:
        """Decide what an event means at `now` (monotonic seconds), and return what to do.

        Raises:
            ValueError: when the policy plans a sample for NaN; errors of the policy are raised too.
        """
        return _HANDLERS[type(event)](self, event, now)

    def wake_at(self) -> float:
        """Return when to send the next `FellDue` or `CaptureIsLate`; infinity for never."""
        return min(self.due_at, self.late_at)

    def _advise(self, event: SamplingEvent, now: float) -> None:
        self.plan = plan = self.policy.on(event, now)
        due = plan.due
        if due is None:
            self.due_at = math.inf
        elif due != due:  # noqa: PLR0124 - only NaN differs from itself
            raise ValueError("the policy planned a sample for NaN, which is not a time; plan a finite time or None")
        else:
            self.due_at = max(self._not_before, due)

    def _pass_on(self, event: SampleSent | Speaking | Scene, now: float) -> Effects:
        self._advise(event, now)
        return _NONE

    def _begin(self, event: Begin, now: float) -> Effects:
        self._advise(Started(event.level, event.last_due), now)
        if event.speaking:
            self._advise(Speaking(active=True), now)
        if self.muted:
            self._advise(Paused(), now)
        return (Withdraw(self.info.track, "restarted"),)

    def _fell_due(self, event: FellDue, now: float) -> Effects:
        self._not_before = now + SHORTEST_GAP
        self._advise(_DUE, now)
        self._urgency = event.level
        self._earlier = self._request
        self._request = RequestTurn(self.info.track, self.info.participant, event.level, self.grantee)
        return (self._request,)

    def _granted(self, event: Granted, now: float) -> Effects:
        if event.request is not self._request:  # withdrawn meanwhile, or from an earlier incarnation
            return _NONE
        self.turn += 1
        self._capturing = True
        self.late_at = now + LATE_AFTER
        return (BeginCapture(self.turn),)

    def _frame_arrived(self, event: FrameArrived, _now: float) -> Effects:
        if event.turn == self.turn:
            self.late_at = math.inf
        return _NONE

    def _capture_is_late(self, _event: CaptureIsLate, _now: float) -> Effects:
        self.late_at = math.inf
        return (CaptureLate(self.info.track),)

    def _captured(self, event: Captured, now: float) -> Effects:
        if event.turn != self.turn or not self._capturing:
            return _NONE
        self._end_capture()
        self._request = None
        if event.signature:
            self._advise(Scene(event.signature), now)
        if event.sample is None:
            self._advise(SampleDropped(event.reason), now)
            return (GiveUp(self.info.track, event.reason),)
        return (Deliver(self.info.track, event.sample),)

    def _verdict(self, event: Verdict, now: float) -> Effects:
        changed = event.level is not self._urgency
        self._urgency = event.level
        self._advise(event, now)
        return (Relevel(self.info.track, event.level),) if changed else _NONE

    def _muted_changed(self, event: MutedChanged, now: float) -> Effects:
        if event.muted == self.muted:
            return _NONE
        self.muted = event.muted
        if not event.muted:
            self._advise(Resumed(), now)
            return _NONE
        self._end_capture()
        if self._request is not None:
            self._request = None
            self._advise(SampleDropped("muted"), now)
        self._advise(Paused(), now)
        return (_CANCEL, Withdraw(self.info.track, "muted"))

    def _refused(self, event: RefusedMessage, now: float) -> Effects:
        match event.message:
            case RequestTurn():
                self._request = self._earlier
                self._advise(SampleDropped("superseded"), now)
            case Deliver():
                self._advise(SampleDropped("stale"), now)
            case CaptureLate():
                self._end_capture()
                self._request = None
                self._advise(SampleDropped("no_frame"), now)
                return (_CANCEL,)
            case _:
                pass
        return _NONE

    def _end_capture(self) -> None:
        self._capturing = False
        self.late_at = math.inf
        self.turn += 1


_HANDLERS: Final[Mapping[type[SamplerEvent], Callable[[TrackSampler, Any, float], Effects]]] = MappingProxyType(
    {
        Begin: TrackSampler._begin,  # noqa: SLF001 - this module's own table of transitions
        FellDue: TrackSampler._fell_due,  # noqa: SLF001
        Granted: TrackSampler._granted,  # noqa: SLF001
        FrameArrived: TrackSampler._frame_arrived,  # noqa: SLF001
        CaptureIsLate: TrackSampler._capture_is_late,  # noqa: SLF001
        Captured: TrackSampler._captured,  # noqa: SLF001
        Verdict: TrackSampler._verdict,  # noqa: SLF001
        MutedChanged: TrackSampler._muted_changed,  # noqa: SLF001
        RefusedMessage: TrackSampler._refused,  # noqa: SLF001
        SampleSent: TrackSampler._pass_on,  # noqa: SLF001
        Speaking: TrackSampler._pass_on,  # noqa: SLF001
        Scene: TrackSampler._pass_on,  # noqa: SLF001
    }
)
