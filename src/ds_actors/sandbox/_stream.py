"""The service's end of a connection, where silence and the record of what was sent are."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define

from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.faults import Silence


@define(eq=False)
class GatedStream(WrappedStream):
    """A stream that lets nothing out while the service is silent, and tells when something went out.

    trio-websocket hands over whole frames, one `send_all` each, so what silence swallows leaves the framing intact.
    """

    faults: Faults
    sent: Callable[[], None] = lambda: None
    """Called before anything is sent."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or lose the data while the service is silent."""
        if self.faults.active(Silence) is not None:
            await trio.lowlevel.checkpoint()
            return
        self.sent()
        await super().send_all(data)
