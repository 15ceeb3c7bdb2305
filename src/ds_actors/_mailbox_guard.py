"""Calls into a mailbox, which may be the user's code: what one raises is logged, and harms that one message at most.

A failing mailbox must not keep the rest of the tree from working and stopping.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol, cast

from ds_actors._mailbox import Dropped, Mailbox, MailboxStatistics, Refused, content

logger = logging.getLogger("ds_actors")


class Owner(Protocol):
    """Whose mailbox it is. Its path is computed, so that only a complaint asks for it."""

    @property
    def path(self) -> str: ...


def offer(mailbox: Mailbox[Any], item: Any, now: float, owner: Owner) -> Dropped[Any] | None:
    """Put an item; a mailbox that fails refuses it."""
    try:
        cost = mailbox.put(item, now)
        if cost is None or isinstance(cast("object", cost), Dropped):
            return cost
        raise TypeError(f"put returned {type(cost).__name__}; return a Dropped, or None")
    except Exception as error:
        kind = type(content(item)).__name__
        logger.exception("the mailbox of %s failed, so a message of type %s is refused", owner.path, kind)
        return Refused(item, f"the mailbox failed: {type(error).__name__}")


def has_room(mailbox: Mailbox[Any], message: Any, owner: Owner) -> bool:
    """Return whether a put would be accepted; of a mailbox that fails, the put decides, and the sender learns of it."""
    try:
        return mailbox.has_room(message)
    except Exception:
        logger.exception("the mailbox of %s failed to say whether it has room", owner.path)
        return True


def statistics(mailbox: Mailbox[Any], owner: Owner) -> MailboxStatistics | None:
    """Return the counts, or None of a mailbox that fails."""
    try:
        return mailbox.statistics()
    except Exception:
        logger.exception("the mailbox of %s failed to return its statistics", owner.path)
        return None


def queued(mailbox: Mailbox[Any], owner: Owner) -> int:
    """Return how many messages wait; 0 for a mailbox that fails."""
    try:
        waiting = cast("object", mailbox.statistics().queued)
        if isinstance(waiting, int):
            return waiting
        raise TypeError(f"queued is {type(waiting).__name__}, not an integer")
    except Exception:
        logger.exception("the mailbox of %s failed to return its statistics", owner.path)
        return 0


def close(mailbox: Mailbox[Any], now: float, owner: Owner) -> tuple[Any, ...]:
    """Return what still waited; nothing for a mailbox that fails."""
    try:
        return tuple(mailbox.close(now))
    except Exception:
        logger.exception("the mailbox of %s failed to close", owner.path)
        return ()
