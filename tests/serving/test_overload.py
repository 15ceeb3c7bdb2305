"""More samples than the models can judge, over real sockets."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
import trio
from numpy.typing import NDArray
from serving_kit import answer, connect, message
from trio_websocket import ConnectionClosed, WebSocketConnection

from ds_actors.detection.events import ResultType
from ds_actors.detectors import as_detector
from ds_actors.serving import QueueLimits, open_service

pytestmark = pytest.mark.timeout(200)

TAKES = 0.005
TRACKS = 24
ROUNDS = 20
"""How often each track is judged on average, before the test ends."""


def slow(_image: NDArray[np.uint8]) -> float:
    time.sleep(TAKES)
    return 0.1


async def test_three_times_too_much_is_shared_equally_by_all_tracks() -> None:
    """Over two connections with six and eighteen tracks: within 20 % in each, no answer is late, and each drop is told.

    The load is three samples for each one that is judged, whatever the speed of the machine.
    """
    judged, dropped, sent = Counter[str](), Counter[str](), Counter[str]()
    queue = QueueLimits(deadline=20.0)

    async def read(websocket: WebSocketConnection) -> None:
        try:
            while True:
                result = await answer(websocket)
                if ResultType.from_wire(result.number) is ResultType.CLEAR:
                    judged[result.track] += 1
                else:
                    dropped[result.message] += 1
        except ConnectionClosed:
            pass

    async with open_service(as_detector(slow), queue=queue) as service:
        async with connect(service.url) as few, connect(service.url) as many, trio.open_nursery() as nursery:
            nursery.start_soon(read, few)
            nursery.start_soon(read, many)
            number = 0
            while judged.total() < TRACKS * ROUNDS:
                while sent.total() >= 3 * judged.total() + TRACKS:
                    await trio.sleep(TAKES / 10)
                track = number % TRACKS
                await (few if track < 6 else many).send_message(message(track=f"TR_{track}"))
                sent[f"TR_{track}"] += 1
                number += 1
            with trio.fail_after(100):
                while service.status().received < sent.total() or service.status().waiting + service.status().judging:
                    await trio.sleep(TAKES)
                while judged.total() + dropped.total() < sent.total():
                    await trio.sleep(TAKES)
            nursery.cancel_scope.cancel()
        status = service.status()
    # Turns go round the connections: the one with few tracks has the same share, so its tracks are judged more often.
    for tracks in (range(6), range(6, TRACKS)):
        rates = [judged[f"TR_{track}"] for track in tracks]
        assert max(rates) <= 1.2 * min(rates) + 1
    assert set(dropped) == {"Not judged: a newer sample of the track took its place."}
    assert status.received == sent.total() == judged.total() + dropped.total()
    assert status.dropped == {"superseded": dropped.total()}
    assert judged.total() < 0.6 * sent.total()
