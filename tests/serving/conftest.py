"""Model processes find this folder's modules."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import trio


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(autouse=True)
def _no_socket_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
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
