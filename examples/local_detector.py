"""A monitor and a service around a detector of your own, in one program.

python examples/local_detector.py
"""

from __future__ import annotations

import numpy as np
import trio
from numpy.typing import NDArray

from ds_actors.detection import CallbackSink, Frame, Monitor, ResultEvent, TrackInfo
from ds_actors.detectors import Thresholds
from ds_actors.serving import Local, QueueLimits


def redness(image: NDArray[np.uint8]) -> float:
    """Stand for a model: return how red a picture is."""
    return float(image[..., 0].mean()) / 255


class RedCamera:
    """A source of one picture."""

    async def capture(self) -> Frame:
        pixels = np.zeros((240, 320, 3), np.uint8)
        pixels[..., 0] = 255
        return Frame(320, 240, "rgb24", pixels.tobytes())

    async def aclose(self) -> None:
        pass


async def main() -> None:
    first = trio.Event()

    def notify(event: ResultEvent) -> None:
        if not first.is_set():
            print(event.level, event.message)  # prints alert Probability of manipulation: 1.00
        first.set()

    # A function runs in a thread of this process; "module:name" would run in processes of its own.
    service = Local(redness, thresholds=Thresholds(0.3, 0.6), queue=QueueLimits(deadline=20.0))
    async with Monitor(service=service, sinks=[CallbackSink(notify)]) as monitor:
        await monitor.add_track(TrackInfo(participant="alice", track="TR_1"), RedCamera())
        with trio.fail_after(30):
            await first.wait()


if __name__ == "__main__":
    trio.run(main)
