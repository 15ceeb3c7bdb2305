"""What outlives a keeper's actors: the rules, the counts, and what was logged already."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import define, evolve, field
from livekit.plugins.dataspike.keeper.rules import REPORT_AFTER, KeeperRules, RoomAction, SeenRoom
from livekit.plugins.dataspike.keeper.status import KeeperStatus
from livekit.plugins.dataspike.log import logger

from ds_actors.detection.events import plain

NAMED = 5
"""Rooms that one log line names."""
LONGEST_NAME = 100


def quoted(names: Collection[str]) -> str:
    """Return the first names as Python strings without control characters, and how many more there are."""
    first = [repr(plain(name, LONGEST_NAME)) for name, _ in zip(names, range(NAMED), strict=False)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(first)}{more}"


@define(eq=False)
class KeeperRecord:
    """One keeper's memory. The owner of the tree keeps it; only trio's thread changes it."""

    status: KeeperStatus = field(factory=KeeperStatus)
    """Replaced as a whole, so that any thread may read it."""
    unavailable_since: float | None = None
    _rules: KeeperRules = field(factory=KeeperRules)
    _reported: set[str] = field(factory=set[str])

    def looked(self, seen: Sequence[SeenRoom], now: float, u: float, left_out: int = 0) -> list[RoomAction]:
        """Take a look that succeeded, and return what to do."""
        actions = self._rules.look(seen, now, u)
        unwatched = tuple(self._rules.unwatched(now))
        self._log_availability()
        self._log_rooms(unwatched)
        if left_out and not self.status.left_out:
            logger.warning("%d rooms are left out: the keeper looks at no more of them", left_out)
        self.status = evolve(
            self.status,
            unavailable="",
            watched=self._rules.watched_rooms,
            waiting=self._rules.dark_rooms - len(unwatched),
            unwatched=unwatched,
            looks=self.status.looks + 1,
            left_out=left_out,
        )
        return actions

    def unavailable(self, why: str, now: float) -> None:
        """Take a look that failed."""
        if self.unavailable_since is None:
            self.unavailable_since = now
            logger.warning("the LiveKit server cannot be asked about its rooms (%s); the keeper tries again", why)
        self.status = evolve(self.status, unavailable=why, failed=self.status.failed + 1)

    def performed(self, action: RoomAction) -> None:
        """Take an action that succeeded."""
        if action.remove:
            text = "removed from room %s: %d of its detectors"
            logger.info(text, quoted([action.room]), len(action.remove), extra=_room(action))
        if action.request:
            text = "room %s has no detector: a dispatch is requested"
            logger.info(text, quoted([action.room]), extra=_room(action))
        self.status = evolve(
            self.status,
            requested=self.status.requested + action.request,
            removed=self.status.removed + len(action.remove),
        )

    def action_failed(self, action: RoomAction, why: str) -> None:
        """Take an action that failed."""
        text = "room %s: what the keeper asked for failed (%s)"
        logger.warning(text, quoted([action.room]), why, extra=_room(action))
        self.status = evolve(self.status, failed=self.status.failed + 1)

    def action_postponed(self) -> None:
        """Take an action for which there was no place."""
        self.status = evolve(self.status, postponed=self.status.postponed + 1)

    def _log_availability(self) -> None:
        if self.unavailable_since is not None:
            self.unavailable_since = None
            logger.info("the LiveKit server answers again")

    def _log_rooms(self, unwatched: Sequence[str]) -> None:
        fresh = [name for name in unwatched if name not in self._reported]
        over = self._reported.difference(unwatched)
        self._reported = set(unwatched)
        if fresh:
            logger.warning(
                "%s without a detector for more than %g s: %s",
                "1 room is" if len(fresh) == 1 else f"{len(fresh)} rooms are",
                REPORT_AFTER,
                quoted(fresh),
            )
        if over:
            logger.info("no longer without a detector, or over: %s", quoted(sorted(over)))


def _room(action: RoomAction) -> dict[str, str]:
    """Return the room's field, under the name that LiveKit's own records have for it."""
    return {"room": plain(action.room)}
