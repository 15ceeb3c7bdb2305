"""OpenTelemetry for messages, by a mailbox: the sender's context reaches `receive`, and a span per message on request.

It needs opentelemetry-api, which the extra `opentelemetry` brings. An actor without such a mailbox pays nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, Generic, TypeVar

import trio
from attrs import define, field
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ds_actors._mailbox import EMPTY, Dropped, Empty, Mailbox, MailboxStatistics, Refused, content
from ds_actors._queue_mailboxes import Reject
from ds_actors._version import __version__

M = TypeVar("M")

_SYSTEM: Final = "ds_actors"

__all__ = ["TracedMailbox", "traced"]


def traced(
    mailbox: Callable[[], Mailbox[Any]] = Reject, *, spans: bool = False, tracer: Tracer | None = None
) -> Callable[[], TracedMailbox[Any]]:
    """Return what makes a mailbox whose messages bring the context of their senders: `mailbox=traced()`.

    Args:
        mailbox: makes the mailbox that decides everything else.
        spans: whether each message is handled in a span of its own, a child of its sender's.
        tracer: of those spans; None for the global provider's.
    """
    return lambda: TracedMailbox(mailbox(), tracer or trace.get_tracer("ds_actors", __version__) if spans else None)


@define(eq=False)
class _InHand:
    item: Any
    brought: Context
    span: Span | None


@define(eq=False)
class TracedMailbox(Generic[M]):
    """A mailbox whose messages bring the context of their senders, around one that decides everything else.

    A span has the attributes of OpenTelemetry's semantic conventions for messaging, and the type of the message, never
    its contents. It is an error when the incarnation ended before the message was settled.
    """

    timed: ClassVar[bool] = True
    inner: Mailbox[M]
    tracer: Tracer | None = None
    """None for no spans."""
    _brought: dict[int, deque[Context]] = field(factory=dict[int, "deque[Context]"], init=False, repr=False)
    """Of the messages that wait, by identity: one may wait more than once."""
    _hands: list[_InHand] = field(factory=list[_InHand], init=False, repr=False)
    _own: Context | None = field(default=None, init=False, repr=False)
    """The context of the actor's task, while a message is in hand."""

    def put(self, message: M, now: float, /) -> Dropped[M] | None:
        """Offer a message, with the current context."""
        cost = self.inner.put(message, now)
        if isinstance(cost, Refused):
            return cost
        if cost is not None:
            self._forget(cost.what)
        self._brought.setdefault(id(message), deque()).append(context.get_current())
        return cost

    def has_room(self, message: M, /) -> bool:
        """Return whether a put would be accepted."""
        return self.inner.has_room(message)

    def take(self, now: float, /) -> M | Empty:
        """Take the next message in hand, and make its context the task's."""
        message = self.inner.take(now)
        if message is EMPTY:
            return message
        if not self._hands:
            self._own = context.get_current()
        brought = self._forget(message) or Context()
        span = None if self.tracer is None else self._begin(self.tracer, message, brought)
        self._hands.append(_InHand(message, brought, span))
        context.attach(brought if span is None else trace.set_span_in_context(span, brought))
        return message

    def settle(self, message: M, now: float, /) -> None:
        """Count a message in hand as handled, and end its span."""
        self.inner.settle(message, now)
        for index, hand in enumerate(self._hands):
            if hand.item is message:
                del self._hands[index]
                if hand.span is not None:
                    hand.span.end()
                break
        self._end_contexts()

    def interrupted(self, now: float, /) -> Iterable[Dropped[M]]:
        """End the contexts of the messages in hand, and their spans as errors; those put back keep their contexts.

        The next incarnation's task begins with the context that this one has then.
        """
        dropped = tuple(self.inner.interrupted(now))
        lost = {id(loss.what) for loss in dropped}
        hands, self._hands = self._hands, []
        for hand in reversed(hands):
            if hand.span is not None:
                hand.span.set_status(Status(StatusCode.ERROR, "the actor ended before the message was settled"))
                hand.span.end()
            if id(hand.item) not in lost:
                self._brought.setdefault(id(hand.item), deque()).appendleft(hand.brought)
        self._end_contexts()
        return dropped

    def close(self, now: float, /) -> Iterable[M]:
        """Return what still waited."""
        self._brought.clear()
        return self.inner.close(now)

    def statistics(self) -> MailboxStatistics:
        """Return the exact counts."""
        return self.inner.statistics()

    def ready_at(self, now: float, /) -> float | None:
        """Return when a message may be taken without another put, where the mailbox says so."""
        ready_at: Callable[[float], float | None] | None = getattr(self.inner, "ready_at", None)
        return None if ready_at is None else ready_at(now)

    def _end_contexts(self) -> None:
        if not self._hands and self._own is not None:
            context.attach(self._own)
            self._own = None

    def _forget(self, item: object) -> Context | None:
        waiting = self._brought.get(id(item))
        if waiting is None:
            return None
        brought = waiting.popleft()
        if not waiting:
            del self._brought[id(item)]
        return brought

    def _begin(self, tracer: Tracer, message: object, brought: Context) -> Span:
        # An actor's task has the name of its path.
        path = trio.lowlevel.current_task().name
        return tracer.start_span(
            f"process {path}",
            brought,
            SpanKind.CONSUMER,
            {
                "messaging.system": _SYSTEM,
                "messaging.operation.name": "receive",
                "messaging.operation.type": "process",
                "messaging.destination.name": path,
                "ds_actors.message.type": type(content(message)).__name__,
            },
        )
