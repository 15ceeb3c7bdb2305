"""Whether the link to the service is slow, and which changes deserve a log line. Pure.

A sample is *limited* when the link makes it smaller, or has it dropped. The link is slow when samples have been limited
for 10 s, and no longer when none has been for 30 s (900 s, when it had become slow again within 900 s).

    at the beginning  -> WARNING; again at most every 300 s, when it comes back
    at the end        -> INFO
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from ds_actors.detection.reporting.notes import FLAPPING_WITHIN, REMIND_EVERY, STABLE_AFTER, Note

SLOW_AFTER: Final = 10.0
"""Seconds for which samples are limited before the link is slow: a single stall is not worth a line."""


@define
class LinkSlowness:
    """Decides when a link is slow; all times are seconds on one monotonic clock."""

    slow: bool = field(default=False, init=False)
    _since: float | None = field(default=None, init=False)
    """Since when samples are limited."""
    _limited_at: float = field(default=0.0, init=False)
    _warned: float | None = field(default=None, init=False)
    _reported: bool = field(default=False, init=False)
    _over_at: float | None = field(default=None, init=False)
    _returned: bool = field(default=False, init=False)

    def limited(self, now: float) -> None:
        """Record that the link made a sample smaller, or had it dropped."""
        if self._since is None:
            self._since = now
        self._limited_at = now

    def look(self, rate: float, now: float) -> Note | None:
        """Return a line for the log when one is due; call it every few seconds.

        Args:
            rate: the link's, in bytes per second.
            now: the time.
        """
        if self._since is None:
            return None
        if now - self._limited_at >= (FLAPPING_WITHIN if self.slow and self._returned else STABLE_AFTER):
            return self._over()
        if not self.slow and self._limited_at - self._since >= SLOW_AFTER:
            self.slow = True
            self._returned = self._over_at is not None and self._since - self._over_at < FLAPPING_WITHIN
        if not self.slow or self._reported or (self._warned is not None and now - self._warned < REMIND_EVERY):
            return None
        self._reported, self._warned = True, now
        speed = f"about {rate / 1_000:.1f} kB/s"
        effect = "pictures are sent smaller, and fewer, so that they arrive in time"
        return Note("warning", f"the link to the detection service is slow ({speed}): {effect}")

    def _over(self) -> Note | None:
        assert self._since is not None
        seconds, reported = self._limited_at - self._since, self._reported
        if self.slow:
            self._over_at = self._limited_at
        self._since, self.slow, self._reported = None, False, False
        if not reported:
            return None
        return Note("info", f"the link to the detection service is fast enough again, after {seconds:.0f} s")
