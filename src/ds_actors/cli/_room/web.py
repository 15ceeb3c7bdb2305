"""A small HTTP/1.1 server on h11: one request per connection, everything bounded."""

from __future__ import annotations

import http
from collections.abc import Callable, Mapping
from typing import Final

import h11
import trio
from attrs import define, field

from ds_actors.cli._room.site import MOST_BODY, WebRequest, WebResponse

ANSWER_WITHIN: Final = 30.0
"""Seconds that a connection may last."""
MOST_CONNECTIONS: Final = 64
_MOST_HEAD: Final = 16_384


class _TooLarge(Exception):
    """A body over the limit."""


@define(eq=False)
class WebServer:
    """Serves what `respond` returns, with the same headers on every response."""

    respond: Callable[[WebRequest], WebResponse]
    headers: Mapping[str, str]
    _free: trio.Semaphore = field(factory=lambda: trio.Semaphore(MOST_CONNECTIONS))

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Answer one request and close; end quietly when the client goes away or takes too long."""
        async with stream:
            try:
                self._free.acquire_nowait()
            except trio.WouldBlock:
                return
            try:
                with trio.move_on_after(ANSWER_WITHIN):
                    await self._answer(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                self._free.release()

    async def _answer(self, stream: trio.abc.HalfCloseableStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)
        head = False
        try:
            request = await _read(connection, stream)
            if request is None:
                return
            head = request.method == "HEAD"
            response = self.respond(request)
        except h11.RemoteProtocolError as error:
            response = _plain(error.error_status_hint)
        except _TooLarge:
            response = _plain(413)
        if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        fields = {
            **self.headers,
            "Content-Type": response.kind,
            "Content-Length": str(len(response.body)),
            "Connection": "close",
        }
        if head:
            del fields["Content-Length"]
        for event in (
            h11.Response(
                status_code=response.status,
                headers=list(fields.items()),
                reason=http.HTTPStatus(response.status).phrase.encode(),
            ),
            h11.Data(data=response.body),
            h11.EndOfMessage(),
        ):
            await stream.send_all(connection.send(event) or b"")
        await stream.send_eof()


async def _read(connection: h11.Connection, stream: trio.abc.HalfCloseableStream) -> WebRequest | None:
    """Return the request, or None when the client closed without one."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_MOST_HEAD)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            if len(body) > MOST_BODY:
                raise _TooLarge
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
            return WebRequest(head.method.decode("ascii"), head.target.decode("latin-1"), headers, body)
        else:
            return None


def _plain(status: int) -> WebResponse:
    return WebResponse(status, "text/plain; charset=utf-8", http.HTTPStatus(status).phrase.encode())
