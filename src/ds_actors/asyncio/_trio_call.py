"""One async function in trio, seen from an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from ds_actors.asyncio._loop_bridge import LoopBridge

T = TypeVar("T")


class TreeEnded(Exception):
    """The tree has ended, or ended before the call did."""


class TrioCall(Generic[T]):
    """Made on the loop; `begin` and `cancel` run in trio."""

    def __init__(self, bridge: LoopBridge, function: Callable[[], Awaitable[T]]) -> None:
        self.ended: asyncio.Future[None] = bridge.loop.create_future()
        """Done when the function has ended, or will never begin."""
        self._bridge = bridge
        self._function = function
        self._scope = trio.CancelScope()
        self._results: list[T] = []
        self._error: Exception | None = None

    def begin(self, nursery: trio.Nursery | None) -> None:
        """Run the function in the nursery; without one, end at once."""
        if nursery is None:
            self._end()
        else:
            nursery.start_soon(self._run)

    def cancel(self) -> None:
        """Cancel the function."""
        self._scope.cancel()

    def result(self) -> T:
        """Return what the function returned, or raise what it raised, once it has ended.

        Raises:
            TreeEnded: when it was not left to end.
        """
        if self._error is not None:
            raise self._error
        if not self._results:
            raise TreeEnded("the tree of actors ended before the call did")
        return self._results[0]

    async def _run(self) -> None:
        try:
            with self._scope:
                self._results.append(await self._function())
        except Exception as error:  # noqa: BLE001 - raised again on the loop
            self._error = error
        finally:
            self._end()

    def _end(self) -> None:
        self._bridge.post(self._settle)

    def _settle(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
