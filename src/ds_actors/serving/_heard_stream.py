"""A stream that remembers when its peer last sent anything."""

from __future__ import annotations

import trio
from attrs import define, field


@define(eq=False)
class HeardStream(trio.abc.Stream):
    """Passes everything on. Bytes of an unfinished message count: a peer that is still sending them is alive."""

    stream: trio.abc.Stream
    heard: float = field(factory=trio.current_time, init=False)
    """When bytes last arrived, in seconds of trio's clock."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and remember when."""
        data = await self.stream.receive_some(max_bytes)
        self.heard = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close."""
        await self.stream.aclose()
