"""The host's own callback as a sink: awaited on the loop that called `start()`, in its context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define
from livekit.plugins.dataspike._bridge import LoopBridge

from ds_actors.detection import CallbackSink, ResultEvent

Callback = Callable[[ResultEvent], Awaitable[object] | object]


@define(eq=False)
class LoopCallbackSink:
    """Calls a function with each event on the loop, and awaits what it returns where that can be awaited."""

    bridge: LoopBridge
    callback: Callback
    name: str = "callback"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: call it; cancelled after 30 s by the actor around this."""
        await self.bridge.call(CallbackSink(self.callback).deliver, event)
