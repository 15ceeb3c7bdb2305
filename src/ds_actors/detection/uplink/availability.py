"""Whether the service is available: the uplink's state, and which changes deserve a log line. Pure."""

from __future__ import annotations

from typing import Final

from attrs import define

from ds_actors.detection.errors import Refused
from ds_actors.detection.notes import Note
from ds_actors.detection.status import UplinkState

REMIND_EVERY: Final = 300.0


@define
class Availability:
    """Logs once when down, at most one reminder in five minutes, once when back; one ERROR for a refused key."""

    state: UplinkState = "connecting"
    attempts: int = 0
    """Since the service last answered."""
    connections: int = 0
    cause: str = ""
    down_since: float | None = None
    _noted: float | None = None
    _noted_refusal: bool = False

    def connecting(self) -> None:
        """Count an attempt; the state stays refused or down until the service answers."""
        self.attempts += 1

    def up(self) -> None:
        """Record the accepted upgrade; after a refused key, only an answer ends the refusal."""
        self.connections += 1
        if self.state != "refused":
            self.state, self.cause = "up", ""

    def answered(self, now: float) -> Note | None:
        """Record a result or a pong; after a logged outage, return a line for the log.

        The upgrade is not enough: a service that accepts and then closes is not back.
        """
        self.state = "up"
        if self.down_since is None and not self.attempts:
            return None
        note = None
        if self._noted is not None and self.down_since is not None:
            seconds = now - self.down_since
            note = Note("info", f"the detection service is back after {seconds:.0f} s and {self.attempts} attempts")
        self.attempts = 0
        self.cause = ""
        self.down_since = self._noted = None
        self._noted_refusal = False
        return note

    def down(self, error: Exception | None, now: float) -> Note | None:
        """Record that there is no connection; return a line for the log when one is due."""
        refused = isinstance(error, Refused)
        self.state = "refused" if refused else "down"
        self.cause = str(error) if error is not None else "stopped"
        if self.down_since is None:
            self.down_since = now
        if error is None:
            return None
        if refused and not self._noted_refusal:
            self._noted_refusal, self._noted = True, now
            return Note("error", f"{self.cause}; nothing is checked until it is right")
        if self._noted is None or now - self._noted >= REMIND_EVERY:
            first = self._noted is None
            self._noted = now
            if first:
                return Note("warning", f"no connection to the detection service: {self.cause}")
            seconds = now - self.down_since
            text = f"still no connection to the detection service after {seconds:.0f} s"
            return Note("warning", f"{text} and {self.attempts} attempts: {self.cause}")
        return None
