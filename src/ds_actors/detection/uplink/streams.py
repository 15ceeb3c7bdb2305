"""A wrapper around a stream, for subclasses that change one method."""

from __future__ import annotations

import trio
from attrs import define


@define(eq=False)
class WrappedStream(trio.abc.Stream):
    """Delegates everything to `inner`; a subclass overrides what it changes."""

    inner: trio.abc.Stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes."""
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a send might not block."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes; b"" at the end."""
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close it."""
        await self.inner.aclose()
