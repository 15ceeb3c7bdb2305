"""What a mailbox is: the protocol of all policies, what they hold, and what they count.

A message is *in hand* from `take` until it is settled, and the capacity counts it: an actor that is busy with one
message and has nine waiting holds ten. Whatever happens to a message is counted exactly once:

    offered  = accepted + refused
    accepted = handled + failed + dropped (by reason) + dead + queued + in hand

Pure: a mailbox that needs the time says so (`timed`) and gets it as an argument; the others never see a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from attrs import field, frozen

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

_NONE: Final[Mapping[str, int]] = MappingProxyType({})


class Empty(Enum):
    """The type of `EMPTY`, so that a mailbox can hold any object at all, None included."""

    EMPTY = "empty"
    """The only member."""


EMPTY: Final = Empty.EMPTY
"""What `take` returns when nothing may be taken now."""


@frozen
class Dropped(Generic[M_co]):
    """A message that a mailbox gave up, and the mailbox's word for why."""

    what: M_co
    reason: str


@frozen
class Refused(Dropped[M_co]):
    """The offered message itself, which was not accepted: `tell` returns False.

    A type of its own, because the same object may be offered again while it waits.
    """


class Notice:
    """A watch's message on its way to the watcher, outside the mailbox."""

    __slots__ = ("due", "message", "target")

    def __init__(self, target: object, message: Any, due: int) -> None:
        self.target: object = target
        self.message: Any = message
        self.due: int = due


class Envelope:
    """An ask on its way: the request, and the slot that its one ending goes to."""

    __slots__ = ("request", "slot")

    def __init__(self, request: object, slot: Any) -> None:
        self.request = request
        self.slot = slot


def content(item: object) -> object:
    """Return the message itself, whether it came by tell, in an ask's envelope or as a notice."""
    if type(item) is Envelope:
        return item.request
    return item.message if type(item) is Notice else item


@frozen
class MailboxStatistics:
    """Exact counts since the mailbox was made; the two equations of the module hold at every moment."""

    capacity: int
    offered: int = 0
    refused: int = 0
    handled: int = 0
    failed: int = 0
    dead: int = 0
    queued: int = 0
    in_hand: int = 0
    dropped: Mapping[str, int] = field(default=_NONE)

    @property
    def accepted(self) -> int:
        """Messages accepted, regardless of what happened to them later."""
        return self.offered - self.refused


class Mailbox(Protocol[M]):
    """What an actor's messages wait in; write your own to decide what an overload costs."""

    timed: ClassVar[bool]
    """Whether `now` is trio's clock (seconds); where False it is 0.0, so that no clock is read for nothing."""

    def put(self, message: M, now: float, /) -> Dropped[M] | None:
        """Offer a message; return a `Refused` of it, a `Dropped` of one that had waited, or None."""
        ...

    def has_room(self, message: M, /) -> bool:
        """Return True when a put of this message would accept it; a waiting send is admitted then."""
        ...

    def take(self, now: float, /) -> M | Empty:
        """Take the next message in hand, or return EMPTY."""
        ...

    def settle(self, message: M, now: float, /) -> None:
        """Count a message in hand as handled."""
        ...

    def interrupted(self, now: float, /) -> Iterable[Dropped[M]]:
        """The incarnation ended with messages in hand: keep, put back or give up each; return those given up."""
        ...

    def close(self, now: float, /) -> Iterable[M]:
        """Return what still waited, now counted as dead: the actor is gone for good, or its group starts again."""
        ...

    def statistics(self) -> MailboxStatistics:
        """Return the exact counts."""
        ...
