"""A track as a source of frames: streams of the real SDK on local tracks, which need no server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from livekit import rtc
from livekit.plugins.dataspike import _closing, _video
from livekit.plugins.dataspike._forwarding import TrackForwarding
from livekit.plugins.dataspike._layers import ENOUGH_FOR
from livekit.plugins.dataspike._video import RoomVideo
from waiting import until_on_loop

from ds_actors.asyncio import LoopBridge, TrioThread
from ds_actors.detection import EncodingError, Frame, FrameTooSmallError

Capture = Callable[[], Awaitable[Frame | None]]
Body = Callable[[RoomVideo, Capture], Awaitable[None]]


def i420(width: int, height: int) -> rtc.VideoFrame:
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, bytearray(width * height * 3 // 2))


def i422(width: int, height: int) -> rtc.VideoFrame:
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.I422, bytearray(width * height * 2))


def streams() -> int:
    """Return how many video streams live: one that is dropped without being closed does forever."""
    return sum("VideoStream._run" in repr(task) for task in asyncio.all_tasks())


@asynccontextmanager
async def published(frames: Sequence[rtc.VideoFrame]) -> AsyncGenerator[rtc.Track]:
    """A track that gives each frame in turn, fifty a second."""
    source = rtc.VideoSource(320, 240)
    track = rtc.LocalVideoTrack.create_video_track("camera", source)

    async def give() -> None:
        while True:
            for frame in frames:
                source.capture_frame(frame)
                await asyncio.sleep(0.02)

    giving = asyncio.ensure_future(give())
    try:
        yield track
    finally:
        giving.cancel()
        await source.aclose()


class Resumed:
    """The forwarding of a track that was just resumed in a layer with this short side."""

    def __init__(self, least_side: int) -> None:
        self.least_side = least_side
        self.learnt: list[bool] = []

    def capture_began(self) -> None:
        pass

    def capture_ended(self, *, frame: bool, learn: bool) -> None:
        assert frame
        self.learnt.append(learn)

    def release(self) -> None:
        pass


def run(body: Body, *frames: rtc.VideoFrame, forwarding: Resumed | None = None) -> None:
    """Run the body on a loop, with a source of frames and its `capture` in trio."""

    async def main() -> None:
        bridge, thread = LoopBridge(), TrioThread()
        stop: list[trio.Event] = []

        async def in_trio(*, task_status: trio.TaskStatus[None]) -> None:
            bridge.attach()
            stop.append(trio.Event())
            task_status.started()
            await stop[0].wait()

        await thread.start(in_trio)
        async with published(frames or [i420(320, 240)]) as camera:
            video = RoomVideo(bridge, camera, cast("TrackForwarding | None", forwarding))

            async def capture() -> Frame | None:
                taken: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()

                async def take() -> None:
                    try:
                        frame = await video.capture()
                    except EncodingError as error:
                        bridge.post(taken.set_exception, error)
                    else:
                        bridge.post(taken.set_result, frame)

                bridge.tell(trio.lowlevel.spawn_system_task, take)
                return await asyncio.wait_for(taken, 30)

            await body(video, capture)
            await video.close()
            assert streams() == 0
        bridge.tell(stop[0].set)
        await thread.leave()

    asyncio.run(main())


def test_frames_of_a_paused_track_are_passed_over() -> None:
    """The server sends tiny black ones; the first picture is taken, and no stream is left."""

    async def body(_: RoomVideo, capture: Capture) -> None:
        for _round in range(3):
            frame = await capture()
            assert frame is not None
            assert (frame.width, frame.height, frame.layout) == (320, 240, "i420")
            assert len(frame.data) == 320 * 240 * 3 // 2
            await until_on_loop(lambda: streams() == 0)

    run(body, i420(8, 8), i420(16, 16), i420(320, 240))


def test_a_resumed_track_passes_over_frames_of_a_smaller_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server begins with the layer whose key frame comes first."""
    monkeypatch.setattr(_video, "LARGER_WITHIN", 20.0)

    async def body(_: RoomVideo, capture: Capture) -> None:
        for _round in range(3):
            frame = await capture()
            assert frame is not None
            assert (frame.width, frame.height) == (320, 240)

    small = [i420(160, 120)] * 5
    run(body, *small, i420(320, 240), forwarding=Resumed(240))


