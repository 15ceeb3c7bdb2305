"""The user's callback as a sink: awaited on the loop that called `start()`, in its context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import CallbackSink, ResultEvent

Callback = Callable[[ResultEvent], Awaitable[object] | object]


@define(eq=False)
class LoopCallbackSink:
    """Calls a function with each event on the loop, and awaits its result if it is awaitable."""

    bridge: LoopBridge
    callback: Callback
    name: str = "callback"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: call the function; the sink's actor cancels the call after 30 s."""
        await self.bridge.call(CallbackSink(self.callback).deliver, event)
