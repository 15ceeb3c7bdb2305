"""Where the reply to an ask from an asyncio loop arrives: no task of trio waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

from ds_actors._slot import Slot
from ds_actors.asyncio._loop_bridge import LoopBridge


class LoopSlot(Slot):
    """Made on the loop; ended and closed in trio."""

    __slots__ = ("_bridge", "arrived")

    def __init__(self, bridge: LoopBridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.arrived: asyncio.Future[None] = bridge.loop.create_future()

    def end(self, value: Any = None, error: Exception | None = None) -> None:
        """Deliver the ending, unless one was delivered before, or the asker waits no longer."""
        if not self.closed:
            super().end(value, error)
            self._bridge.post(self._arrive)

    def close(self) -> None:
        """Drop every later ending."""
        self.closed = True

    def _arrive(self) -> None:
        if not self.arrived.done():
            self.arrived.set_result(None)
