"""The service on a real socket, seen by a plain WebSocket client."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio
import trio.testing
from client_sockets import closed_at_the_end
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    open_websocket_url,
)
from waiting import until_in_trio

from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.uplink.wire import MalformedMessage, decode_result, encode_request
from ds_actors.sandbox import Sandbox, SandboxEvent, open_sandbox, parse_script
from ds_actors.sandbox.faults import Refuse, Slow

KEY = [(b"Authorization", b"Bearer k")]


def connect(sandbox: Sandbox, path: str = "", **more: Any) -> AbstractAsyncContextManager[WebSocketConnection]:
    return open_websocket_url(sandbox.url + path, extra_headers=KEY, disconnect_timeout=1, **more)


@pytest.fixture(autouse=True)
def _no_socket_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """trio-websocket's client leaves its socket open when the upgrade is refused."""
    with closed_at_the_end(monkeypatch):
        yield


def message(track: str = "TR_a", *, age: float = 0.0, data: bytes = b"pixels" * 30) -> bytes:
    return encode_request(Sample("alice", track, int((time.time() - age) * 1_000), data))


async def answer(websocket: WebSocketConnection) -> WireResult:
    with trio.fail_after(30):
        data = await websocket.get_message()
    assert isinstance(data, bytes)
    return decode_result(data)


async def test_it_listens_before_its_block_begins() -> None:
    """A client with the URL may connect at once, also from outside trio."""
    async with open_sandbox() as sandbox:
        socket.create_connection((sandbox.host, sandbox.port), timeout=30).close()


async def test_a_sample_is_answered_and_recorded() -> None:
    """The answer carries track and participant; the record has size and age, and no pixels."""
    told: list[SandboxEvent] = []
    async with open_sandbox(tell=told.append) as sandbox:
        async with connect(sandbox) as websocket:
            await websocket.send_message(message(age=0.5))
            assert await answer(websocket) == WireResult(int(ResultType.CLEAR), "alice", "TR_a")
            assert sandbox.connected == 1
        await until_in_trio(lambda: sandbox.connected == 0)
    (client,) = sandbox.clients
    (sample,) = client.samples
    assert (sample.participant, sample.track, sample.size) == ("alice", "TR_a", 180)
    assert 0.4 < sample.age < 1.5
    assert client.answers == sandbox.answers == {"clear": 1}
    (connection,) = client.connections
    assert (connection.ended_by, connection.code, connection.answered) == ("client", 1000, True)
    assert [event.what for event in told] == ["connected", "closed"]
    assert all(row.kept for row in sandbox.grade())
    assert "pixels" not in repr(client) + repr(sandbox)


async def test_the_networks_part_of_a_samples_age_is_measured() -> None:
    """The way from its first byte to its last, also of a fragment; and a ping, which is no answer."""
    async with open_sandbox() as sandbox:
        async with connect(sandbox) as websocket:
            await until_in_trio(lambda: sandbox.clients[0].round_trips)
            assert [attempt.answered for attempt in sandbox.clients[0].attempts] == [False]
            frame = masked(message(age=2.0))
            await websocket._stream.send_all(frame[:10])
            await trio.sleep(0.3)
            await websocket._stream.send_all(frame[10:] + masked(message()))
            await answer(websocket)
            await answer(websocket)
            await until_in_trio(lambda: len(sandbox.clients[0].round_trips) == 2)  # anew, since the first was late
            assert [attempt.answered for attempt in sandbox.clients[0].attempts] == [True]
    first, second = sandbox.samples
    assert 0.3 <= first.transfer < 2 < first.age
    assert second.transfer < 0.3
    assert all(0 <= measured.seconds < 2 for measured in sandbox.clients[0].round_trips)


def masked(payload: bytes) -> bytes:
    """Return a client's frame of these bytes (RFC 6455, 5.2); a mask of zeros changes none."""
    return struct.pack("!BBH4x", 0x82, 0x80 | 126, len(payload)) + payload


async def test_keys_are_checked_and_not_kept() -> None:
    """A wrong key and none are 401; a client is an address with a key."""
    async with open_sandbox(api_keys=["k"]) as sandbox:
        async with connect(sandbox):
            pass
        for headers in ([(b"Authorization", b"Bearer wrong")], [(b"Authorization", b"k")], []):
            with pytest.raises(ConnectionRejected) as raised:
                async with open_websocket_url(sandbox.url, extra_headers=headers):
                    pass
            assert raised.value.status_code == 401
        assert [[attempt.status for attempt in client.attempts] for client in sandbox.clients] == [
            [None],
            [401],
            [401, 401],
        ]
        assert "wrong" not in repr(sandbox.clients) + repr(sandbox)


