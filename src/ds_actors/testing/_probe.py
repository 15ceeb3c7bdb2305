"""A probe: a real mailbox behind a real ref, and a test instead of an actor."""

from __future__ import annotations

from threading import get_ident
from typing import Any, Generic, TypeVar, cast

import trio

from ds_actors._cell import Cell
from ds_actors._lifetime import Down
from ds_actors._mailbox import EMPTY, Envelope, Reject, content
from ds_actors._ref import ActorRef, Answer
from ds_actors._telemetry import Telemetry

M = TypeVar("M")
T = TypeVar("T")


class Probe(Generic[M]):
    """Stands where an actor would: hand out its `ref`, then await what arrives, in order.

    Args:
        name: its name and path, for messages.

    Raises:
        RuntimeError: when made outside of trio.
    """

    def __init__(self, name: str = "probe") -> None:
        self._cell = Cell(name, name, Reject[M](), Telemetry(), get_ident())
        self.ref: ActorRef[M] = ActorRef(self._cell)
        """What to give to the code under test."""
        self.received: list[M] = []
        """Every message taken so far, in order."""
        self._asked: Envelope | None = None

    async def receive(self, *, timeout: float = 1.0) -> M:
        """Return the next message, waiting `timeout` seconds at most.

        Raises:
            AssertionError: when none came in time; it says what had come before.
        """
        with trio.move_on_after(timeout):
            while True:
                item = self._cell.take()
                if item is not EMPTY:
                    return self._note(item)
                await self._cell.wait_for_message()
        raise AssertionError(f"no message within {timeout:g} s; before that came {self.received!r}")

    async def expect(self, kind: type[T], /, *, timeout: float = 1.0) -> T:
        """Return the next message, which must be of that type.

        Raises:
            AssertionError: when none came within `timeout` seconds, or another.
        """
        message = await self.receive(timeout=timeout)
        if not isinstance(message, kind):
            raise AssertionError(f"expected {kind.__name__}, got {message!r}")  # noqa: TRY004 - a test failed
        return message

    async def expect_nothing(self, *, seconds: float = 0.1) -> None:
        """Let that many seconds pass without a message.

        Raises:
            AssertionError: when one came.
        """
        await trio.sleep(seconds)
        item = self._cell.take()
        if item is not EMPTY:
            raise AssertionError(f"expected no message, got {self._note(item)!r}")

    def answer(self, answer: Answer, /) -> None:
        """Answer the request that was received last: `probe.answer(request.answer(7))`.

        Raises:
            AssertionError: when the last message was told and not asked, or is answered already.
        """
        if self._asked is None:
            raise AssertionError("the last message waits for no answer: it was told, not asked, or is answered")
        asked, self._asked = self._asked, None
        asked.slot.end(answer.value)

    def stop(self) -> None:
        """Be gone for good, as a stopped actor is: asks end with ActorStopped, watchers are told."""
        self._cell.end(Down(self._cell.path, "finished"))

    def _note(self, item: Any) -> M:
        message = cast("M", content(item))
        self._asked = item if isinstance(item, Envelope) else None
        self.received.append(message)
        self._cell.settle(item)
        return message
