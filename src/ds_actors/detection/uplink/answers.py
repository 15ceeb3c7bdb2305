"""What became of every sample that was sent: the wire has no sequence numbers, so answers are matched by track. Pure.

An answer belongs to the oldest outstanding sample of its track. At every moment

    sent = answered + unanswered (after 30 s) + lost (with the connection) + outstanding

A response time is known only where nothing can be confused: with one sample of the track outstanding, and for the
`round_trip`, with one sample outstanding at all.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from attrs import define, field, frozen

UNANSWERED_AFTER: Final = 30.0
"""Seconds after which a sample counts as unanswered: not every sample gets an answer."""
OUTSTANDING: Final = 4_096
"""The most samples that are outstanding; the oldest then counts as unanswered."""


Outcome = Literal["outstanding", "answered", "unanswered", "lost"]


@frozen
class Settled:
    """The sample of that number, counted from 1, is answered, unanswered or lost."""

    number: int
    outcome: Outcome
    answer: str = ""
    """The level of the answer."""
    latency: float | None = None
    """Seconds from the send's return to the answer; None when that is not known."""


@define(eq=False)
class _Outstanding:
    number: int
    track: str
    sent_at: float


@define(eq=False)
class AnswerAccount:
    """Matches answers with samples; all times are seconds on one monotonic clock."""

    sent: int = field(default=0, init=False)
    answered: int = field(default=0, init=False)
    unanswered: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)
    round_trip: float | None = field(default=None, init=False)
    """The newest response time in seconds."""
    _sending: str | None = field(default=None, init=False)
    """The track of the sample whose send has not returned."""
    _early: str | None = field(default=None, init=False)
    """The answer to the sample being sent, which came before the send returned."""
    _outstanding: dict[int, _Outstanding] = field(factory=dict[int, _Outstanding], init=False)
    """By number, so oldest first."""
    _by_track: dict[str, deque[int]] = field(factory=dict[str, deque[int]], init=False)

    @property
    def outstanding(self) -> int:
        """The samples that are neither answered, unanswered nor lost yet."""
        return self.sent - self.answered - self.unanswered - self.lost

    def sending(self, track: str) -> None:
        """Record that a sample's send begins: its answer may arrive before the send returns."""
        self._sending, self._early = track, None

    def sample_sent(self, now: float) -> Settled | None:
        """Record that the send returned; return the sample when it is answered already."""
        assert self._sending is not None
        track, early = self._sending, self._early
        self._sending = self._early = None
        self.sent += 1
        if early is not None:
            self.answered += 1
            return Settled(self.sent, "answered", early, 0.0)
        self._outstanding[self.sent] = _Outstanding(self.sent, track, now)
        self._by_track.setdefault(track, deque()).append(self.sent)
        return None

    def answer(self, track: str, level: str, now: float) -> Settled | None:
        """Record a result; return the sample that it settles, None when none of that track is outstanding."""
        numbers = self._by_track.get(track)
        if numbers is None:
            if self._sending == track and self._early is None:
                self._early = level
            return None
        alone, only_one = len(numbers) == 1 and self._sending != track, len(self._outstanding) == 1
        entry = self._remove(numbers[0])
        self.answered += 1
        latency = now - entry.sent_at if alone else None
        if latency is not None and only_one and self._sending is None:
            self.round_trip = latency
        return Settled(entry.number, "answered", level, latency)

    def expire(self, now: float) -> list[Settled]:
        """Return the samples that count as unanswered from now on."""
        expired: list[Settled] = []
        while self._outstanding:
            oldest = next(iter(self._outstanding.values()))
            if now - oldest.sent_at < UNANSWERED_AFTER and len(self._outstanding) <= OUTSTANDING:
                break
            self._remove(oldest.number)
            self.unanswered += 1
            expired.append(Settled(oldest.number, "unanswered"))
        return expired

    def connection_ended(self) -> list[Settled]:
        """Return the samples that are lost with the connection; one whose send has not returned was not sent."""
        lost = [Settled(number, "lost") for number in self._outstanding]
        self.lost += len(lost)
        self._outstanding.clear()
        self._by_track.clear()
        self._sending = self._early = None
        return lost

    def _remove(self, number: int) -> _Outstanding:
        entry = self._outstanding.pop(number)
        numbers = self._by_track[entry.track]
        numbers.remove(number)
        if not numbers:
            del self._by_track[entry.track]
        return entry
