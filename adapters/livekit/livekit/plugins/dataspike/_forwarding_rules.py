"""When the server forwards a track to the detector, and when that is paused between two samples. Pure.

A track is paused only after a frame of it was taken, while its next sample is due much later, at normal rate. It is
resumed a lead before that sample. The lead follows how long the first frame after a resumption takes, less a little for
which the capture waits: what arrives before the capture begins is decoded in vain.

Each resumption costs the publisher a key frame. A track is not paused while it has cost as many within a minute as it
may, nor any more once its key frames come late.

    forwarded ── a frame was taken, the next sample is due in more than 1.5 s ──► paused
        ▲                                                                           │
        └── the next sample is due within the lead; burst rate; no permission ──────┘
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from attrs import define, field

PAUSE_OVER: Final = 1.5
"""Seconds: forwarding is paused only when the next sample is due in more than this."""
FIRST_LEAD: Final = 0.1
SHORTEST_LEAD: Final = 0.05
LONGEST_LEAD: Final = 1.2
AIM: Final = 0.05
"""Seconds that a capture should wait for the first frame."""
SLOW_AFTER: Final = 0.1
"""Seconds that a capture may wait for its frame before the lead counts as too short."""
KEY_FRAMES: Final = 30
"""Resumptions of a track per minute; each costs its publisher a key frame, which many encoders make as often anyway."""
MINUTE: Final = 60.0
LATE_AFTER: Final = 1.0
"""Seconds from a resumption to the first frame, from which on the key frame came late."""
LATE_LIMIT: Final = 3
"""So many late key frames in a row end the pausing of the track."""


@define(eq=False)
class ForwardingRules:
    """The decisions for one track; all times are seconds on one monotonic clock.

    Report what happens, then read `paused` and call `advance` at `wake_at()`.
    """

    paused: bool = field(default=False, init=False)
    """True while the server should not forward the track."""
    lead: float = field(default=FIRST_LEAD, init=False)
    """Seconds before a sample at which forwarding is resumed."""
    permitted: bool = field(default=False, init=False)
    """True while nothing but the detector can need the track."""
    late: int = field(default=0, init=False)
    """Late key frames in a row."""
    _due: float = field(default=math.inf, init=False)
    """When the next sample is due; infinity when none is planned."""
    _steady: bool = field(default=False, init=False)
    _wanted: bool = field(default=True, init=False)
    """True from a sample's lead until its capture begins, and after a capture without a frame."""
    _capture_began: float | None = field(default=None, init=False)
    _resumed_at: float | None = field(default=None, init=False)
    """When forwarding was resumed; None after the first frame since then."""
    _resumptions: deque[float] = field(factory=lambda: deque[float](maxlen=KEY_FRAMES), init=False)
    """When it was resumed, the newest last."""

    @property
    def gave_up(self) -> bool:
        """Whether the track is paused no more, because its key frames come late."""
        return self.late >= LATE_LIMIT

    @property
    def resumed(self) -> bool:
        """Whether no frame was taken yet since forwarding was resumed."""
        return self._resumed_at is not None

    @property
    def small(self) -> bool:
        """Whether a small layer of the track is enough: at normal rate, and nothing but the detector needs it."""
        return self.permitted and self._steady and not self.gave_up

    def burdens(self, now: float) -> bool:
        """Return whether the track has cost its publisher as many key frames within a minute as it may."""
        return len(self._resumptions) == KEY_FRAMES and now - self._resumptions[0] < MINUTE

    def permit(self, *, permitted: bool, now: float) -> None:
        """Permit pausing, or forbid it because others may need the track or the room is not connected."""
        self.permitted = permitted
        self.advance(now)

    def expect(self, due: float, *, steady: bool, now: float) -> None:
        """Take the time of the next sample.

        Args:
            due: when it is due; infinity when none is planned.
            steady: False at burst rate, and for a policy that needs the frames between samples.
            now: the current time.
        """
        self._advance_clock(now)  # the earlier sample may have fallen due meanwhile
        self._due, self._steady = due, steady
        self.advance(now)

    def capture_began(self, now: float) -> None:
        """Keep the track forwarded while a capture waits for its frame."""
        self._wanted, self._capture_began = False, now
        self._decide(now)

    def capture_ended(self, now: float, *, frame: bool, learn: bool = True) -> None:
        """Learn from a capture; without a frame the track stays forwarded.

        Args:
            now: the current time.
            frame: whether it got one.
            learn: False when it waited for more than a frame, so that its time says nothing of the key frame's.
        """
        began, self._capture_began = self._capture_began, None
        if frame and began is not None and learn:
            self._learn(began, now)
        elif frame:
            self._resumed_at = None
        elif not frame:
            self._wanted = True
        self._decide(now)

    def advance(self, now: float) -> None:
        """Let time pass."""
        self._advance_clock(now)
        self._decide(now)

    def wake_at(self) -> float:
        """Return when to call `advance` next; infinity while forwarded."""
        return self._due - self.lead if self.paused else math.inf

    def _advance_clock(self, now: float) -> None:
        if now >= self._due - self.lead:
            self._wanted = True

    def _decide(self, now: float) -> None:
        if self.paused:
            if not self._may_pause() or self._due == math.inf:
                self.paused, self._resumed_at = False, now
                self._resumptions.append(now)
        elif self._may_pause() and PAUSE_OVER < self._due - now < math.inf and not self.burdens(now):
            self.paused = True

    def _may_pause(self) -> bool:
        return self.permitted and self._steady and not self._wanted and self._capture_began is None and not self.gave_up

    def _learn(self, began: float, now: float) -> None:
        resumed, self._resumed_at = self._resumed_at, None
        if resumed is None:
            return
        took = now - resumed
        self.late = self.late + 1 if took > LATE_AFTER and now - began > SLOW_AFTER else 0
        if now - began > SLOW_AFTER:
            self.lead = min(LONGEST_LEAD, max(self.lead, (self.lead + took - AIM) / 2))
        else:
            self.lead = max(SHORTEST_LEAD, 0.8 * self.lead)
