"""Whether the service is available: the uplink's state, and which changes deserve a log line. Pure.

An *outage* begins with the last byte of a connection and ends when a later one has been stable: it has answered for
30 s, or for 900 s when the connection was lost more than once, or within 900 s of the end of the outage before. Losses
that follow each other closely are therefore one outage, whose lines are

    at the first loss          -> WARNING; ERROR when the key is refused
    then at most every 300 s   -> WARNING: how long it lasts, or how often the connection was lost
    at the end                 -> INFO

An outage that begins within 900 s of the end of the one before waits with its first line until 300 s after the last
warning. Whatever happens, a day has fewer than 300 lines.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import define, field

from ds_actors._text import counted
from ds_actors.detection.errors import Refused
from ds_actors.detection.reporting.notes import FLAPPING_WITHIN, REMIND_EVERY, STABLE_AFTER, Note
from ds_actors.detection.status import UplinkState

_WHAT: Final = "the connection to the detection service"


@define
class Availability:
    """Keeps the uplink's state, and returns lines for the log; all times are seconds on one monotonic clock."""

    state: UplinkState = "connecting"
    attempts: int = 0
    """Since the service last answered."""
    connections: int = 0
    cause: str = ""
    down_since: float | None = field(default=None, init=False)
    """When the outage began that is not over yet."""
    _lost_at: float = field(default=0.0, init=False)
    _answering_since: float | None = field(default=None, init=False)
    """Since when the newest connection answers, while the outage is not over."""
    _attempts: int = field(default=0, init=False)
    """Since the last outage ended."""
    _losses: int = field(default=0, init=False)
    _unreported_losses: int = field(default=0, init=False)
    _seconds: float = field(default=0.0, init=False)
    """How long there was no connection during the outage."""
    _reported: bool = field(default=False, init=False)
    _reported_refusal: bool = field(default=False, init=False)
    _returned: bool = field(default=False, init=False)
    """The outage began soon after the one before."""
    _noted: float | None = field(default=None, init=False)
    _over_at: float | None = field(default=None, init=False)

    def connecting(self) -> None:
        """Count an attempt; the state stays refused or down until the service answers."""
        self.attempts += 1
        self._attempts += 1

    def up(self) -> None:
        """Record the accepted upgrade; after a refused key, only an answer ends the refusal."""
        self.connections += 1
        if self.state != "refused":
            self.state, self.cause = "up", ""

    def answered(self, now: float) -> Note | None:
        """Record a result or a pong; return a line for the log when this ends a reported outage.

        The upgrade is not enough: a service that accepts and then closes is not back.
        """
        self.state, self.cause, self.attempts = "up", "", 0
        if self.down_since is None:
            self._attempts = 0
            return None
        if self._answering_since is None:
            self._answering_since = now
            self._seconds += now - self._lost_at
        since = self._answering_since
        if now - since < (FLAPPING_WITHIN if self._is_flapping() else STABLE_AFTER):
            return None
        return self._over(since, now)

    def _over(self, since: float, now: float) -> Note | None:
        assert self.down_since is not None
        seconds = since - self.down_since
        text = f"the detection service is back after {seconds:.0f} s and {counted(self._attempts, 'attempt')}"
        if self._losses > 1:
            lost = f"it was lost {self._losses} times in {seconds:.0f} s, and was down for {self._seconds:.0f} of them"
            text = f"{_WHAT} is stable: {lost}"
        note = Note("info", text) if self._reported else None
        self.down_since = self._answering_since = None
        self._attempts = self._losses = self._unreported_losses = 0
        self._seconds, self._over_at = 0.0, now
        self._reported = self._reported_refusal = False
        return note

    def down(self, error: Exception | None, now: float, heard: float | None = None) -> Note | None:
        """Record that there is no connection, and return a line for the log when one is due.

        Args:
            error: why; None when the monitor stopped it.
            now: the time.
            heard: when the last byte arrived, if the connection was open.
        """
        self.state = "refused" if isinstance(error, Refused) else "down"
        self.cause = str(error) if error is not None else "stopped"
        if self.down_since is None or self._answering_since is not None:
            self._lost(now if heard is None else heard, now)
        if error is None:
            return None
        if self.state == "refused" and not self._reported_refusal and (not self._is_flapping() or self._may_note(now)):
            self._reported_refusal = True
            return self._note("error", f"{self.cause}; nothing is checked until it is right", now)
        if not self._reported and not self._returned:
            return self._note("warning", f"no connection to the detection service: {self.cause}", now)
        return self._note("warning", self._reminder(now), now) if self._may_note(now) else None

    def _lost(self, lost_at: float, now: float) -> None:
        if self.down_since is None:
            self.down_since = lost_at
            self._returned = self._over_at is not None and now - self._over_at < FLAPPING_WITHIN
        self._lost_at = lost_at
        self._answering_since = None
        self._losses += 1
        self._unreported_losses += 1

    def _is_flapping(self) -> bool:
        return self._returned or self._losses > 1

    def _may_note(self, now: float) -> bool:
        return self._noted is None or now - self._noted >= REMIND_EVERY

    def _note(self, level: Literal["warning", "error"], text: str, now: float) -> Note:
        self._reported, self._noted, self._unreported_losses = True, now, 0
        return Note(level, text)

    def _reminder(self, now: float) -> str:
        assert self.down_since is not None
        if self._unreported_losses:
            since = self.down_since if self._noted is None else max(self.down_since, self._noted)
            lost = f"lost {counted(self._unreported_losses, 'time')} in the last {now - since:.0f} s"
            return f"{_WHAT} is unstable, {lost}: {self.cause}"
        lasts = f"after {now - self.down_since:.0f} s and {counted(self._attempts, 'attempt')}"
        return f"still no connection to the detection service {lasts}: {self.cause}"
