"""Pings that are left unanswered are bounded."""

from __future__ import annotations

from typing import cast

import trio
import trio.testing
from trio_websocket import WebSocketConnection

from ds_actors.detection import Dataspike
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.pings import MOST_UNANSWERED, await_pong
from ds_actors.sandbox import open_sandbox


class Silent:
    """A connection whose other side answers no ping; like the library's, it keeps each and refuses a second one."""

    def __init__(self) -> None:
        self.kept: set[bytes] = set()

    async def ping(self, payload: bytes) -> None:
        if payload in self.kept:
            raise ValueError("already in flight")
        self.kept.add(payload)
        await trio.sleep_forever()


async def test_pings_without_a_pong_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    """Over weeks, too; what was answered makes room."""
    silent = Silent()
    websocket, other = cast("WebSocketConnection", silent), cast("WebSocketConnection", Silent())
    refused = 0
    for _ in range(3 * MOST_UNANSWERED):
        with trio.move_on_after(10) as waiting:
            refused += not await await_pong(websocket)
        assert waiting.cancelled_caught is (refused == 0)
        with trio.move_on_after(1):
            await await_pong(other)  # the payloads are those of all connections
    assert (len(silent.kept), refused) == (MOST_UNANSWERED, 2 * MOST_UNANSWERED)
    silent.kept.clear()
    with trio.move_on_after(10) as waiting:
        await await_pong(websocket)
    assert waiting.cancelled_caught


async def test_a_real_connection_refuses_the_ping_after_the_last() -> None:
    """The library keeps each that is cancelled, and sends no second one with its payload."""
    async with open_sandbox() as sandbox, open_websocket(Dataspike("any", url=sandbox.url)) as websocket:
        sandbox.faults.silence()
        for _ in range(MOST_UNANSWERED):
            with trio.move_on_after(0.002) as waiting:
                await await_pong(websocket)
            assert waiting.cancelled_caught
        with trio.fail_after(30):
            assert not await await_pong(websocket)
