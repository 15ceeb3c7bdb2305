"""What the tests of the service share: pictures, a client, and a detector that fails on command."""

from __future__ import annotations

import io
import time
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

import numpy as np
import trio
from numpy.typing import NDArray
from PIL import Image
from trio_websocket import WebSocketConnection, open_websocket_url

from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.uplink.wire import decode_result, encode_request
from ds_actors.detectors import Detector, as_detector
from ds_actors.sandbox import paint_marker

HOSTILE = "hostile_models:judge"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""A client's request, for tests that write their frames themselves."""


@cache
def jpeg(width: int = 64, painted: float = 0.0) -> bytes:
    pixels = np.full((64, width, 3), 128, np.uint8)
    out = io.BytesIO()
    Image.fromarray(paint_marker(pixels, painted) if painted else pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def always(answer: Any) -> Detector:
    """Return a detector of this process that has one answer to every picture."""

    def judge(image: NDArray[np.uint8]) -> Any:
        return answer

    return as_detector(judge)


def sample(width: int = 64, *, painted: float = 0.0, track: str = "TR_a", data: bytes | None = None) -> Sample:
    return Sample("alice", track, int(time.time() * 1_000), jpeg(width, painted) if data is None else data)


def message(width: int = 64, *, painted: float = 0.0, track: str = "TR_a", data: bytes | None = None) -> bytes:
    return encode_request(sample(width, painted=painted, track=track, data=data))


def connect(url: str, key: str = "k") -> AbstractAsyncContextManager[WebSocketConnection]:
    headers = [(b"Authorization", f"Bearer {key}".encode())]
    return open_websocket_url(url, extra_headers=headers, disconnect_timeout=1)


async def answer(websocket: WebSocketConnection, seconds: float = 100) -> WireResult:
    with trio.fail_after(seconds):
        data = await websocket.get_message()
    assert isinstance(data, bytes)
    return decode_result(data)


async def level(websocket: WebSocketConnection) -> str:
    return ResultType.from_wire((await answer(websocket)).number).level.value


def masked(payload: bytes, opcode: int = 0x82) -> bytes:
    """Return a client's frame, by default a whole binary message."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
    return bytes([opcode]) + size + bytes(4) + payload
