"""A session with the service: the upgrade, the key, the clock, and samples that come back as results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from ds_actors.cli._doctor.clock import NAME as CLOCK
from ds_actors.cli._doctor.clock import judge_clock
from ds_actors.cli._doctor.encoder import EncodedSample
from ds_actors.cli._doctor.environment import Rates
from ds_actors.cli._doctor.result import CheckResult, failed, passed, skipped, warned
from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.service import KEY_VARIABLE, Dataspike
from ds_actors.detection.uplink.close_reasons import parse_head
from ds_actors.detection.uplink.connection import open_stream, open_websocket
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.receiving import start_receiving
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.wire import encode_request

STEPS: Final = ("upgrade", "key", CLOCK, "round trip", "throughput")
BURST: Final = 5
"""Samples sent at once to measure the throughput."""
SLOW: Final = 2.0
"""Seconds of a round trip from which alerts come noticeably late."""
_HEAD_LIMIT: Final = 16 * 1024
_IDENTITY: Final = "ds-actors-doctor"
_LATENCY_FIX: Final = "lower quality or burst_fps, or run the worker on a network nearer to the service"


class _HeadStream(WrappedStream):
    """A stream that keeps the head of the service's answer, and when it arrived."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        super().__init__(inner)
        self.head = bytearray()
        self.wall = 0.0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.inner.receive_some(max_bytes)
        if len(self.head) < _HEAD_LIMIT and b"\r\n\r\n" not in self.head:
            self.head += data
            self.wall = time.time()
        return data


@define(eq=False)
class Session:
    """One connection to the service; `report` is called with the result of each step."""

    service: Dataspike
    sample: EncodedSample | None
    rates: Rates
    timeout: float
    report: Callable[[CheckResult], object]
    _stream: _HeadStream | None = field(default=None, init=False)
    _reported: set[str] = field(factory=set[str], init=False)
    _results: list[WireResult] = field(factory=list[WireResult], init=False)
    _arrived: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    async def run(self) -> None:
        """Connect, send samples, and report every step; a step that was not reached is reported as skipped."""
        try:
            await self._run()
        except UplinkError as error:
            self._report_end(error)
        for name in STEPS:
            if name not in self._reported:
                self._tell(skipped(name, "not tried: an earlier check failed"))

    async def _run(self) -> None:
        heartbeat = Heartbeat(trio.current_time())
        async with open_websocket(self.service, connect=self._connect, heartbeat=heartbeat) as websocket:
            self._tell(passed("upgrade", "the WebSocket is open"))
            if self.sample is None:
                return
            async with trio.open_nursery() as nursery:
                start_receiving(nursery, websocket, heartbeat, result=self._result, malformed=self._malformed)
                began = time.perf_counter()
                await websocket.send_message(self._request("round-trip"))
                answered = await self._wait_for(1)
                seconds = time.perf_counter() - began
                # A service may accept every upgrade and refuse the key by a close code: only an answer proves it.
                self._tell(passed("key", "accepted" if answered else f"not refused within {self.timeout:g} s"))
                self._tell_clock()
                if not answered:
                    fix = "send the service's operator the time of this run; a firewall may also block messages"
                    self._tell(failed("round trip", f"no result within {self.timeout:g} s", fix))
                else:
                    level = ResultType.from_wire(self._results[0].number).level
                    self._tell(judge_round_trip(seconds, level.value, len(self.sample.jpeg)))
                    began = time.perf_counter()
                    for number in range(BURST):
                        await websocket.send_message(self._request(f"throughput-{number}"))
                    await self._wait_for(1 + BURST)
                    count = len(self._results) - 1
                    self._tell(judge_throughput(count, time.perf_counter() - began, self.rates))
                nursery.cancel_scope.cancel()

    async def _connect(self, service: Dataspike) -> trio.abc.Stream:
        self._stream = _HeadStream(await open_stream(service))
        return self._stream

    def _report_end(self, error: UplinkError) -> None:
        head = None if self._stream is None else parse_head(bytes(self._stream.head))
        if isinstance(error, Refused):
            if "upgrade" not in self._reported:
                self._tell(passed("upgrade", "the service answered"))
            fix = f"set {KEY_VARIABLE} to a valid key: no quotes, no blanks, not revoked, and made for this service"
            self._tell(failed("key", str(error), fix))
        elif "upgrade" not in self._reported:
            self._tell(failed("upgrade", str(error), _upgrade_fix(error, None if head is None else head[0])))
        else:
            name = "throughput" if "round trip" in self._reported else "round trip"
            fix = "try again; if it persists, look for a proxy or firewall that ends idle or long connections"
            self._tell(failed(name, str(error), fix))
        if head is not None and CLOCK not in self._reported:
            self._tell_clock()

    def _tell_clock(self) -> None:
        head = None if self._stream is None else parse_head(bytes(self._stream.head))
        date = None if head is None else dict(head[1]).get(b"date")
        self._tell(judge_clock(date, 0.0 if self._stream is None else self._stream.wall))

    def _tell(self, result: CheckResult) -> None:
        self._reported.add(result.name)
        self.report(result)

    def _request(self, track: str) -> bytes:
        assert self.sample is not None
        return encode_request(Sample(_IDENTITY, track, int(time.time() * 1_000), self.sample.jpeg))

    def _result(self, result: WireResult) -> None:
        if result.participant == _IDENTITY:
            self._results.append(result)
            self._arrived.unpark_all()

    def _malformed(self) -> None:
        pass  # the heartbeat ends a connection with too many of them

    async def _wait_for(self, count: int) -> bool:
        with trio.move_on_after(self.timeout):
            while len(self._results) < count:
                await self._arrived.park()
        return len(self._results) >= count


def judge_round_trip(seconds: float, level: str, size: int) -> CheckResult:
    """Judge the seconds from a sample's sending to its result."""
    text = f"{1_000 * seconds:,.0f} ms from a sample of {size / 1_000:.0f} kB to its result"
    if seconds > SLOW:
        return warned("round trip", f"{text}: slow", _LATENCY_FIX, level=level)
    return passed("round trip", text, level=level)


def judge_throughput(answered: int, seconds: float, rates: Rates) -> CheckResult:
    """Judge how many samples per second the way to the service takes, by a burst of `BURST` samples."""
    if answered < BURST:
        text = f"{answered} of {BURST} samples sent at once were answered"
        return warned("throughput", text, f"{_LATENCY_FIX}; set a budget if the key's plan limits the rate")
    rate = answered / max(seconds, 0.001)
    tracks = rate / rates.burst_fps
    text = f"{rate:,.1f} samples/s"
    if tracks < 1:
        fix = f"{_LATENCY_FIX}; a budget limits the samples of a room"
        return warned("throughput", f"{text}, less than the {rates.burst_fps:g} of a single elevated track", fix)
    return passed("throughput", f"{text}, enough for {int(tracks):,} elevated track{'s' * (int(tracks) > 1)} at a time")


def _upgrade_fix(error: UplinkError, status: int | None) -> str:
    wait = error.retry_after if isinstance(error, Unreachable) else None
    if status == 429:
        text = "the key's rate limit is reached: lower normal_fps and burst_fps, watch fewer tracks, or set a budget"
        return text + (f"; try again in {wait:g} s" if wait is not None else "")
    if status is not None and status >= 500:
        text = "the service is unavailable; monitoring resumes by itself when it returns"
        return text + (f"; it asks to wait {wait:g} s" if wait is not None else "")
    if status is not None:
        return "check the URL's path, and whether a proxy answers in the service's place"
    return "check the URL, and that no proxy or firewall blocks WebSockets"
