"""What the outbox counts: the samples that were due, and the messages about them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from attrs import define, field, frozen

from ds_actors._mailbox import MailboxStatistics


@frozen
class OutboxAccount:
    """What became of the samples that were due."""

    due: int
    sent: int
    dropped: Mapping[str, int]
    waiting: int
    granted: int


@define(eq=False)
class OutboxCounts:
    """Counts samples (due, sent, dropped) and messages (the others)."""

    due: int = 0
    sent: int = 0
    dropped: Counter[str] = field(factory=Counter[str])
    offered: int = 0
    refused: int = 0
    handled: int = 0
    dead: int = 0
    messages_dropped: Counter[str] = field(factory=Counter[str])

    def account(self, *, waiting: int, granted: int) -> OutboxAccount:
        """Return what became of every sample that was due."""
        return OutboxAccount(self.due, self.sent, MappingProxyType(dict(self.dropped)), waiting, granted)

    def statistics(self, *, capacity: int, queued: int, in_hand: int) -> MailboxStatistics:
        """Return the counts of messages."""
        return MailboxStatistics(
            capacity=capacity,
            offered=self.offered,
            refused=self.refused,
            handled=self.handled,
            dead=self.dead,
            queued=queued,
            in_hand=in_hand,
            dropped=MappingProxyType(dict(self.messages_dropped)),
        )
