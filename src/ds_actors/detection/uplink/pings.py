"""WebSocket pings, of which only so many may be without a pong."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Final

from trio_websocket import WebSocketConnection

MOST_UNANSWERED: Final = 64
_PAYLOADS: Final = cycle(bytes([number]) for number in range(MOST_UNANSWERED))


async def await_pong(websocket: WebSocketConnection) -> bool:
    """Send a ping and wait for its pong; return False at once where too many before it were left unanswered.

    The connection keeps each ping until its pong comes, and one whose other side answers none may last for weeks.

    Raises:
        ConnectionClosed: when the connection ends before the pong comes.
    """
    for payload in islice(_PAYLOADS, MOST_UNANSWERED):
        try:
            await websocket.ping(payload)
        except ValueError:  # that one's pong has not come
            continue
        return True
    return False
