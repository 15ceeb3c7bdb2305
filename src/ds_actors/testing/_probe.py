"""A probe: a real mailbox behind a real reference, with a test in place of the actor."""

from __future__ import annotations

from threading import get_ident
from typing import Any, Generic, TypeVar, cast

import trio

from ds_actors._cell import Cell
from ds_actors._mailbox import EMPTY, Envelope, content
from ds_actors._queue_mailboxes import Reject
from ds_actors._ref import ActorRef, Answer
from ds_actors._telemetry import Telemetry

M = TypeVar("M")
T = TypeVar("T")


class Probe(Generic[M]):
    """Takes the place of an actor: hand out its `ref`, then await its messages in order.

    Args:
        name: its name and path in errors.

    Raises:
        RuntimeError: when created outside of trio.
    """

    def __init__(self, name: str = "probe") -> None:
        self._cell = Cell(name, "", Reject[M](), Telemetry(), get_ident())
        self.ref: ActorRef[M] = ActorRef(self._cell)
        """The reference for the code under test."""
        self.received: list[M] = []
        """All messages received so far, in order."""
        self._asked: Envelope | None = None

    async def receive(self, *, timeout: float = 1.0) -> M:
        """Return the next message, waiting `timeout` seconds at most.

        Raises:
            AssertionError: when none arrived in time; the message lists the earlier ones.
        """
        with trio.move_on_after(timeout):
            while True:
                item = self._cell.take()
                if item is not EMPTY:
                    return self._note(item)
                await self._cell.wait_for_message()
        raise AssertionError(f"no message within {timeout:g} s; before that came {self.received!r}")

    async def expect(self, kind: type[T], /, *, timeout: float = 1.0) -> T:
        """Return the next message, and check its type.

        Raises:
            AssertionError: when none arrived within `timeout` seconds, or one of another type.
        """
        message = await self.receive(timeout=timeout)
        if not isinstance(message, kind):
            raise AssertionError(f"expected {kind.__name__}, got {message!r}")  # noqa: TRY004 - a test failed
        return message

    async def expect_nothing(self, *, seconds: float = 0.1) -> None:
        """Check that no message arrives for that many seconds.

        Raises:
            AssertionError: when one arrived.
        """
        await trio.sleep(seconds)
        item = self._cell.take()
        if item is not EMPTY:
            raise AssertionError(f"expected no message, got {self._note(item)!r}")

    def answer(self, answer: Answer, /) -> None:
        """Answer the request that was received last: `probe.answer(request.answer(7))`.

        Raises:
            AssertionError: when the last message was sent by `tell`, or is already answered.
        """
        if self._asked is None:
            raise AssertionError("the last message expects no answer: it was sent by tell, or is already answered")
        asked, self._asked = self._asked, None
        asked.slot.end(answer.value)

    def stop(self) -> None:
        """Stop for good, like an actor: asks end with ActorStopped, and watchers are notified."""
        self._cell.end("finished")

    def _note(self, item: Any) -> M:
        message = cast("M", content(item))
        self._asked = item if isinstance(item, Envelope) else None
        self.received.append(message)
        self._cell.settle(item)
        return message
