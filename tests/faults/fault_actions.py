"""What cells do to a world: each action returns a fault, which is in force for the length of its block."""

from __future__ import annotations

import functools
import math
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Concatenate, ParamSpec

import trio
import trustme
from attrs import frozen
from fault_cell import Fault
from fault_world import World, server_context
from switchboard import StreamHandler
from toxiproxy import Direction

from ds_actors.detection.events import Sample, WireResult
from ds_actors.sandbox import Faults

_P = ParamSpec("_P")


def _fault(body: Callable[Concatenate[World, _P], AsyncGenerator[None]]) -> Callable[_P, Fault]:
    managed = asynccontextmanager(body)

    @functools.wraps(body)
    def with_arguments(*arguments: _P.args, **more: _P.kwargs) -> Fault:
        return lambda world: managed(world, *arguments, **more)

    return with_arguments


@_fault
async def nothing(_world: World) -> AsyncGenerator[None]:
    """Disturb nothing."""
    await trio.lowlevel.checkpoint()
    yield


@_fault
async def together(world: World, *faults: Fault) -> AsyncGenerator[None]:
    """Put several faults in force, and end the last one first."""
    async with AsyncExitStack() as stack:
        for fault in faults:
            await stack.enter_async_context(fault(world))
        yield


@_fault
async def served_by(world: World, handler: StreamHandler) -> AsyncGenerator[None]:
    """Serve new connections in the service's place, and end those that are live."""
    world.board.handler = handler
    world.board.cut()
    await trio.lowlevel.checkpoint()
    yield
    world.board.handler = None
    await trio.lowlevel.checkpoint()


@_fault
async def said(world: World, *pieces: bytes, every: float | None = None) -> AsyncGenerator[None]:
    """Send the client bytes that are not the service's: once, or again and again."""

    async def again() -> None:
        with scope:
            while True:
                for piece in pieces:
                    await world.board.say(piece)
                await trio.sleep(every or 0)

    scope = trio.CancelScope()
    if every is None:
        for piece in pieces:
            await world.board.say(piece)
    else:
        world.nursery.start_soon(again)
    yield
    scope.cancel()


@_fault
async def a_message_without_end(world: World) -> AsyncGenerator[None]:
    """Begin a message and add an empty fragment every second; nothing else comes."""
    world.sandbox.faults.silence()
    async with said(b"\x02\x01x")(world), said(b"\x00\x00", every=1.0)(world):
        yield
    world.sandbox.faults.clear()


@_fault
async def service(world: World, begin: Callable[[Faults], object], *, anew: bool = False) -> AsyncGenerator[None]:
    """Put one of the sandbox's faults in force; `anew` ends the live connections, which meet it when they return."""
    begin(world.sandbox.faults)
    if anew:
        world.sandbox.faults.drop_now()
    await trio.lowlevel.checkpoint()
    yield
    world.sandbox.faults.clear()
    await trio.lowlevel.checkpoint()


@frozen
class _Answers:
    """Answers every sample with this type, about another track where one is given."""

    number: int
    track: str | None

    def judge(self, sample: Sample, _now: float, /) -> list[WireResult]:
        return [WireResult(self.number, sample.participant, self.track or sample.track)]


@_fault
async def answered_with(world: World, number: int, *, track: str | None = None) -> AsyncGenerator[None]:
    """Let the service answer everything with one type, which may be none that the client knows."""
    before, world.sandbox.verdicts = world.sandbox.verdicts, _Answers(number, track)
    await trio.lowlevel.checkpoint()
    yield
    world.sandbox.verdicts = before
    await trio.lowlevel.checkpoint()


@_fault
async def cut(world: World) -> AsyncGenerator[None]:
    """End the live connections."""
    world.board.cut()
    await trio.lowlevel.checkpoint()
    yield


@_fault
async def network(
    world: World, /, kind: str, *directions: Direction, starves: float = 0.0, **attributes: int
) -> AsyncGenerator[None]:
    """Let toxiproxy disturb the network; for `starves` seconds what was under way may come late."""
    began = world.sandbox.elapsed()
    await world.network.add(kind, *directions, **attributes)
    yield
    await world.network.clear()
    if starves or kind == "timeout":
        world.cut_off.append((began, min(world.sandbox.elapsed(), began + (starves or math.inf))))


@_fault
async def network_down(world: World) -> AsyncGenerator[None]:
    """Let nothing listen, and end the live connections."""
    await world.network.take_down()
    yield
    await world.network.clear()


@_fault
async def down_once_asked(world: World) -> AsyncGenerator[None]:
    """Let the network go down as soon as the client has said something, and before it is answered."""

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await world.network.take_down()

    async with served_by(handler)(world):
        yield
    await world.network.clear()


@_fault
async def tls(world: World, make: Callable[[World], ssl.SSLContext | None]) -> AsyncGenerator[None]:
    """Serve with another TLS context, or without one."""
    before, world.board.context = world.board.context, make(world)
    await trio.lowlevel.checkpoint()
    yield
    world.board.context = before
    await trio.lowlevel.checkpoint()


def certificate(issue: Callable[[trustme.CA], trustme.LeafCert], *, of: trustme.CA | None = None) -> Fault:
    """Serve with another certificate, of the trusted authority unless another is given."""
    return tls(lambda world: server_context(issue(of or world.authority)))


class Resolver(trio.abc.HostnameResolver):
    """Answers every name as a test says."""

    def __init__(self, answer: Callable[[int], list[str]] | None) -> None:
        self._answer = answer

    async def getaddrinfo(self, host: object, port: object, *_more: object, **_named: object) -> list[object]:  # type: ignore[override]
        """Return the addresses; without an answer, wait forever."""
        if self._answer is None:
            await trio.sleep_forever()
        assert self._answer is not None
        assert isinstance(port, int)
        found = self._answer(port)
        await trio.lowlevel.checkpoint()
        return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        """Never asked."""
        raise NotImplementedError


@_fault
async def names(_world: World, answer: Callable[[int], list[str]] | None) -> AsyncGenerator[None]:
    """Resolve names as the answer says; afterwards to 127.0.0.1."""
    trio.socket.set_custom_hostname_resolver(Resolver(answer))
    await trio.lowlevel.checkpoint()
    yield
    trio.socket.set_custom_hostname_resolver(Resolver(lambda _port: ["127.0.0.1"]))
    await trio.lowlevel.checkpoint()
