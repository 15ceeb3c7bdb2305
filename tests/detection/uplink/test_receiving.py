"""Reading answers from a real service over a real socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import trio
from trio_websocket import WebSocketConnection
from waiting import until_in_trio

from ds_actors.detection import Dataspike, Sample, Unreachable
from ds_actors.detection.events import ResultType, WireResult
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.receiving import start_receiving
from ds_actors.detection.uplink.wire import encode_request
from ds_actors.sandbox import open_sandbox
from ds_actors.sandbox.faults import Garbage

SAMPLE = encode_request(Sample("alice", "TR_1", 1, b"no picture"))


async def test_answers_are_told_in_order_and_each_is_a_sign_of_life() -> None:
    """The sign first, then the answer."""
    told: list[WireResult | None] = []
    async with open_sandbox() as sandbox:
        heartbeat = Heartbeat(trio.current_time())
        service = Dataspike(api_key="k", url=sandbox.url)
        async with open_websocket(service, heartbeat=heartbeat) as websocket, trio.open_nursery() as nursery:
            start_receiving(
                nursery,
                websocket,
                heartbeat,
                result=told.append,
                malformed=lambda: pytest.fail("nothing was malformed"),
                answered=lambda: told.append(None),
            )
            for _ in range(3):
                await websocket.send_message(SAMPLE)
            await until_in_trio(lambda: len(told) >= 6)
            nursery.cancel_scope.cancel()
    assert told == [None, WireResult(int(ResultType.CLEAR), "alice", "TR_1")] * 3


async def test_text_is_malformed_also_where_its_bytes_would_be_an_answer() -> None:
    """No bytes at all are a valid protobuf message."""
    messages: list[str | bytes] = ["", b""]
    malformed: list[int] = []
    answers: list[WireResult] = []

    async def get_message() -> str | bytes:
        await trio.lowlevel.checkpoint()
        return messages.pop(0) if messages else await trio.sleep_forever()

    websocket = cast("WebSocketConnection", SimpleNamespace(get_message=get_message))
    async with trio.open_nursery() as nursery:
        heartbeat = Heartbeat(trio.current_time())
        start_receiving(nursery, websocket, heartbeat, result=answers.append, malformed=lambda: malformed.append(1))
        await until_in_trio(lambda: answers)
        nursery.cancel_scope.cancel()
    assert (len(malformed), answers) == (1, [WireResult(0, "", "")])


async def test_a_hundred_malformed_messages_in_a_row_end_the_connection() -> None:
    """Ninety-nine do not; one good answer begins the row anew."""
    malformed: list[int] = []
    answers: list[WireResult] = []

    async with open_sandbox() as sandbox:
        heartbeat = Heartbeat(trio.current_time())
        service = Dataspike(api_key="k", url=sandbox.url)
        with pytest.raises(Unreachable, match="100 malformed messages in a row"):
            async with open_websocket(service, heartbeat=heartbeat) as websocket, trio.open_nursery() as nursery:
                start_receiving(
                    nursery, websocket, heartbeat, result=answers.append, malformed=lambda: malformed.append(1)
                )
                sandbox.faults.begin(Garbage())
                for _ in range(99):
                    await websocket.send_message(SAMPLE)
                await until_in_trio(lambda: len(malformed) >= 99)
                sandbox.faults.end(Garbage)
                await websocket.send_message(SAMPLE)
                await until_in_trio(lambda: answers)
                sandbox.faults.begin(Garbage())
                for _ in range(100):
                    await websocket.send_message(SAMPLE)
                await trio.sleep_forever()
    assert (len(malformed), len(answers)) == (199, 1)
