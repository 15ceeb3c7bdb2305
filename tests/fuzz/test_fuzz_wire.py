"""The wire in both directions: messages, frames, answers to the upgrade, and whole connections."""

from __future__ import annotations

import base64
import hashlib
import itertools
import math
import re
from contextlib import suppress

import trio
from fuzzing import SHARES, damaged, fuzzed
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from ds_actors.detection import Dataspike, ResultType, Sample
from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import WireResult
from ds_actors.detection.uplink.close_reasons import closed, parse_head, rejected
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.frames import FrameScanner
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.receiving import start_receiving
from ds_actors.detection.uplink.wire import (
    MalformedMessage,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
)
from ds_actors.sandbox._connection import Service, serve_client, without_clients_errors
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.records import ClientRecord
from ds_actors.testing import run_virtual

NAMES = st.text(max_size=12)
RESULTS = st.builds(WireResult, st.integers(-(2**31), 2**31 - 1), NAMES, NAMES, NAMES)
SAMPLES = st.builds(Sample, NAMES, NAMES, st.integers(0, 2**63 - 1), st.binary(max_size=40))
SERVICE = Dataspike(api_key="k", url="ws://127.0.0.1:1")


def test_every_input_belongs_to_a_target() -> None:
    """The shares are a whole."""
    assert sum(SHARES.values()) == 100


@fuzzed("results")
@given(damaged(RESULTS.map(encode_result)) | st.binary(max_size=60))
def test_bytes_of_the_service_are_a_result_or_malformed(data: bytes) -> None:
    """Nothing else comes out; a result that is written again is the same."""
    with suppress(MalformedMessage):
        result = decode_result(data)
        assert decode_result(encode_result(result)) == result
        assert ResultType.from_wire(result.number) in ResultType


@fuzzed("requests")
@given(damaged(SAMPLES.map(encode_request)) | st.binary(max_size=60))
def test_bytes_of_a_client_are_a_sample_or_malformed(data: bytes) -> None:
    """As above."""
    with suppress(MalformedMessage):
        sample = decode_request(data)
        assert decode_request(encode_request(sample)) == sample


