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

    __slots__ = ("_act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def cancel(self) -> None:
        """Do not fire; the timer stays in the queue, empty, until its time."""
        self._act = None

    def fire(self) -> None:
        """Act, once."""
        act, self._act = self._act, None
        if act is not None:
            act()


class Timers:
    """The timers of one nursery, on trio's clock; the task starts with the first timer."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._numbers = count()  # so that timers that are due at the same time fire in the order they were set
        self._queue: list[tuple[float, int, Timer]] = []
        self._scope: trio.CancelScope | None = None
        self._closed = False

    def set(self, at: float, act: Callable[[], None]) -> Timer:
        """Call `act`, which must neither wait nor raise, at that time (seconds)."""
        timer = Timer(act)
        heapq.heappush(self._queue, (at, next(self._numbers), timer))
        if self._scope is None:
            self._scope = trio.CancelScope(shield=True, deadline=at)
            self._nursery.start_soon(self._run, self._scope)
        elif at < self._scope.deadline:
            self._scope.deadline = at
        return timer

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
                heapq.heappop(self._queue)[2].fire()
            if self._closed:
                return
            deadline = self._queue[0][0] if self._queue else math.inf
            scope = self._scope = trio.CancelScope(shield=True, deadline=deadline)
