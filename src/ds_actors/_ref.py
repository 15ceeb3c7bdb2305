"""References to actors, and requests that know their reply's type."""

from __future__ import annotations

from threading import get_ident
from typing import Generic, Protocol, Self, TypeVar, final

import trio

from ds_actors._cell import Cell
from ds_actors._errors import ActorStopped, AskTimeout
from ds_actors._lifetime import Lifetime
from ds_actors._mailbox import Envelope, MailboxStatistics
from ds_actors._slot import Slot

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
M_co = TypeVar("M_co", covariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@final
class Answer:
    """What `receive` returns to answer the request in hand; made by `Request.answer`."""

    __slots__ = ("request", "value")

    def __init__(self, request: object, value: object) -> None:
        self.request: object = request
        self.value: object = value


class Request(Generic[R]):
    """A message that has a reply of type R: `class Total(Request[int])`; plain, attrs and dataclass classes work."""

    __slots__ = ()

    def answer(self, value: R, /) -> Answer:
        """Return the answer for `receive` to return; where the request was told, not asked, it has no effect."""
        return Answer(self, value)

    def _asks(self) -> tuple[Self, R]:
        # Only for type checkers: it binds the request's type to its reply's.
        raise NotImplementedError  # pragma: no cover


class Asks(Protocol[M_co, R_co]):
    """A request, and the type of its reply; for type checkers."""

    def _asks(self) -> tuple[M_co, R_co]: ...


@final
class ActorRef(Generic[M_contra]):
    """A stable, typed reference to an actor: it survives restarts, and belongs to trio's thread."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __repr__(self) -> str:
        return f"<ActorRef {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    @property
    def name(self) -> str:
        """The name among its siblings."""
        return self._cell.name

    @property
    def path(self) -> str:
        """The names from the root, joined by slashes; slashes and control characters in names are escaped."""
        return self._cell.path

    @property
    def stopped(self) -> bool:
        """True once the actor is gone for good."""
        return self._cell.gone

    def statistics(self) -> MailboxStatistics:
        """Return the mailbox's exact counts."""
        return self._cell.mailbox.statistics()

    @trio.lowlevel.enable_ki_protection
    def tell(self, message: M_contra, /) -> bool:
        """Put a message into the mailbox and return whether it was accepted; never waits.

        The receiver cannot make this raise, whatever state it is in.

        Raises:
            RuntimeError: when called from another thread than trio's.
        """
        cell = self._cell
        if get_ident() != cell.thread:
            cell.check_thread()
        queue = cell.fast  # invariants 1 to 4 of _cell make the append below a put
        if queue is None or len(queue) >= cell.limit:
            return cell.put(message)
        queue.append(message)
        if cell.receiver is not None:
            cell.wake_receiver()
        return True

    def tell_from_thread(self, message: M_contra, /) -> None:
        """Tell from any thread. The caller does not learn whether the message was accepted.

        Raises:
            trio.RunFinishedError: when the trio run is over.
        """
        assert self._cell.token is not None
        self._cell.token.run_sync_soon(self._cell.put_from_thread, message)

    async def send(self, message: M_contra, /) -> None:
        """Wait until the mailbox has room, in the order of arrival, and put the message in.

        Raises:
            ActorStopped: when the actor is gone, or goes while this waits.
            SendDropped: when the mailbox refuses the message in spite of its turn.
            RuntimeError: when an actor sends to itself, which would wait forever (`tell` does not wait), or when called
                from another thread or trio run.
        """
        self._cell.check_run()
        self._refuse_self("send to", "tell")
        await self._cell.send(message)

    async def ask(self, request: Asks[M_contra, R], /, *, timeout: float) -> R:
        """Put a request into the mailbox and return its reply, waiting `timeout` seconds at most.

        Raises:
            AskFailed: the receiver crashed on this request (`__cause__`), or forgot to answer it.
            AskDropped: the mailbox refused or dropped it (`reason`).
            AskTimeout: no reply in time; a later one has no effect.
            ActorStopped: the receiver is gone, or went with the request still waiting.
            RuntimeError: when an actor asks itself, which would wait forever, or when called from another thread or
                trio run.
        """
        cell = self._cell
        cell.check_run()
        if cell.task is not None and cell.task is trio.lowlevel.current_task():
            self._refuse_self("ask", "a method call")
        slot = Slot()
        cell.put(Envelope(request, slot))
        try:
            # For a timeout that makes no sense, the other way has trio's complaint.
            with trio.CancelScope(relative_deadline=timeout) if timeout >= 0 else trio.move_on_after(timeout):
                await slot.wait_ended()
                return slot.take()  # type: ignore[no-any-return]
            if slot.ended:
                return slot.take()  # type: ignore[no-any-return]
        finally:
            slot.closed = True
        raise AskTimeout(f"{self.path} did not answer {type(request).__name__} within {timeout:g} s")

    async def wait_stopped(self) -> None:
        """Wait until the actor is gone for good; restarts do not count.

        Raises:
            RuntimeError: when an actor waits for its own end, which would never come.
        """
        self._cell.check_run()
        self._refuse_self("wait for the end of", "self.context.stop()")
        await self._cell.wait_down()

    def _refuse_self(self, verb: str, instead: str) -> None:
        if self._cell.task is not None and self._cell.task is trio.lowlevel.current_task():
            raise RuntimeError(f"{self.path} must not {verb} itself: it would wait forever; use {instead}")


__all__ = ["ActorRef", "ActorStopped", "Answer", "Request"]


class _Ref(Protocol):
    @property
    def _cell(self) -> Lifetime: ...


def lifetime_of(ref: _Ref) -> Lifetime:
    """Return what stays of the referenced actor or supervisor, for the library's own modules."""
    return ref._cell  # noqa: SLF001 - the library's own modules share what users must not touch
