"""The one ending of an ask, or of a send that waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio


class Slot:
    """Where the one ending of an ask arrives; later endings are dropped."""

    __slots__ = ("_error", "_task", "_value", "closed", "ended")

    def __init__(self) -> None:
        self._value: Any = None
        self._error: Exception | None = None
        self._task: trio.lowlevel.Task | None = None
        self.ended: bool = False
        """An ending arrived."""
        self.closed: bool = False
        """An ending arrived, or its asker no longer waits."""

    def end(self, value: Any = None, error: Exception | None = None) -> None:
        """Deliver the ending, unless one was delivered before."""
        if self.closed:
            return
        self._value = value
        self._error = error
        self.closed = self.ended = True  # last: an asker in another thread reads it first
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def wait_ended(self, abandoned: Callable[[], object] | None = None) -> Awaitable[object]:
        """Wait for the ending; call `abandoned` in the moment in which the wait is cancelled."""
        # Returned, not awaited: each frame below a waiting task costs all that it waits for.
        if self.ended:
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105
        self._task = trio.lowlevel.current_task()
        abort = self._forget if abandoned is None else partial(self._abandon, abandoned)
        return trio.lowlevel.wait_task_rescheduled(abort)  # noqa: ASYNC105

    async def wait(self, abandoned: Callable[[], object] | None = None) -> Any:
        """Return or raise the ending; call `abandoned` in the moment in which the wait is cancelled."""
        await self.wait_ended(abandoned)
        return self.take()

    def _forget(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _abandon(self, abandoned: Callable[[], object], _: object) -> trio.lowlevel.Abort:
        abandoned()
        return self._forget(_)

    def take(self) -> Any:
        """Return or raise the ending that arrived."""
        if self._error is not None:
            raise self._error
        return self._value
