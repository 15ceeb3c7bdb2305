"""A limit for clients that are not known yet: the newest has the best claim."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import trio
from attrs import define, field


@define(eq=False)
class EvictingLimiter:
    """Bounds how many blocks run at a time: one too many ends the oldest.

    An honest client is through in milliseconds, so those that are ended are the ones that stall.
    """

    most: int
    _running: dict[trio.CancelScope, None] = field(factory=dict[trio.CancelScope, None], init=False, repr=False)

    @contextmanager
    def block(self) -> Generator[None]:
        """Run a block, which ends early when it is the oldest and there is one too many."""
        if len(self._running) >= self.most:
            oldest = next(iter(self._running))
            del self._running[oldest]
            oldest.cancel()
        with trio.CancelScope() as scope:
            self._running[scope] = None
            try:
                yield
            finally:
                self._running.pop(scope, None)
