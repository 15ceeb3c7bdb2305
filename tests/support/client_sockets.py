"""Closes the sockets that a test's WebSocket clients leave open."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import trio


@contextmanager
def closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """trio-websocket's client leaves its socket open when the upgrade is refused."""
    opened: list[trio.SocketStream] = []
    really = trio.open_tcp_stream

    async def noted(*arguments: Any, **more: Any) -> trio.SocketStream:
        opened.append(await really(*arguments, **more))
        return opened[-1]

    monkeypatch.setattr(trio, "open_tcp_stream", noted)
    yield
    for stream in opened:
        if stream.socket.fileno() != -1:
            os.close(stream.socket.detach())