@pytest.mark.parametrize("frames", [50, 1], ids=["many frames", "few frames"])
def test_where_no_larger_layer_comes_the_smaller_one_is_taken_after_a_while(
    monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    """And at once in the next samples; after five of them the larger one gets another chance.

    What was waited for says nothing of how long key frames take.
    """
    monkeypatch.setattr(_video, "LARGER_WITHIN", 0.3)
    waited: list[bool] = []

    async def body(_: RoomVideo, capture: Capture) -> None:
        for _round in range(ENOUGH_FOR + 2):
            began = time.monotonic()
            frame = await capture()
            waited.append(time.monotonic() - began >= 0.3)
            assert frame is not None
            assert frame.width == 160

    forwarding = Resumed(240)
    run(body, *[i420(160, 120)] * frames, *[i420(8, 8)] * (0 if frames > 1 else 4), forwarding=forwarding)
    assert [waited[0], waited[-1]] == [True, True]
    assert forwarding.learnt == [False, *[True] * ENOUGH_FOR, False]


@pytest.mark.parametrize(("width", "height"), [(320, 60), (60, 320), (64, 36)])
def test_a_picture_whose_shorter_side_is_short_is_taken(width: int, height: int) -> None:
    """The longer side decides whether it is large enough."""

    async def body(_: RoomVideo, capture: Capture) -> None:
        frame = await capture()
        assert frame is not None
        assert (frame.width, frame.height) == (width, height)

    run(body, i420(8, 8), i420(width, height))


def test_a_picture_that_is_too_small_says_so() -> None:
    """Instead of waiting for one that never comes; its stream is closed all the same."""

    async def body(_: RoomVideo, capture: Capture) -> None:
        with pytest.raises(FrameTooSmallError, match="48 x 36"):
            await capture()
        await until_on_loop(lambda: streams() == 0)

    run(body, i420(8, 8), i420(48, 36))


def test_a_picture_that_is_too_large_says_so_before_it_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting it would copy it. The SDK itself fails on pictures that reach the real limit."""
    monkeypatch.setattr("ds_actors.detection.tracks.frame_size.LARGEST_PIXELS", 320 * 240 - 1)

    async def body(_: RoomVideo, capture: Capture) -> None:
        with pytest.raises(EncodingError, match="320 x 240 pixels is too large") as raised:
            await capture()
        assert raised.value.reason == "too_large"
        await until_on_loop(lambda: streams() == 0)

    run(body, i422(320, 240))


def test_a_layout_that_no_encoder_takes_is_converted() -> None:
    """4:2:2, as a browser may send it."""

    async def body(_: RoomVideo, capture: Capture) -> None:
        frame = await capture()
        assert frame is not None
        assert (frame.layout, len(frame.data)) == ("i420", 320 * 240 * 3 // 2)

    run(body, i422(320, 240))


def test_samples_in_quick_succession_share_a_stream_that_closes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened once for all but the first; closed when no other follows."""
    monkeypatch.setattr(_video, "KEEP_OPEN", 1.0)  # on a busy machine 0.15 s are soon over

    async def body(_: RoomVideo, capture: Capture) -> None:
        await capture()
        assert streams() == 0
        for _round in range(5):
            assert await capture() is not None
            assert streams() == 1
        await until_on_loop(lambda: streams() == 0)
        await capture()
        assert streams() == 0

    run(body)


def test_a_track_that_is_gone_gives_no_frame() -> None:
    """Its handle is the SDK's to refuse; what refuses it escapes nowhere."""

    async def body(video: RoomVideo, capture: Capture) -> None:
        video.track._ffi_handle.dispose()
        assert await capture() is None

    run(body)


def test_a_stream_that_does_not_close_holds_up_nobody_for_longer_than_its_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its closing is never cancelled: that would leak what the SDK holds for it."""
    monkeypatch.setattr(_closing, "CLOSE_WITHIN", 0.1)
    close = rtc.VideoStream.aclose
    closed: list[bool] = []

    let_it_close = asyncio.Event()

    async def slow(stream: rtc.VideoStream) -> None:
        await let_it_close.wait()
        await close(stream)
        closed.append(True)

    monkeypatch.setattr(rtc.VideoStream, "aclose", slow)

    async def body(video: RoomVideo, capture: Capture) -> None:
        assert await capture() is not None
        await video.close()
        assert closed == []
        let_it_close.set()
        await until_on_loop(lambda: closed)
        assert closed == [True]

    run(body)
