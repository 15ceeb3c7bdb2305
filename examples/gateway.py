"""A gateway for devices: TCP sessions, a pool of stores, a group of devices, a helper program, and its state over HTTP.

    python examples/gateway.py                # then: printf 'door\\nopen\\n' | nc localhost 7000; curl localhost:7001

A device's first line is its name, each other line a reading. Each device gets the lines of the helper, here a clock.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import trio
from attrs import define, field, frozen

from ds_actors import (
    Actor,
    ActorError,
    Answer,
    ChildSpec,
    ExponentialBackoff,
    Group,
    PoolRef,
    PoolSpec,
    Request,
    Supervisor,
    SupervisorSpec,
)
from ds_actors.processes import LineMatches, Program, ProgramActor

MOST_DEVICES = 10_000
CLOCK = "import time\nwhile True: print(f'time {time.time():.0f}', flush=True); time.sleep(1)"


@frozen
class Reading:
    device: str
    value: str


@frozen
class Latest(Request[str]):
    device: str


@define
class Store(Actor[Reading | Latest]):
    """One worker of the pool: a device's readings always go to the same one."""

    readings: dict[str, str] = field(factory=dict[str, str])

    async def receive(self, message: Reading | Latest, /) -> Answer | None:
        if isinstance(message, Latest):
            return message.answer(self.readings.get(message.device, "nothing"))
        self.readings[message.device] = message.value
        return None


@define(eq=False)
class Session(Actor[str]):
    """One connection: what it is told goes to the device, what the device sends goes to the stores."""

    stream: trio.SocketStream
    devices: Group[str]
    stores: PoolRef[Reading | Latest]
    names: set[str]

    async def started(self) -> None:
        self.devices.join(self.context.ref)
        self.context.spawn(self._read)

    async def receive(self, message: str, /) -> None:
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(f"{message}\n".encode())

    async def _read(self) -> None:
        buffer, name = b"", ""
        with suppress(trio.BrokenResourceError):
            while len(buffer) < 1_000 and (chunk := await self.stream.receive_some()):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace").strip()
                    if name:
                        self.stores.tell(Reading(name, text))
                    elif text in self.names or len(self.names) < MOST_DEVICES:
                        name = text
                        self.names.add(name)
                    else:
                        self.context.stop()
                        return
        self.context.stop()


async def serve(port: int, status_port: int) -> None:
    """Serve until cancelled. Port 0 takes any free port; the printed line shows them."""
    devices, names = Group[str](), set[str]()
    clock = Program([sys.executable, "-c", CLOCK], ready=LineMatches("time"), on_stdout=devices.publish)
    async with Supervisor("gateway", close_within=5) as gateway:
        stores = await gateway.start(PoolSpec("stores", ChildSpec(Store), 4, route=lambda message: message.device))
        sessions = await gateway.start(SupervisorSpec("sessions", "dynamic", max_children=1_000))
        await gateway.start(ProgramActor, clock, name="clock", backoff=ExponentialBackoff())

        async def connected(stream: trio.SocketStream) -> None:
            with suppress(ActorError):  # too many sessions, or stopping: trio closes the stream
                session = await sessions.start(Session, stream, devices, stores, names, restart="temporary")
                await session.wait_stopped()

        async def asked(stream: trio.SocketStream) -> None:
            with suppress(ActorError, trio.BrokenResourceError):  # a slow store, or a reader that has gone
                await stream.receive_some()
                latest = [f"{name}: {await stores.ask(Latest(name), timeout=1)}" for name in sorted(names)]
                body = "\n".join([*latest, str(gateway.tree()), ""]).encode()
                head = (
                    f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                await stream.send_all(head.encode() + body)

        async with trio.open_nursery() as nursery:
            for handler, number in ((connected, port), (asked, status_port)):
                [listener] = await trio.open_tcp_listeners(number, host="127.0.0.1")
                print("listening on", listener.socket.getsockname()[1], flush=True)
                nursery.start_soon(trio.serve_listeners, handler, [listener])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(serve, 7000, 7001)
