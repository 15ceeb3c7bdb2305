"""The service's end of a connection, where silence and the record of what was sent are."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define

from .faults import Faults, Silence


@define(eq=False)
class GatedStream(trio.abc.Stream):
    """A stream that lets nothing out while the service is silent, and tells when something went out.

    trio-websocket hands over whole frames, one `send_all` each, so what silence swallows leaves the framing intact.
    """

    inner: trio.abc.Stream
    faults: Faults
    sent: Callable[[], None] = lambda: None
    """Called before anything is sent."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or lose the data while the service is silent."""
        if self.faults.active(Silence) is not None:
            await trio.lowlevel.checkpoint()
            return
        self.sent()
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the inner stream does."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive from the inner stream."""
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self.inner.aclose()
