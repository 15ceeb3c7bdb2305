"""The host's own callback as a sink: awaited on the loop that called `start()`, in its context."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from attrs import define

from ds_actors.detection import ResultEvent

from ._bridge import LoopBridge

Callback = Callable[[ResultEvent], Awaitable[object] | object]


@define(eq=False)
class LoopCallbackSink:
    """Calls a function with each event on the loop, and awaits what it returns where that can be awaited."""

    bridge: LoopBridge
    callback: Callback
    name: str = "callback"

    async def deliver(self, event: ResultEvent, /) -> None:
        """In trio: call it; cancelled after 30 s by the actor around this."""
        await self.bridge.call(self._invoke, event)

    async def _invoke(self, event: ResultEvent) -> None:
        result = self.callback(event)
        if inspect.isawaitable(result):
            await result
