"""Who is let in: the key, a place for the connection, and the bound on those who have not asked yet."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Final

import trio
from attrs import define, field
from trio_websocket import WebSocketRequest

from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.wire import SAMPLES_PER_TRACK
from ds_actors.serving._client import MAX_MESSAGE, Client, ClientLimits
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._evicting_limiter import EvictingLimiter
from ds_actors.serving._frame_limit import FrameLimitedStream
from ds_actors.serving._heard_stream import HeardStream
from ds_actors.serving._upgrade import UPGRADE_TIMEOUT, bearer_key, is_accepted, receive_upgrade

READ_AHEAD: Final = 2
"""Messages that are read before they are taken: what a client can make the service hold, beside the queue."""
MOST_ASKING: Final = 256
"""Clients that have not sent their whole request yet, or not received its answer."""
_RETRY_AFTER: Final = 10


@define(eq=False)
class Reception:
    """What the connections of a service share."""

    dispatcher: Dispatcher
    keys: Collection[str] | None = field(repr=False)
    """The keys that are accepted; None accepts any."""
    limits: ClientLimits
    observe: Callable[[str, str, WebSocketRequest], Callable[[Sample], object]] | None = None
    """Called with each request's address and key; returns what is called with its samples."""
    _asking: EvictingLimiter = field(factory=lambda: EvictingLimiter(MOST_ASKING), init=False)

    async def serve(self, stream: trio.abc.Stream, address: str, tls: ssl.SSLContext | None = None) -> None:
        """Serve one client until it or the service ends the connection."""
        heard = HeardStream(stream)
        secured: trio.abc.Stream = heard
        if tls is not None:
            secured = trio.SSLStream(heard, tls, server_side=True, https_compatible=True)
        async with trio.open_nursery() as nursery:
            with ExitStack() as place:
                client = await self._admit(nursery, FrameLimitedStream(secured), heard, address, place)
                if client is not None:
                    await client.run()
            nursery.cancel_scope.cancel()

    async def _admit(
        self, nursery: trio.Nursery, stream: trio.abc.Stream, heard: HeardStream, address: str, place: ExitStack
    ) -> Client | None:
        """Return the accepted client, whose place is held by the stack; None when it was refused, or did not ask."""
        with self._asking.block():
            request = await receive_upgrade(nursery, stream, MAX_MESSAGE, messages=READ_AHEAD)
            if request is None:
                return None
            key = bearer_key(request)
            noted = None if self.observe is None else self.observe(address, key, request)
            with trio.move_on_after(UPGRADE_TIMEOUT):
                if not is_accepted(key, self.keys):
                    await self._refuse(request, 401)
                # The place is taken before anything is awaited, or as many as come at once would all find it free.
                elif not place.enter_context(self.dispatcher.place(self.limits.connections)):
                    await self._refuse(request, 503)
                else:
                    websocket = await request.accept(extra_headers=[(SAMPLES_PER_TRACK, b"1")])
                    return Client(self.dispatcher, self.limits, websocket, heard, noted)
        return None

    async def _refuse(self, request: WebSocketRequest, status: int) -> None:
        self.dispatcher.refused[str(status)] += 1
        headers = [(b"Retry-After", b"%d" % _RETRY_AFTER)] if status == 503 else []
        await request.reject(status, extra_headers=headers, body=b"refused\n")
