"""Timers: what a supervisor does at a later time, all in one task.

A task per timer would make an ordered stop cost as much as the start of another actor.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import trio


class Timer:
    """An action at a given time, unless it is cancelled before."""

    __slots__ = ("_act", "_cancelled")

    def __init__(self, act: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act
        self._cancelled = cancelled

    @property
    def live(self) -> bool:
        """Whether the timer will fire."""
        return self._act is not None

    def cancel(self) -> None:
        """Do not fire."""
        if self._act is not None:
            self._act = None
            self._cancelled()

    def fire(self) -> None:
        """Act, once."""
        act, self._act = self._act, None
        assert act is not None
        act()


_CANCELLED_KEPT = 64


class Timers:
    """The timers of one nursery, on trio's clock; the task starts with the first timer."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._numbers = count()  # so that timers that are due at the same time fire in the order they were set
        self._queue: list[tuple[float, int, Timer]] = []
        self._scope: trio.CancelScope | None = None
        self._closed = False
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._queue)

    def set(self, at: float, act: Callable[[], None]) -> Timer:
        """Call `act`, which must neither wait nor raise, at that time (seconds)."""
        timer = Timer(act, self._count_cancelled)
        heapq.heappush(self._queue, (at, next(self._numbers), timer))
        if self._scope is None:
            self._scope = trio.CancelScope(shield=True, deadline=at)
            self._nursery.start_soon(self._run, self._scope)
        elif at < self._scope.deadline:
            self._scope.deadline = at
        return timer

    def _count_cancelled(self) -> None:
        # Taking a timer out of the heap costs as much as looking at all of it, so that is done for many together.
        self._cancelled += 1
        if self._cancelled > _CANCELLED_KEPT and 2 * self._cancelled > len(self._queue):
            self._queue = [entry for entry in self._queue if entry[2].live]
            heapq.heapify(self._queue)
            self._cancelled = 0

    def close(self) -> None:
        """Fire nothing more, and end the task."""
        self._closed = True
        if self._scope is not None:
            self._scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def _run(self, scope: trio.CancelScope) -> None:
        while True:
            with scope:
                await trio.sleep_forever()
            now = trio.current_time()
            while not self._closed and self._queue and self._queue[0][0] <= now:
                timer = heapq.heappop(self._queue)[2]
                if timer.live:
                    timer.fire()
                else:
                    self._cancelled = max(0, self._cancelled - 1)
            if self._closed:
                return
            deadline = self._queue[0][0] if self._queue else math.inf
            scope = self._scope = trio.CancelScope(shield=True, deadline=deadline)
