"""When a connection is dead, and when it counts as healthy. Pure.

A `Heartbeat` watches one connection's bytes, not its messages: a slow link that still moves bytes is alive.

    nothing received for 10 s            -> SendPing
    nothing received in the 10 s after
      the ping's own send returned       -> Close
    a send that moves no byte for 10 s   -> Close
    a send that was cancelled            -> Close
    a hundred malformed messages in a row -> Close
    samples sent for 60 s, and none of them
      answered                           -> Close
    a message unfinished for 10 s        -> Close
    a thousand control frames within 10 s -> Close
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field, frozen

PING_AFTER: Final = 10.0
"""Seconds without a received byte before a ping is due."""
DEAD_AFTER: Final = 10.0
"""Seconds that a sent ping may wait for any answer, and a send for a byte to move."""
PONG_WITHIN: Final = 60.0
"""Seconds from a ping to its pong, after which nothing waits for it any longer."""
HEALTHY_AFTER: Final = 10.0
"""Seconds after which a connection that brought a result or a pong resets the backoff."""
MALFORMED_LIMIT: Final = 100
"""Consecutive malformed messages that end the connection."""
FINISHED_WITHIN: Final = 10.0
"""Seconds from the first byte of a message of the service within which its last must arrive."""
CONTROL_FRAMES: Final = 1_000
"""Pings and pongs of the service that end the connection when they come within 10 s: each takes time to answer."""
CONTROL_FRAMES_WITHIN: Final = 10.0
UNANSWERED_FOR: Final = 60.0
"""Seconds for which samples are sent and none is answered that end the connection."""
UNANSWERED_SAMPLES: Final = 3
"""The fewest samples that must have been sent meanwhile: not every sample is answered."""


@frozen
class SendPing:
    """Send one ping now, and call `Heartbeat.ping_sent` when its send returned."""


@frozen
class Close:
    """The connection is dead for this reason: drop it."""

    reason: str


@define(slots=True)
class Heartbeat:
    """Tracks one connection's signs of life; all times are seconds on one monotonic clock."""

    began: float
    _opened: float | None = field(default=None, init=False)
    _answered: bool = field(default=False, init=False)
    _heard: float = field(init=False)
    _pinging: bool = field(default=False, init=False)
    _pinged: float | None = field(default=None, init=False)
    _sending: float | None = field(default=None, init=False)
    _moved: float = field(default=0.0, init=False)
    _cut_off: bool = field(default=False, init=False)
    _malformed: int = field(default=0, init=False)
    _controls: int = field(default=0, init=False)
    _controls_since: float = field(default=0.0, init=False)
    _unfinished_since: float | None = field(default=None, init=False)
    _unanswered: int = field(default=0, init=False)
    _unanswered_since: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._heard = self.began

    def received(self, now: float) -> None:
        """Record that at least one byte arrived: the other side is alive."""
        self._heard = now
        self._pinging = False
        self._pinged = None

    def message_began(self, now: float) -> None:
        """Record that a message of the service began, and those before it ended."""
        self._unfinished_since = now

    def message_ended(self) -> None:
        """Record that no message of the service is under way."""
        self._unfinished_since = None

    def opened(self, now: float) -> None:
        """Record the accepted upgrade."""
        self._opened = now

    def answered(self) -> None:
        """Record a result or a pong."""
        self._answered = True

    def is_healthy(self, now: float) -> bool:
        """Return whether this connection is healthy, so that earlier failures are forgotten."""
        return self._answered and self._opened is not None and now - self._opened >= HEALTHY_AFTER

    def is_older_than(self, seconds: float, now: float) -> bool:
        """Return whether the upgrade was accepted longer ago than that."""
        return self._opened is not None and now - self._opened > seconds

    @property
    def heard(self) -> float | None:
        """When the last byte arrived; None while the upgrade is not accepted."""
        return None if self._opened is None else self._heard

    def ping_sent(self, now: float) -> None:
        """Record that the ping's send returned; the wait for its answer begins."""
        if self._pinging:
            self._pinged = now

    @property
    def sending(self) -> bool:
        """True while a send is in progress."""
        return self._sending is not None

    def send_started(self, now: float) -> None:
        """Record that a send begins."""
        self._sending = self._moved = now

    def send_progress(self, now: float) -> None:
        """Record that the send in progress moved at least one byte."""
        self._moved = now

    def send_ended(self) -> None:
        """Record that the send in progress ended."""
        self._sending = None

    def send_cut_off(self) -> None:
        """Record that a send was cancelled: the other side cannot find the next message any more."""
        self._cut_off = True

    def sample_sent(self, now: float) -> None:
        """Record that a sample was sent."""
        if not self._unanswered:
            self._unanswered_since = now
        self._unanswered += 1

    def sample_answered(self) -> None:
        """Record a result about a track that is known."""
        self._unanswered = 0

    def wellformed(self) -> None:
        """Record a well-formed message: the run of malformed ones ends."""
        self._malformed = 0

    def malformed(self) -> Close | None:
        """Count a malformed message; return Close after the hundredth in a row."""
        self._malformed += 1
        if self._malformed < MALFORMED_LIMIT:
            return None
        return Close(f"{MALFORMED_LIMIT} malformed messages in a row")

    def control_frames(self, count: int, now: float) -> Close | None:
        """Count control frames of the service; return Close after a thousand within 10 s."""
        if now - self._controls_since >= CONTROL_FRAMES_WITHIN:
            self._controls, self._controls_since = 0, now
        self._controls += count
        if self._controls < CONTROL_FRAMES:
            return None
        return Close(f"the service sent {CONTROL_FRAMES} control frames within {CONTROL_FRAMES_WITHIN:g} s")

    def due(self) -> float:
        """Return when to call `tick` if nothing happens before; infinity for never, minus infinity for at once."""
        if self._cut_off:
            return -math.inf
        times: list[float] = []
        if not self._pinging:
            times.append(self._heard + PING_AFTER)
        elif self._pinged is not None:
            times.append(self._pinged + DEAD_AFTER)
        if self._sending is not None:
            times.append(self._moved + DEAD_AFTER)
        if self._unfinished_since is not None:
            times.append(self._unfinished_since + FINISHED_WITHIN)
        if self._unanswered >= UNANSWERED_SAMPLES:
            times.append(self._unanswered_since + UNANSWERED_FOR)
        return min(times, default=math.inf)

    def tick(self, now: float) -> SendPing | Close | None:
        """Return the action that is due now; a ping is requested once until a byte arrives."""
        reason = self._dead(now)
        if reason is not None:
            return Close(reason)
        if not self._pinging and now >= self._heard + PING_AFTER:
            self._pinging = True
            return SendPing()
        return None

    def _dead(self, now: float) -> str | None:
        if self._cut_off:
            return "a send was cut off"
        if self._sending is not None and now >= self._moved + DEAD_AFTER:
            return f"a send moved no byte for {DEAD_AFTER:g} s"
        if self._pinged is not None and now >= self._pinged + DEAD_AFTER:
            return f"nothing was received in the {DEAD_AFTER:g} s after a ping"
        if self._unfinished_since is not None and now >= self._unfinished_since + FINISHED_WITHIN:
            return f"a message of the service did not end within {FINISHED_WITHIN:g} s"
        if self._unanswered >= UNANSWERED_SAMPLES and now >= self._unanswered_since + UNANSWERED_FOR:
            return f"the service answered none of the {self._unanswered} samples of the last {UNANSWERED_FOR:g} s"
        return None
