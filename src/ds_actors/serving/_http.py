"""Liveness, readiness and metrics over plain HTTP, for orchestrators and Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import h11
import trio
from attrs import define, field

from ds_actors import Actor
from ds_actors.detectors.findings import described
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._evicting_limiter import EvictingLimiter
from ds_actors.serving._upgrade import take_or_listen

_WITHIN: Final = 10.0
_MOST_AT_ONCE: Final = 32
_TEXT: Final = "text/plain; charset=utf-8"

Metrics = Callable[[], bytes]


@define(eq=False)
class StatusServer(Actor[object]):
    """Answers GET /livez, /readyz and /metrics, one request for each connection."""

    dispatcher: Dispatcher
    host: str
    port: int
    metrics: Metrics | None
    first: list[trio.socket.SocketType] = field(repr=False)
    _open: EvictingLimiter = field(factory=lambda: EvictingLimiter(_MOST_AT_ONCE), init=False)

    async def run(self) -> None:
        """Serve until a stop is requested."""
        socket = await take_or_listen(self.first, self.host, self.port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, self._serve, [trio.SocketListener(socket)]))
            await self.context.wait_stop_requested()
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            with self._open.block(), trio.move_on_after(_WITHIN):
                await self._answer(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # a client's end is no problem of the service

    async def _answer(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(4_096))
        if not isinstance(event, h11.Request):
            return
        status, kind, body = self._page(event.method, event.target.partition(b"?")[0])
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
        parts = [h11.Response(status_code=status, headers=headers)]
        data = b"".join(connection.send(part) or b"" for part in parts)
        await stream.send_all(data + (b"" if event.method == b"HEAD" else body))
        await stream.send_eof()

    def _page(self, method: bytes, path: bytes) -> tuple[int, str, bytes]:
        if method not in (b"GET", b"HEAD"):
            return 405, _TEXT, b"GET or HEAD\n"
        if path == b"/livez":
            return 200, _TEXT, b"live\n"
        if path == b"/readyz":
            state = self.dispatcher.state
            return 200 if state == "ready" else 503, _TEXT, f"{state}\n".encode()
        if path == b"/metrics" and self.metrics is not None:
            return self._metrics(self.metrics)
        return 404, _TEXT, b"/livez, /readyz or /metrics\n"

    def _metrics(self, metrics: Metrics) -> tuple[int, str, bytes]:
        try:
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics()
        except Exception as error:  # noqa: BLE001 - any collector of a user; the other pages must stay
            self.dispatcher.warn("metrics", f"the metrics could not be collected: {described(error)}")
            return 500, _TEXT, b"the metrics could not be collected; the log says why\n"
