"""The slot of an ask from the loop, which two threads use."""

from __future__ import annotations

import asyncio
from typing import Any

from ds_actors.asyncio._loop_bridge import LoopBridge
from ds_actors.asyncio._loop_slot import LoopSlot


def test_a_reply_is_there_before_the_slot_says_so() -> None:
    """An ask that times out in that moment looks into the slot while trio fills it."""
    seen: list[tuple[Any, bool]] = []

    class Watched(LoopSlot):
        @property
        def _value(self) -> Any:
            return None

        @_value.setter
        def _value(self, value: Any) -> None:
            seen.append((value, getattr(self, "ended", False)))

    async def main() -> None:
        Watched(LoopBridge()).end(5)

    asyncio.run(main())
    assert seen == [(None, False), (5, False)]
