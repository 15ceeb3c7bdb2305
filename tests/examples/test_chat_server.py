"""The chat server, as a process of its own, over real sockets."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field

SERVER = Path(__file__).parents[2] / "examples" / "chat_server.py"


class Client:
    """One connection, line by line."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def say(self, *lines: str) -> None:
        await self.stream.send_all("".join(f"{line}\n" for line in lines).encode())

    async def hears(self) -> str:
        with trio.fail_after(20):
            while b"\n" not in self._buffer:
                chunk = await self.stream.receive_some()
                if not chunk:
                    return "(closed)"
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


@define
class Chat:
    """A server in a process of its own, and the connections to it."""

    process: subprocess.Popen[str]
    port: int
    clients: list[Client] = field(factory=list[Client])

    async def connect(self) -> Client:
        client = Client(await trio.open_tcp_stream("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def enter(self, name: str) -> Client:
        client = await self.connect()
        await client.say(name)
        assert await client.hears() == f"* {name} is here"
        return client


def started() -> subprocess.Popen[str]:
    command = [sys.executable, str(SERVER), "0"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@asynccontextmanager
async def serving() -> AsyncGenerator[Chat]:
    with started() as process:
        try:
            assert process.stdout is not None
            chat = Chat(process, int(process.stdout.readline().rpartition(":")[2]))
            yield chat
            for client in chat.clients:
                await client.stream.aclose()
        finally:
            process.kill()


async def test_a_crashing_room_costs_its_members_one_line() -> None:
    """No member is disconnected or joins again, and what is said while the room is away arrives."""
    async with serving() as chat:
        alice = await chat.enter("alice")
        bob = await chat.enter("bob")
        assert await alice.hears() == "* bob is here"
        await bob.say("hello")
        assert await alice.hears() == "bob: hello"
        await bob.say("/crash", "still here?", "/who")
        assert await alice.hears() == "bob: still here?"
        assert await bob.hears() == "* alice, bob"
        chat.process.send_signal(signal.SIGINT)
        said, log = chat.process.communicate(timeout=60)
        assert await alice.hears() == "(closed)"
    assert chat.process.returncode == 0
    assert said == "closed\n"
    assert log.count("/chat/rooms/lobby crashed (in hand: Say)") == 1
    assert "hello" not in log


async def test_members_come_go_and_change_rooms() -> None:
    """A name is taken while it is in a room; who leaves, or just hangs up, is gone for the others."""
    async with serving() as chat:
        alice = await chat.enter("alice")
        impostor = await chat.connect()
        await impostor.say("alice", "mallory")
        assert await impostor.hears() == "* choose another name"
        assert await impostor.hears() == "* mallory is here"
        assert await alice.hears() == "* mallory is here"
        await alice.say("/join kitchen", "/who")
        assert await impostor.hears() == "* alice has left"
        assert await alice.hears() == "* alice is here"
        assert await alice.hears() == "* alice"
        bob = await chat.enter("bob")
        assert await impostor.hears() == "* bob is here"
        await bob.stream.aclose()
        assert await impostor.hears() == "* bob has left"
        await impostor.say("/quit")
        assert await impostor.hears() == "(closed)"


@pytest.mark.parametrize("bytes_sent", [b"x" * 5_000, b"\xff\x1b[2J\n/quit\n"])
async def test_what_is_no_line_ends_one_connection_only(bytes_sent: bytes) -> None:
    """A line without end closes its own connection; what a terminal would obey is not passed on."""
    async with serving() as chat:
        alice = await chat.enter("alice")
        odd = await chat.connect()
        await odd.stream.send_all(bytes_sent)
        while await odd.hears() != "(closed)":
            pass
        await alice.say("/who")
        line = ""
        while not line.startswith("* alice"):
            line = await alice.hears()
            assert line.isprintable()
