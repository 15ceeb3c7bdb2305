"""The root of a tree, as a block."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import get_ident
from types import TracebackType
from typing import Self

import trio

from ds_actors._child_link import SupervisorCell
from ds_actors._errors import ActorStopped
from ds_actors._exits import combine, unwrapped
from ds_actors._rules import AutoShutdown, Strategy
from ds_actors._specs import Children, SupervisorSpec
from ds_actors._supervisor_incarnation import SupervisorIncarnation, TreeParts
from ds_actors._supervisor_ref import SupervisorRef
from ds_actors._telemetry import Listener, Telemetry


class Supervisor(SupervisorRef):
    """The root of a tree, for an `async with` block: leaving it stops the children in order.

    Args:
        name: the first part of every path.
        strategy: which children are restarted when one is: "one_for_one" that one, "one_for_all" all of them,
            "rest_for_one" that one and those after it; "dynamic" is one_for_one for many of a kind (finished children
            are forgotten, and all stop together).
        children: specs started in order, each when the one before is ready.
        max_restarts: restarts allowed within `within` seconds, for children without their own backoff.
        within: seconds.
        max_children: most children at a time; None for any number.
        auto_shutdown: end the tree, in order and without an error, when a significant child ends by itself
            ("any_significant"), or when the last of them does ("all_significant").
        close_within: seconds that stopping may take in total; every grace below is cut to what is left of it.
        listeners: called with every telemetry event.
        random: draws the jitter, in [0, 1).

    Raises:
        StartFailed: from the block's start, when a child of the first batch did not become ready.
        RestartLimitReached: from the block's end, when the limit was reached, after cancelling the body. An error
            in the body comes out unwrapped; both together come out as a group.

    Example:
        ```python
        async with Supervisor("app", strategy="one_for_one") as app:
            counter = await app.start(Counter, name="counter", backoff=ExponentialBackoff())
            counter.tell(Add(2))
            total = await counter.ask(Total(), timeout=1)
        ```
    """

    __slots__ = ("_body", "_draw", "_opened", "_spec", "close_within", "telemetry")

    def __init__(
        self,
        name: str = "app",
        strategy: Strategy = "one_for_one",
        children: Children = (),
        *,
        max_restarts: int = 3,
        within: float = 5.0,
        max_children: int | None = None,
        auto_shutdown: AutoShutdown = "never",
        close_within: float = 10.0,
        listeners: tuple[Listener, ...] = (),
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(SupervisorCell(name, "/"))
        if not close_within >= 0:
            raise ValueError(f"close_within must be 0 or more seconds, not {close_within!r}")
        self._spec = SupervisorSpec(
            name,
            strategy,
            children,
            max_restarts,
            within,
            max_children,
            auto_shutdown=auto_shutdown,
            grace=close_within,
        )
        self.telemetry: Telemetry = Telemetry()
        for listener in listeners:
            self.telemetry.add(listener)
        self.close_within: float = close_within
        self._draw = random
        self._body = trio.CancelScope()
        self._opened: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("a Supervisor's block can be entered once; make a new one")
        if not trio.lowlevel.in_trio_run():
            raise RuntimeError(
                "a Supervisor needs trio: run the program with trio.run(main) (docs/guide/first-actor.md), or put the"
                " Supervisor into ds_actors.asyncio.SupervisorThread, beside an asyncio program (docs/guide/asyncio.md)"
            )
        self._opened = self._open()
        await self._opened.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._opened is not None
        return await self._opened.__aexit__(kind, error, traceback)

    @asynccontextmanager
    @trio.lowlevel.enable_ki_protection
    async def _open(self) -> AsyncGenerator[None]:
        self._cell.thread, self._cell.token = get_ident(), trio.lowlevel.current_trio_token()
        parts = TreeParts(self.telemetry, self._draw, SupervisorRef)
        incarnation = self._cell.incarnation = SupervisorIncarnation(self._spec, self._cell, parts)
        incarnation.on_end = self._body.cancel
        self.telemetry.escape = incarnation.escape
        errors: list[BaseException] = []
        try:
            async with incarnation.open():
                if incarnation.failure() is None:
                    try:
                        with self._body:
                            yield
                    except BaseException as error:  # noqa: BLE001 - raised again when the tree has stopped
                        errors.append(error)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(unwrapped(error))
        failure = incarnation.failure()
        if failure is not None:
            errors.append(failure)
        self._cell.end("stopped" if failure is None else "gave up", failure)
        final = combine(_telling(errors), "the block and its tree failed")
        if final is not None:
            raise final

    async def wait(self) -> None:
        """Wait until the tree has stopped by itself, which also ends the block's body."""
        incarnation = self._cell.incarnation or self._living()
        self._cell.check_run()
        await incarnation.halted.wait()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every telemetry event from now on; call the returned function to stop that."""
        return self.telemetry.add(listener)


def _telling(errors: list[BaseException]) -> list[BaseException]:
    """Leave out errors that add nothing: a cancellation beside an error, a second Ctrl-C, or what Ctrl-C led to."""
    telling = [error for error in errors if not isinstance(error, trio.Cancelled)] or errors
    exits = [error for error in telling if isinstance(error, (SystemExit, KeyboardInterrupt))]
    if exits:
        telling = [error for error in telling if not isinstance(error, ActorStopped)]
    repeated = all(isinstance(error, (trio.Cancelled, KeyboardInterrupt)) for error in telling)
    return telling[:1] if repeated else telling
