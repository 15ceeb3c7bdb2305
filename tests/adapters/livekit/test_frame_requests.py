"""Frames that stop: what is asked of the SDK, counted and logged; a stream that stalls, without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.plugins.dataspike import _frame_requests, _stall_rules
from livekit.plugins.dataspike._frame_requests import FrameRequests, what_arrives
from livekit.plugins.dataspike._video import RoomVideo
from livekit.rtc._proto.stats_pb2 import RtcStats
from waiting import until_on_loop

from ds_actors.asyncio import LoopBridge
from ds_actors.detection.tracks.sources import RequestingSource

PICTURE = SimpleNamespace(frame=SimpleNamespace(width=320, height=240), rotation=0)


class Stream:
    """A stream of the SDK that gives a frame at once, or waits for ever."""

    stalled = False
    opened = 0

    @classmethod
    def from_track(cls, **_: object) -> Stream:
        cls.opened += 1
        return cls()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if Stream.stalled:
            await asyncio.Event().wait()
        return PICTURE

    async def aclose(self) -> None:
        await asyncio.sleep(0)


Sent = list[bool]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The requests to the SDK, as `enabled`; whatever is asked for ends the stall."""
    requests: Sent = []

    def request(_publication: object, *, enabled: bool) -> None:
        requests.append(enabled)

    monkeypatch.setattr(_frame_requests, "set_enabled", request)
    monkeypatch.setattr(_frame_requests, "GAP", 0.01)
    monkeypatch.setattr(_stall_rules, "STALLED_AFTER", 0.05)
    monkeypatch.setattr(_stall_rules, "SHORTEST_CAPTURE", 0.0)
    monkeypatch.setattr(rtc, "VideoStream", Stream)
    Stream.stalled, Stream.opened = False, 0
    return requests


def run(body: Callable[[RoomVideo, FrameRequests], Awaitable[None]], *, possible: bool = True) -> None:
    async def main() -> None:
        requests = FrameRequests(asyncio.get_running_loop(), possible=possible)
        publication = cast("rtc.RemoteTrackPublication", SimpleNamespace(sid="TR", track=None))
        video = RoomVideo(LoopBridge(), cast("rtc.Track", None), None, requests.track(publication))
        await body(video, requests)
        await video.close()

    asyncio.run(main())


async def capture(video: RoomVideo, patience: float = 0.03) -> bool:
    """Take a frame as the monitor does, which cancels the wait; return whether there was one."""
    task = asyncio.ensure_future(video._next())
    await asyncio.wait([task], timeout=patience)
    task.cancel()
    await asyncio.wait([task])
    return not task.cancelled() and task.result() is not None


def test_a_stalled_track_gets_a_new_stream_each_time_and_is_asked_for(
    sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    """A pause of an instant; the request is counted in the status, and logged once, as is the frame that follows."""
    caplog.set_level(logging.INFO, "livekit.plugins.dataspike")

    async def body(video: RoomVideo, _requests: FrameRequests) -> None:
        assert await capture(video)
        Stream.stalled = True
        while not sent:
            assert not await capture(video)
        opened = Stream.opened
        await until_on_loop(lambda: sent == [False, True])
        assert isinstance(video, RequestingSource)
        assert video.frame_requests == 1
        Stream.stalled = False
        assert await capture(video)
        assert Stream.opened == opened + 1

    run(body)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "a track gives no frames: the server is asked to forward it anew",
        "a track gives frames again, after 1 request(s)",
    ]


def test_many_stalled_tracks_share_a_line(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    """Participants must not be able to fill the log."""
    caplog.set_level(logging.INFO, "livekit.plugins.dataspike")

    async def body(_video: RoomVideo, requests: FrameRequests) -> None:
        for number in range(20):
            track = requests.track(cast("rtc.RemoteTrackPublication", SimpleNamespace(sid=f"TR_{number}", track=None)))
            track.capture_began()
            await asyncio.sleep(0.06)
            track.capture_ended(frame=False)
            track.release()
        assert sent == [False, True] * 20

    run(body)
    assert len(caplog.records) == 1


def test_what_is_released_is_forwarded_at_once(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A track that leaves the detector between the two halves of a request stays paused for no one."""
    monkeypatch.setattr(_frame_requests, "GAP", 60.0)

    async def body(video: RoomVideo, _requests: FrameRequests) -> None:
        Stream.stalled = True
        while not sent:
            await capture(video)
        assert sent == [False]
        await video.close()
        assert sent == [False, True]

    run(body)


def test_without_the_request_in_the_sdk_nothing_is_asked(sent: Sent) -> None:
    """Each capture still opens a stream of its own."""

    async def body(video: RoomVideo, _requests: FrameRequests) -> None:
        Stream.stalled = True
        for _ in range(6):
            assert not await capture(video)
        assert Stream.opened == 6
        assert sent == []

    run(body, possible=False)


def figures(*last_packets: float) -> list[RtcStats]:
    """The SDK's figures of a track: of each stream that is received, when its last packet came (ms)."""
    found = [RtcStats(codec=RtcStats.Codec())]
    for at in last_packets:
        stat = RtcStats(inbound_rtp=RtcStats.InboundRtp())
        stat.inbound_rtp.inbound.last_packet_received_timestamp = at
        found.append(stat)
    return found


@pytest.mark.parametrize(
    ("last_packets", "says"),
    [((), ""), ((0.0,), "no packet"), ((997_000.0,), "no packet"), ((999_000.0,), "although packets")],
)
def test_what_arrives_of_a_track_without_frames(last_packets: tuple[float, ...], says: str) -> None:
    """No packet at all, too few or undecodable ones, or nothing that the SDK knows."""
    found = what_arrives(figures(*last_packets), 1_000.0)
    assert says in found
    assert bool(says) == bool(found)


class Track:
    """A track of the SDK, with its figures."""

    def __init__(self, answer: Callable[[], Awaitable[list[RtcStats]]]) -> None:
        self.get_stats = answer


async def _never() -> list[RtcStats]:
    await asyncio.Event().wait()
    return []


async def _refused() -> list[RtcStats]:
    raise RuntimeError("the handle is gone")


async def _silent() -> list[RtcStats]:
    return figures(0.0)


@pytest.mark.parametrize(
    ("answer", "released", "says"),
    [
        (_silent, False, ", and no packet of it arrives: its publisher or the server sends none"),
        (_refused, False, ""),
        (_never, False, ""),
        (_never, True, ""),
    ],
)
def test_the_line_says_what_arrives_of_the_track_where_the_sdk_knows(
    sent: Sent,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], Awaitable[list[RtcStats]]],
    released: bool,
    says: str,
) -> None:
    """One line in any case, also when the track is released meanwhile; and no task is left."""
    caplog.set_level(logging.INFO, "livekit.plugins.dataspike")
    monkeypatch.setattr(_frame_requests, "STATS_WITHIN", 60.0 if released else 0.05)

    async def body(_video: RoomVideo, requests: FrameRequests) -> None:
        publication = SimpleNamespace(sid="TR", track=Track(answer))
        track = requests.track(cast("rtc.RemoteTrackPublication", publication))
        track.capture_began()
        await asyncio.sleep(0.06)
        track.capture_ended(frame=False)
        if released:
            track.release()
        await until_on_loop(lambda: caplog.records)
        await until_on_loop(lambda: sent == [False, True])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(body)
    assert [record.getMessage() for record in caplog.records] == [
        f"a track gives no frames{says}: the server is asked to forward it anew"
    ]