def frame(payload: bytes, opcode: int = 2, *, final: bool = True, length: int | None = None) -> bytes:
    """Return a WebSocket frame of a server; `length` may lie."""
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if final else 0)])
    if size < 126:
        return head + bytes([size]) + payload
    return head + (b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big")) + payload


FRAMES = st.builds(
    frame,
    RESULTS.map(encode_result) | st.binary(max_size=20),
    st.sampled_from([0, 1, 2, 2, 2, 8, 9, 10, 3, 15]),
    final=st.booleans(),
    length=st.none() | st.integers(0, 2**63),
)
TALK = damaged(st.lists(FRAMES, max_size=6).map(b"".join)) | st.binary(max_size=60)


@fuzzed("frames")
@given(TALK, st.lists(st.integers(0, 80), max_size=5))
def test_frames_are_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    """The scanner fails on nothing, and counts what it counts of the whole."""
    whole, pieces = FrameScanner(), FrameScanner()
    broken = whole.feed(data)
    places = sorted({0, *cuts, len(data)})
    found = [pieces.feed(data[begin:end]) for begin, end in itertools.pairwise(places)]
    assert next((why for why in found if why), None) == broken
    if broken is None:
        assert (whole.completed, whole.unfinished) == (pieces.completed, pieces.unfinished)


HEADS = st.tuples(
    st.sampled_from([b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 429 No", b"HTTP/1.0 401", b"HTTP/1.1 503 x"]),
    st.lists(
        st.sampled_from([b"Retry-After: 7", b"retry-after: Fri, 02 Jan 2026 03:04:35 GMT", b"Upgrade: websocket"])
    ),
).map(lambda parts: b"\r\n".join([parts[0], *parts[1], b"", b""]))


@fuzzed("heads")
@given(damaged(HEADS) | st.binary(max_size=80), st.none() | st.integers(-1, 70_000), st.none() | st.text(max_size=20))
def test_every_end_of_a_connection_has_a_meaning(head: bytes, code: int | None, reason: str | None) -> None:
    """Refused or unreachable, on one line, with a wait within its bound."""
    answer = parse_head(head)
    errors = [closed(code, reason)] + ([] if answer is None else [rejected(*answer, 1_767_323_045.0)])
    for error in errors:
        assert isinstance(error, Refused | Unreachable)
        assert str(error).isprintable()
        if isinstance(error, Unreachable) and error.retry_after is not None:
            assert 0 <= error.retry_after <= 300
            assert math.isfinite(error.retry_after)


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)
LINES = st.sampled_from([b"Sec-WebSocket-Extensions: \xff", b"Sec-WebSocket-Protocol: \xe9", b"Content-Length: x"])
ACCEPTANCES = st.lists(LINES, max_size=2).map(lambda lines: b"\r\n".join([ACCEPTED[:-4], *lines, b"", b""]))


@fuzzed("service")
@given(st.none() | damaged(HEADS | ACCEPTANCES), TALK, st.integers(1, 70), st.booleans())
def test_whatever_a_service_says_a_connection_ends_as_refused_or_unreachable(
    head: bytes | None, talk: bytes, size: int, ends: bool
) -> None:
    """Garbage instead of the answer to the upgrade or after it, in pieces of any size, and then silence or the end."""

    async def serve(stream: trio.abc.Stream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        data = (ACCEPTED if head is None else head).replace(b"%s", accept) + talk
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            for at in range(0, len(data), size):
                await stream.send_all(data[at : at + size])
            if ends:
                await stream.aclose()
            while await stream.receive_some():
                pass

    said: list[str] = []

    async def main() -> None:
        results: list[WireResult] = []
        async with trio.open_nursery() as nursery:

            async def connect(_service: Dataspike) -> trio.abc.Stream:
                await trio.lowlevel.checkpoint()
                ours, theirs = memory_stream_pair()
                nursery.start_soon(serve, theirs)
                return ours

            heartbeat = Heartbeat(0.0)
            try:
                with trio.fail_after(120):
                    async with open_websocket(SERVICE, connect=connect, heartbeat=heartbeat) as websocket:
                        async with trio.open_nursery() as tasks:
                            start_receiving(tasks, websocket, heartbeat, result=results.append, malformed=lambda: None)
            except UplinkError as error:
                said.append(str(error))
            nursery.cancel_scope.cancel()

    run_virtual(main)
    assert len(said) == 1
    assert said[0].isprintable()


UPGRADE = (
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Authorization: Bearer k\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


ASKED = st.sampled_from([b"Host: a..b", b"Sec-WebSocket-Extensions: \xff", b"Sec-WebSocket-Protocol: \xe9", b"X: y"])
UPGRADES = st.lists(ASKED, max_size=2).map(lambda lines: b"\r\n".join([UPGRADE[:-4], *lines, b"", b""]))


def masked(data: bytes) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x82" + length + bytes(4) + data


@fuzzed("client")
@given(
    damaged(UPGRADES) | st.just(UPGRADE),
    damaged(st.lists(SAMPLES.map(encode_request).map(masked), max_size=4).map(b"".join)),
    st.integers(1, 70),
)
def test_whatever_a_client_says_the_sandbox_serves_the_next(head: bytes, talk: bytes, size: int) -> None:
    """Its connection ends as a connection does, within a bound, and its record adds up."""
    client = ClientRecord("client 1")

    def find(_address: str, _key: str) -> ClientRecord:
        return client

    def tell(_what: str, _client: ClientRecord, _detail: str) -> None:
        pass

    async def judge(sample: Sample) -> list[WireResult]:
        await trio.lowlevel.checkpoint()
        return [WireResult(ResultType.CLEAR, sample.participant, sample.track)]

    async def main() -> None:
        ours, theirs = memory_stream_pair()
        service = Service(Faults(), trio.current_time, judge, find, lambda _: True, tell)

        async def speak() -> None:
            data = head + talk
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                for at in range(0, len(data), size):
                    await ours.send_all(data[at : at + size])
                await ours.send_eof()
                while await ours.receive_some():
                    pass

        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak)
                with without_clients_errors():
                    await serve_client(service, theirs, "127.0.0.1")
                await trio.aclose_forcefully(theirs)

    run_virtual(main)
    assert client.received == len(client.samples)
    assert all(attempt.ended is not None for attempt in client.attempts)
