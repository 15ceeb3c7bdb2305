"""The monitor under virtual time: the service on memory streams, sources, and crashes on command."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import trio
import trio.testing
from attrs import define, field
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from ds_actors import Actor, ActorStopped, Node, SupervisorRef
from ds_actors.detection import Dataspike, Frame, Monitor, ResultType, TrackInfo
from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.status import TrackStatus
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.wire import decode_request, encode_result
from ds_actors.testing import Crashed, crash, run_virtual

KEY = Dataspike(api_key="k", url="ws://127.0.0.1:1")
VERDICTS = {"A": ResultType.ALERT, "B": ResultType.CLEAR, "C": ResultType.SUSPICIOUS}


@define
class Still:
    """A source that has a frame at once, until it is closed."""

    is_open: bool = True
    asked: list[float] = field(factory=list[float])
    """The times of the captures."""

    async def capture(self) -> Frame | None:
        self.asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if not self.is_open:
            raise trio.ClosedResourceError
        return Frame(2, 2, "rgb24", bytes(12))

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.is_open = False


@define
class Slow(Still):
    """A source whose frame comes after some seconds, by default never."""

    seconds: float = float("inf")

    async def capture(self) -> Frame | None:
        frame = await super().capture()
        await trio.sleep(self.seconds)
        return frame


async def encode(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
    await trio.lowlevel.checkpoint()
    return b"jpeg"


@define
class Link(WrappedStream):
    """A stream that takes `seconds` for each piece it sends, and more by its size."""

    seconds: float = 0.0
    bytes_per_second: float = float("inf")
    sent: int = 0
    """The bytes of the sends that began."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += len(data)
        await trio.sleep(self.seconds + len(data) / self.bytes_per_second)
        await super().send_all(data)


@define
class Service:
    """The service on memory streams: each connection is a real WebSocket, and time is virtual."""

    nursery: trio.Nursery
    reachable: bool = True
    bytes_per_second: float = float("inf")
    """Of the links of new connections."""
    close_code: int | None = None
    """Closes each connection with it as soon as it is accepted."""
    silent: set[str] = field(factory=set[str])
    """Tracks whose samples are not answered."""
    answers_after: float = 0.0
    answer: int | None = None
    """The type of every answer, instead of the track's."""
    about: str | None = None
    """The track that every answer is about, instead of the sample's."""
    attempts: array[float] = field(factory=lambda: array("d"))
    samples: list[tuple[float, Sample]] = field(factory=list[tuple[float, Sample]])
    connections: list[WebSocketConnection] = field(factory=list[WebSocketConnection])
    links: list[Link] = field(factory=list[Link])
    """The monitor's ends of the connections."""

    async def connect(self, _service: Dataspike) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if not self.reachable:
            raise OSError("nobody there")
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs)
        self.links.append(Link(ours, bytes_per_second=self.bytes_per_second))
        return self.links[-1]

    async def say(self, number: int, track: str, participant: str | None = None) -> None:
        """Send an unsolicited result, and let it arrive."""
        result = WireResult(number, f"p{track}" if participant is None else participant, track)
        await self.connections[-1].send_message(encode_result(result))
        await trio.testing.wait_all_tasks_blocked()

    def sent(self, track: str) -> list[float]:
        """Return the arrival times of this track's samples."""
        return [at for at, sample in self.samples if sample.track == track]

    async def _serve(self, stream: Any) -> None:
        try:
            async with trio.open_nursery() as nursery:
                websocket = await (await wrap_server_stream(nursery, stream)).accept()
                self.connections.append(websocket)
                if self.close_code is not None:
                    await websocket.aclose(self.close_code, "no")
                while True:
                    message = await websocket.get_message()
                    assert isinstance(message, bytes)
                    sample = decode_request(message)
                    self.samples.append((trio.current_time(), sample))
                    if sample.track not in self.silent:
                        verdict = VERDICTS.get(sample.track, ResultType.CLEAR) if self.answer is None else self.answer
                        answer = encode_result(WireResult(verdict, sample.participant, self.about or sample.track))
                        if self.answers_after:
                            await trio.sleep(self.answers_after)
                        await websocket.send_message(answer)
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError, LocalProtocolError):
            pass  # trio-websocket fails on a ping that arrives while it closes


Body = Callable[[Service, Monitor], Awaitable[None]]


def run(body: Body, *, reachable: bool = True, **options: Any) -> None:
    """Run the body inside a monitor, in virtual time, where every jitter is half of its ceiling."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery, reachable)
            async with monitor_of(service, **options) as monitor:
                await body(service, monitor)
            nursery.cancel_scope.cancel()

    run_virtual(main)


def monitor_of(service: Service, **options: Any) -> Monitor:
    usual: dict[str, Any] = {"service": KEY, "connect": service.connect, "encode": encode, "random": lambda: 0.5}
    return Monitor(**(usual | options))


@contextmanager
def without_log() -> Generator[None]:
    """Suppress the log of intended crashes."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


async def add(monitor: Monitor, *tracks: str, source: Still | None = None) -> None:
    """Watch these tracks, each of its own participant."""
    for track in tracks:
        await monitor.add_track(TrackInfo(f"p{track}", track), Still() if source is None else source)


def status_of(monitor: Monitor, track: str) -> TrackStatus:
    return next(status for status in monitor.status().tracks if status.track == track)


def adds_up(monitor: Monitor) -> bool:
    """Return whether due = sent + dropped + waiting + granted, and whether all that was sent is accounted for."""
    account = monitor.status().uplink
    due = account.sent + sum(account.dropped.values()) + account.waiting + account.granted
    sent = account.answered + account.unanswered + account.lost + account.outstanding
    return (account.due, account.sent) == (due, sent)


def living(monitor: Monitor) -> list[str]:
    """Return the paths of the running actors below the monitor."""
    found: list[str] = []

    def walk(node: Node) -> None:
        if node.kind == "actor" and node.status == "running":
            found.append(node.path.removeprefix("/monitor/"))
        for child in node.children:
            walk(child)

    walk(monitor.tree())
    return found


async def kill(monitor: Monitor, *names: str) -> None:
    """Crash the actors of these names, and wait until they are gone."""
    for path in living(monitor):
        if path.rpartition("/")[2] in names:
            await crash(monitor._supervisor, path)
    await trio.testing.wait_all_tasks_blocked()


class _Bomb(Actor[None]):
    async def run(self) -> None:
        await trio.lowlevel.checkpoint()
        raise Crashed("a test makes its supervisor give up")


async def kill_supervisor(monitor: Monitor, name: str | None = None) -> None:
    """Crash a supervisor, by default the root, as supervisors crash: a child of it reaches the limit of restarts."""
    found = monitor._supervisor if name is None else monitor._supervisor.find(name)
    assert isinstance(found, SupervisorRef)
    with suppress(ActorStopped):  # it is down already, or goes before the start returns
        await found.start(_Bomb)
    await trio.testing.wait_all_tasks_blocked()
