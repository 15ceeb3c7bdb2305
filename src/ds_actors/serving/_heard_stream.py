"""A stream that remembers when its peer last sent anything."""

from __future__ import annotations

import trio
from attrs import define, field

from ds_actors.detection.uplink.streams import WrappedStream


@define(eq=False)
class HeardStream(WrappedStream):
    """Bytes of an unfinished message count, too: a peer that is still sending them is alive."""

    heard: float = field(factory=trio.current_time, init=False)
    """When bytes last arrived, in seconds of trio's clock."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and remember when."""
        data = await super().receive_some(max_bytes)
        self.heard = trio.current_time()
        return data