async def test_a_key_in_the_url_is_graded() -> None:
    """However it is escaped."""
    async with open_sandbox() as sandbox:
        async with connect(sandbox, "/stream?token=%6B"):
            pass
        assert [row.rule for row in sandbox.grade() if not row.kept] == ["the key is in the header only"]


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_upgrades_are_refused_with_any_status(status: int) -> None:
    """Until the fault is cleared."""
    async with open_sandbox() as sandbox:
        sandbox.faults.refuse_upgrades(status)
        with pytest.raises(ConnectionRejected) as raised:
            async with connect(sandbox):
                pass
        assert raised.value.status_code == status
        sandbox.faults.clear()
        async with connect(sandbox):
            pass


async def test_throttling_says_when_to_come_back() -> None:
    """429 with Retry-After; the grade shows a client that did not wait."""
    async with open_sandbox() as sandbox:
        sandbox.faults.throttle(7)
        for _ in range(2):
            with pytest.raises(ConnectionRejected) as raised:
                async with connect(sandbox):
                    pass
            assert raised.value.status_code == 429
            assert (b"retry-after", b"7") in [(name.lower(), value) for name, value in raised.value.headers]
        assert [row.rule for row in sandbox.grade() if not row.kept] == ["waits as long as Retry-After says"]


async def test_connections_are_refused_and_the_port_is_kept() -> None:
    """As if nothing listened; open connections stay; afterwards the same URL works again."""
    async with open_sandbox() as sandbox, connect(sandbox) as early:
        url = sandbox.url
        for _ in range(2):
            sandbox.faults.refuse_connections()
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(HandshakeError) as raised:
                async with connect(sandbox):
                    pass
            assert isinstance(raised.value.__cause__, OSError)
            sandbox.faults.clear()
            await trio.testing.wait_all_tasks_blocked()
            assert sandbox.url == url
            async with connect(sandbox):
                pass
        await early.send_message(message())
        await answer(early)
        assert len(sandbox.attempts) == 3


async def test_a_drop_has_no_closing_handshake() -> None:
    """The client sees the end of the stream, and may come back at once."""
    async with open_sandbox() as sandbox:
        with pytest.raises(ConnectionClosed) as raised:
            async with connect(sandbox) as websocket:
                sandbox.faults.drop_now()
                await answer(websocket)
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1006
        async with connect(sandbox) as websocket:
            await websocket.send_message(message())
            await answer(websocket)
        assert [connection.ended_by for connection in sandbox.clients[0].connections] == ["service", "client"]


async def test_accept_and_close_names_its_code() -> None:
    """At once, or after a while of ordinary service."""
    async with open_sandbox() as sandbox:
        for code, after in [(4401, 0.0), (1011, 0.2)]:
            sandbox.faults.close_on_accept(code, after)
            with pytest.raises(ConnectionClosed) as raised:
                async with connect(sandbox) as websocket:
                    if after:
                        await websocket.send_message(message())
                        await answer(websocket)
                    await answer(websocket)
            assert raised.value.reason is not None
            assert raised.value.reason.code == code
        assert [connection.code for connection in sandbox.clients[0].connections] == [4401, 1011]


async def test_silence_lets_nothing_out_and_closes_nothing() -> None:
    """No pong, no result, though samples are read; when it is over the same connection works."""
    async with open_sandbox() as sandbox, connect(sandbox) as websocket:
        with trio.fail_after(30):
            await websocket.ping()
        sandbox.faults.silence()
        await websocket.send_message(message("TR_lost"))
        with trio.move_on_after(0.3) as waiting:
            await websocket.ping()
        assert waiting.cancelled_caught
        await until_in_trio(lambda: len(sandbox.samples) == 1)
        assert sandbox.connected == 1
        sandbox.faults.silent = False
        await websocket.send_message(message("TR_heard"))
        assert (await answer(websocket)).track == "TR_heard"


async def test_an_upgrade_in_silence_gets_no_answer() -> None:
    """The client's own deadline has to end it."""
    async with open_sandbox() as sandbox:
        sandbox.faults.silence()
        with trio.move_on_after(0.3) as waiting:
            async with connect(sandbox):
                pass
        assert waiting.cancelled_caught


