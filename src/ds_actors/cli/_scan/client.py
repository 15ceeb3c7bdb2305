"""One file's samples to the service and their answers back. Nothing is dropped: sending waits for answers."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field, frozen
from trio_websocket import WebSocketConnection

from ds_actors.cli._scan.decode import DueFrame, Video
from ds_actors.cli._scan.result import StreamScan
from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.service import Dataspike
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.receiving import start_receiving
from ds_actors.detection.uplink.wire import encode_request, samples_per_track

WINDOW: Final = 16
"""Samples that may be without an answer at a time."""
SILENCE: Final = 10.0
"""Seconds without an answer, once all samples are sent, that end a file's scan."""
STALLED: Final = 60.0
"""Seconds without an answer that end it while samples are left: slow answers only hold them back."""


@frozen
class _Waiting:
    seconds: float
    thumbnail: bytes | None = field(repr=False)


@define(eq=False)
class Exchange:
    """One file on one connection. Answers are matched to samples by their order: the wire has no number."""

    video: Video
    first: DueFrame | None
    """What the video's first steps gave; it is sent before the rest."""
    result: StreamScan
    progress: Callable[[], object]
    """Called whenever the result has changed."""
    window: int = WINDOW
    silence: float = SILENCE
    stalled: float = STALLED
    connected: bool = field(default=False, init=False)
    gave_up_after: float | None = field(default=None, init=False)
    """Seconds without an answer after which the service was waited for no longer; None when it was not given up."""
    _participant: str = field(factory=lambda: f"scan-{secrets.token_hex(4)}", init=False)
    _track: str = field(default="video", init=False)
    _waiting: deque[_Waiting] = field(factory=deque[_Waiting], init=False)
    _answers: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)
    _active: float = field(default=0.0, init=False)

    @property
    def complete(self) -> bool:
        """Whether the file was read to its end and each of its samples was answered."""
        return self.video.ended and self.result.answered == self.video.due

    @property
    def unanswered_from(self) -> float | None:
        """The time of the first sample without an answer, in seconds; None when there is none."""
        return self._waiting[0].seconds if self._waiting else None

    @property
    def outstanding(self) -> int:
        """How many samples were sent and not answered."""
        return max(0, self.result.sent - self.result.answered)

    async def run(self, service: Dataspike) -> None:
        """Send every sample and wait for every answer, or until the service has been silent for too long.

        Raises:
            Refused, Unreachable: as `open_websocket`.
        """
        heartbeat = Heartbeat(trio.current_time())
        async with open_websocket(service, heartbeat=heartbeat) as websocket:
            self.connected = True
            self._active = trio.current_time()
            # Where a track's newest sample replaces its older one, no sample may be sent before the last was answered.
            self.window = min(self.window, samples_per_track(websocket.handshake_headers) or self.window)
            async with trio.open_nursery() as nursery:
                start_receiving(nursery, websocket, heartbeat, result=self._answer, malformed=self._malformed)
                await self._send(websocket)
                nursery.cancel_scope.cancel()

    async def _send(self, websocket: WebSocketConnection) -> None:
        if self.first is not None:
            await self._send_all(websocket, self.first)
        while not self.video.ended and self.gave_up_after is None:
            due = await trio.to_thread.run_sync(self.video.step)
            if due is not None:
                await self._send_all(websocket, due)
            self.note()
        if self.gave_up_after is None:
            await self._at_most(0, self.silence)

    async def _send_all(self, websocket: WebSocketConnection, due: DueFrame) -> None:
        for _ in range(due.count):
            if not await self._at_most(self.window - 1, self.stalled):
                return
            sample = Sample(self._participant, self._track, int(time.time() * 1_000), due.jpeg)
            # Noted first: the answer may be here before the send has returned.
            self._waiting.append(_Waiting(due.seconds, due.thumbnail))
            await websocket.send_message(encode_request(sample))
            self.result.sent += 1
            self._active = trio.current_time()
            self.note()

    async def _at_most(self, count: int, patience: float) -> bool:
        """Wait until at most that many samples have no answer; give up after `patience` seconds without one."""
        while len(self._waiting) > count:
            with trio.move_on_at(self._active + patience):
                await self._answers.park()
                continue
            if trio.current_time() >= self._active + patience:
                self.gave_up_after = patience
                return False
        return True

    def _malformed(self) -> None:
        self.result.ignore("malformed")

    def _answer(self, answer: WireResult) -> None:
        if (answer.participant, answer.track) != (self._participant, self._track):
            self.result.ignore("unknown_track")
        elif not self._waiting:
            self.result.ignore("more_answers_than_samples")
        else:
            sample = self._waiting.popleft()
            level = ResultType.from_wire(answer.number).level
            self.result.timeline.add(sample.seconds, level, sample.thumbnail)
            self._active = trio.current_time()
            self._answers.unpark_all()
            self.note()

    def note(self) -> None:
        """Bring the result up to date, and show it."""
        self.result.due = self.video.due
        self.result.damage = self.video.damage
        if self.video.last is not None:
            self.result.last_pts, self.result.origin = float(self.video.last), float(self.video.origin)
        self.progress()
