"""The service's end of a connection: it implements silence, and reports each send."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define

from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.faults import Silence


@define(eq=False)
class GatedStream(WrappedStream):
    """A stream that discards sent data while the service is silent, and reports every other send.

    trio-websocket sends each frame with one `send_all`, so discarding a send keeps the framing intact.
    """

    faults: Faults
    sent: Callable[[], None] = lambda: None
    """Called before each send."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the data, or discard it while the service is silent."""
        if self.faults.active(Silence) is not None:
            await trio.lowlevel.checkpoint()
            return
        self.sent()
        await super().send_all(data)
