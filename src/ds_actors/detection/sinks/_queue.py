"""A sink's mailbox: order within a track, several tracks in hand at once, and the least valuable event goes. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from ds_actors._mailbox import EMPTY, Dropped, Empty, MailboxStatistics, Refused
from ds_actors.detection.events import Level, ResultEvent

PER_TRACK: Final = 32
AT_ONCE: Final = 16


class SinkQueue:
    """Per track 32 events wait; `take` hands out events of 16 tracks at once, never two of one.

    Full: the oldest that changes no level goes, then the oldest that is no ALERT, then the oldest.
    """

    timed: ClassVar[bool] = False

    def __init__(self, *, per_track: int = PER_TRACK, at_once: int = AT_ONCE) -> None:
        self._per_track = per_track
        self._at_once = at_once
        self._waiting: dict[str, deque[ResultEvent]] = {}
        self._turns: deque[str] = deque()  # tracks with events, in the order of their next
        self._in_hand: dict[str, ResultEvent] = {}
        self._offered = self._refused = self._handled = self._failed = self._dead = 0
        self._dropped: Counter[str] = Counter()

    def holds(self, track: str) -> bool:
        """Return whether an event of this track waits or is in hand."""
        return track in self._waiting or track in self._in_hand

    def has_room(self, event: ResultEvent, /) -> bool:
        """True unless the event would itself be the least valuable of a full track."""
        waiting = self._waiting.get(event.track_id, ())
        return len(waiting) < self._per_track or _least_valuable([*waiting, event]) < len(waiting)

    def put(self, event: ResultEvent, _now: float = 0.0, /) -> Dropped[ResultEvent] | None:
        """Append the event to its track's; when there was no room, drop the least valuable as "full".

        Where that is the event itself, it counts as refused.
        """
        self._offered += 1
        track = event.track_id
        waiting = self._waiting.get(track)
        if waiting is None:
            waiting = self._waiting[track] = deque()
            if track not in self._in_hand:
                self._turns.append(track)
        waiting.append(event)
        if len(waiting) <= self._per_track:
            return None
        index = _least_valuable(waiting)
        least = waiting[index]
        del waiting[index]
        if index == self._per_track:
            self._refused += 1
            return Refused(event, "full")
        self._dropped["full"] += 1
        return Dropped(least, "full")

    def take(self, _now: float = 0.0, /) -> ResultEvent | Empty:
        """Take the next event in hand of a track that has none there, or EMPTY."""
        if not self._turns or len(self._in_hand) >= self._at_once:
            return EMPTY
        track = self._turns.popleft()
        waiting = self._waiting[track]
        event = self._in_hand[track] = waiting.popleft()
        if not waiting:
            del self._waiting[track]
        return event

    def settle(self, event: ResultEvent, _now: float = 0.0, /) -> None:
        """Count an event in hand as handled; its track's next may be taken."""
        if self._in_hand.get(event.track_id) is event:
            del self._in_hand[event.track_id]
            self._handled += 1
            if event.track_id in self._waiting:
                self._turns.append(event.track_id)

    def interrupted(self, _now: float = 0.0, /) -> Iterable[Dropped[ResultEvent]]:
        """Lose what was in hand: whether it was delivered is not known."""
        lost = tuple(self._in_hand.values())
        self._in_hand.clear()
        self._failed += len(lost)
        self._turns.extend(event.track_id for event in lost if event.track_id in self._waiting)
        return tuple(Dropped(event, "interrupted") for event in lost)

    def close(self, _now: float = 0.0, /) -> Iterable[ResultEvent]:
        """Return what still waited, counted as dead."""
        rest = tuple(event for waiting in self._waiting.values() for event in waiting)
        self._waiting.clear()
        self._turns.clear()
        self._dead += len(rest)
        return rest

    def statistics(self) -> MailboxStatistics:
        """Return the exact counts."""
        return MailboxStatistics(
            capacity=self._per_track,
            offered=self._offered,
            refused=self._refused,
            handled=self._handled,
            failed=self._failed,
            dead=self._dead,
            queued=sum(map(len, self._waiting.values())),
            in_hand=len(self._in_hand),
            dropped=MappingProxyType(dict(self._dropped)),
        )


def _least_valuable(waiting: Sequence[ResultEvent]) -> int:
    unchanged = (
        n for n, event in enumerate(waiting) if event.level is event.previous_level or not event.level.is_verdict
    )
    lesser = (n for n, event in enumerate(waiting) if event.level is not Level.ALERT)
    return next(unchanged, next(lesser, 0))