async def test_slow_answers_hold_up_no_reading() -> None:
    """Forty answers, each half a second late, come together: half a second, not twenty."""
    async with open_sandbox() as sandbox, connect(sandbox) as websocket:
        sandbox.faults.slow(0.5)
        began = trio.current_time()
        for n in range(40):
            await websocket.send_message(message(f"TR_{n}"))
        assert [(await answer(websocket)).track for _ in range(40)] == [f"TR_{n}" for n in range(40)]
        assert 0.5 <= trio.current_time() - began < 15


async def test_garbage_and_oversized_answers() -> None:
    """Bytes that are no message, and one over 64 KiB."""
    async with open_sandbox() as sandbox, connect(sandbox) as websocket:
        sandbox.faults.garbage = True
        await websocket.send_message(message())
        with pytest.raises(MalformedMessage):
            await answer(websocket)
        sandbox.faults.garbage = False
        sandbox.faults.oversized = True
        await websocket.send_message(message())
        data = await websocket.get_message()
        assert len(data) > 64 * 1024
    assert sandbox.answers == {}


async def test_many_answers_to_one_sample() -> None:
    """A hundred results at once."""
    script = parse_script('[[verdict]]\nlevel = "alert"\nanswers = 100')
    async with open_sandbox(script=script) as sandbox, connect(sandbox) as websocket:
        await websocket.send_message(message())
        assert [(await answer(websocket)).number for _ in range(100)] == [int(ResultType.ALERT)] * 100


async def test_a_script_begins_and_ends_its_faults() -> None:
    """The script's faults come at their times, and do not end a fault begun by command."""
    script = parse_script('[[fault]]\nkind = "refuse"\nuntil = 2\n[[fault]]\nkind = "slow"\nuntil = 2')
    async with open_sandbox(script=script) as sandbox:
        await until_in_trio(lambda: sandbox.faults.active(Refuse) is not None)
        sandbox.faults.slow(9)
        await until_in_trio(lambda: sandbox.faults.active(Refuse) is None)
        assert 1.9 < sandbox.elapsed() < 30
        assert sandbox.faults.active(Slow) == Slow(9)


async def test_strangers_do_not_take_the_service_down() -> None:
    """Noise instead of HTTP, a reset in the upgrade, text and malformed messages, one over the limit."""
    async with open_sandbox() as sandbox:
        upgrade = (
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        )
        for noise in (
            b"",
            b"GET",
            b"\0\xff" * 100,
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            upgrade + b"Sec-WebSocket-Extensions: \xff\r\n\r\n",
            upgrade + b"Sec-WebSocket-Protocol: \xe9\r\n\r\n",
        ):
            stream = await trio.open_tcp_stream("127.0.0.1", sandbox.port)
            if noise:
                await stream.send_all(noise)
            if noise.startswith(upgrade):
                with trio.fail_after(20):
                    assert await stream.receive_some() == b""
            await trio.aclose_forcefully(stream)
        async with connect(sandbox) as websocket:
            await websocket.send_message("text")
            await websocket.send_message(b"\xff\xff")
            await websocket.send_message(message())
            await answer(websocket)
            assert sandbox.malformed == 2
        with pytest.raises(ConnectionClosed):
            async with connect(sandbox) as websocket:
                await websocket.send_message(message(data=bytes(17 * 1024 * 1024)))
                await answer(websocket)
        async with connect(sandbox) as websocket:
            await websocket.send_message(message())
            await answer(websocket)


@pytest.mark.parametrize("kind", [ZeroDivisionError, UnicodeError])
async def test_verdicts_that_crash_are_not_hidden(kind: type[Exception]) -> None:
    """Their author gets the error, also one that a client's headers may raise."""

    def broken(_sample: Sample, _now: float) -> ResultType:
        raise kind

    with pytest.RaisesGroup(kind, flatten_subgroups=True, allow_unwrapped=True):
        async with open_sandbox(broken) as sandbox, connect(sandbox) as websocket:
            await websocket.send_message(message())
            await trio.sleep_forever()


async def test_an_address_in_use_is_an_error_at_once() -> None:
    """Before anything is served."""
    async with open_sandbox() as sandbox:
        with pytest.raises(OSError, match="in use"):
            async with open_sandbox(port=sandbox.port):
                pass
