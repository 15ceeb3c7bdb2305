"""A client without actors: what a sample costs that is encoded in a thread and sent over trio-websocket.

One task per track sleeps until its sample is due, encodes and sends; another reads the answers. There is no order among
tracks, no age limit, no measurement of the link, no status.
"""

from __future__ import annotations

import time

import trio
from trio_websocket import WebSocketConnection

from ds_actors.detection import Dataspike, Frame, Sample, encode_jpeg
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.wire import decode_result, encode_request


async def bare(url: str, tracks: int, fps: float, seconds: float, frame: Frame) -> float:
    """Return the CPU seconds per sample, over so many seconds once all tracks run."""
    sent = 0

    async def track(websocket: WebSocketConnection, number: int, due: float) -> None:
        nonlocal sent
        while True:
            await trio.sleep_until(due)
            due += 1 / fps
            data = await trio.to_thread.run_sync(lambda: encode_jpeg(frame, quality=75))
            sample = Sample(f"p{number}", str(number), time.time_ns() // 1_000_000, data)
            await websocket.send_message(encode_request(sample))
            sent += 1

    async def read(websocket: WebSocketConnection) -> None:
        while True:
            decode_result(await websocket.get_message())

    async with open_websocket(Dataspike(api_key="bench", url=url)) as websocket, trio.open_nursery() as nursery:
        nursery.start_soon(read, websocket)
        began = trio.current_time()
        for number in range(tracks):
            nursery.start_soon(track, websocket, number, began + number / tracks / fps)
        await trio.sleep(1 / fps + 2)
        before, cpu = sent, time.process_time()
        await trio.sleep(seconds)
        cost = (time.process_time() - cpu) / max(1, sent - before)
        nursery.cancel_scope.cancel()
    return cost
