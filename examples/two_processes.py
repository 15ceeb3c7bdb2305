"""One tree per process, and a NATS server between them: `python two_processes.py [PATH OF nats-server]`.

The first process supervises the server and the second process as programs, publishes three words, and prints what
comes back. The second one answers each word in capitals. Who loses the connection crashes, and is started again.
"""

from __future__ import annotations

import sys

import trio
from attrs import define, field, frozen

from ds_actors import Actor, ActorRef, ExponentialBackoff, Supervisor
from ds_actors.processes import LineMatches, PortOpens, Program, ProgramActor

HOST = "127.0.0.1"


@frozen
class Publish:
    subject: str
    payload: bytes


@frozen
class Pong: ...


@frozen
class Received:
    payload: bytes


@define(eq=False)
class Broker(Actor[Publish | Pong]):
    """One connection to the server: it publishes what it is told, and tells another actor what comes."""

    port: int
    subject: str
    receiver: ActorRef[Received]
    _stream: trio.SocketStream = field(init=False)

    async def started(self) -> None:
        self._stream = await trio.open_tcp_stream(HOST, self.port)
        hello = f'CONNECT {{"verbose":false}}\r\nSUB {self.subject} 1\r\nPING\r\n'
        await self._stream.send_all(hello.encode())
        subscribed = trio.Event()
        self.context.spawn(self._read, subscribed)
        await subscribed.wait()

    async def receive(self, message: Publish | Pong, /) -> None:
        match message:
            case Publish(subject, payload):
                await self._stream.send_all(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
            case Pong():
                await self._stream.send_all(b"PONG\r\n")

    async def _read(self, subscribed: trio.Event) -> None:
        kept = b""
        async with self._stream:
            async for chunk in self._stream:
                kept += chunk
                while b"\r\n" in kept:
                    line, _, rest = kept.partition(b"\r\n")
                    match line.split():
                        case [b"MSG", *_, size]:
                            length = int(size)
                            if len(rest) < length + 2:
                                break  # the rest of the payload is on its way
                            self.receiver.tell(Received(rest[:length]))
                            rest = rest[length + 2 :]
                        case [b"PING"]:
                            self.context.ref.tell(Pong())
                        case [b"PONG"]:
                            subscribed.set()
                        case [b"-ERR", *_]:
                            raise ConnectionError(line.decode())
                        case _:
                            pass
                    kept = rest
        raise ConnectionError("the broker closed the connection")


@define(eq=False)
class Shouter(Actor[Received]):
    """Answers in capitals, by way of the broker next to it."""

    async def receive(self, message: Received, /) -> None:
        self.context.supervisor.find_actor("broker").tell(Publish("answers", message.payload.upper()))


@define(eq=False)
class Printer(Actor[Received]):
    done: trio.Event
    _left: int = 3

    async def receive(self, message: Received, /) -> None:
        print("answer:", message.payload.decode(), flush=True)
        self._left -= 1
        if not self._left:
            self.done.set()


async def second(port: int) -> None:
    async with Supervisor("second") as tree:
        shouter = await tree.start(Shouter, name="shouter")
        await tree.start(Broker, port, "words", shouter, name="broker", backoff=ExponentialBackoff(base=0.05, cap=2))
        print("subscribed", flush=True)
        await trio.sleep_forever()


async def first(server: str) -> None:
    port, done = await free_port(), trio.Event()
    nats = Program([server, "--addr", HOST, "--port", str(port)], ready=PortOpens(port))
    other = Program([sys.executable, __file__, "--second", str(port)], ready=LineMatches("^subscribed$"))
    async with Supervisor("first", "rest_for_one") as tree:
        await tree.start(ProgramActor, nats, name="nats")
        await tree.start(ProgramActor, other, name="other")
        printer = await tree.start(Printer, done, name="printer")
        broker = await tree.start(Broker, port, "answers", printer, name="broker", backoff=ExponentialBackoff())
        for word in (b"ada", b"bob", b"eve"):
            broker.tell(Publish("words", word))
        with trio.fail_after(20):
            await done.wait()


async def free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--second", port]:
            trio.run(second, int(port))
        case [program]:
            trio.run(first, program)
        case _:
            trio.run(first, "nats-server")
