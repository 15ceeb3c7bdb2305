"""The boundaries of WebSocket frames, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.uplink.frames import HEAD_LIMIT, FrameScanner, UpgradeAnswer

CONTINUATION, TEXT, BINARY, PING = 0, 1, 2, 9


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = False) -> bytes:
    """Return a frame (RFC 6455, 5.2)."""
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([size | mask])
    elif size < 1 << 16:
        head = bytes([126 | mask]) + size.to_bytes(2, "big")
    else:
        head = bytes([127 | mask]) + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if final else 0)]) + head + (b"\0\0\0\0" if masked else b"") + payload


def message(size: int, parts: int, *, masked: bool) -> list[bytes]:
    """Return a message of so many frames, each with so many bytes."""
    opcodes = [BINARY] + [CONTINUATION] * (parts - 1)
    return [frame(code, bytes(size), final=n == parts, masked=masked) for n, code in enumerate(opcodes, 1)]


@given(
    messages=st.lists(
        st.tuples(st.sampled_from([0, 1, 125, 126, 70_000]), st.sampled_from([1, 2, 3, 64]), st.booleans()), max_size=3
    ),
    cut=st.sampled_from([1_000, 4_096, 100_000]),
    ping=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_every_message_is_counted_however_it_is_cut(
    messages: list[tuple[int, int, bool]], cut: int, ping: bool
) -> None:
    """Control frames inside a message belong to no message."""
    between = frame(PING, b"p") if ping else b""
    stream = b"".join(between.join(message(size, parts, masked=masked)) for size, parts, masked in messages)
    scanner = FrameScanner()
    for at in range(0, len(stream), cut):
        assert scanner.feed(stream[at : at + cut]) is None
    assert (scanner.completed, scanner.unfinished) == (len(messages), False)


def test_messages_and_control_frames_are_counted_apart() -> None:
    """Opcodes from 8 on are control frames (RFC 6455, 5.5); one inside a message ends nothing."""
    scanner = FrameScanner()
    stream = [frame(TEXT, b"x", final=False), frame(PING), frame(CONTINUATION, b"y"), frame(8, b"\x03\xe8"), frame(10)]
    counts: list[tuple[int, int, int]] = []
    for part in [*stream, frame(7)]:
        assert scanner.feed(part) is None
        counts.append((scanner.completed, scanner.messages, scanner.controls))
    assert counts == [(0, 0, 0), (0, 0, 1), (1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 3)]


def test_a_message_may_have_64_frames_and_no_more() -> None:
    """Whether they are empty or not, and with control frames in between."""
    for payload in (b"", b"xy"):
        scanner = FrameScanner()
        fragments = frame(TEXT, payload, final=False) + frame(PING) + frame(CONTINUATION, payload, final=False) * 63
        assert scanner.feed(fragments) is None
        assert scanner.unfinished
        assert scanner.feed(frame(CONTINUATION, payload)) == "a message of the service has more than 64 frames"


def test_a_frame_is_unfinished_from_its_first_byte_to_its_last() -> None:
    """Also in its header."""
    scanner, whole = FrameScanner(), frame(BINARY, bytes(300))
    for at in range(len(whole)):
        assert scanner.unfinished == (at > 0)
        scanner.feed(whole[at : at + 1])
    assert not scanner.unfinished


@given(interim=st.integers(0, 3), cut=st.integers(1, 200), body=st.binary(max_size=100))
def test_frames_begin_behind_the_head_with_101_however_it_is_cut(interim: int, cut: int, body: bytes) -> None:
    """Answers that announce another come before it."""
    stream = b"HTTP/1.1 103 Early\r\n\r\n" * interim + b"HTTP/1.1 101 Go\r\nX: y\r\n\r\n" + body
    answer, found = UpgradeAnswer(), None
    for at in range(0, len(stream), cut):
        if found is None:
            found = answer.feed(stream[at : at + cut])
        else:
            found += stream[at : at + cut]
    assert (found, answer.is_rejection) == (body, False)


def test_behind_a_rejection_there_are_no_frames() -> None:
    """Whatever its body looks like."""
    for status in (b"401 No", b"200 OK"):
        answer = UpgradeAnswer()
        assert answer.feed(b"HTTP/1.1 " + status + b"\r\n\r\n" + bytes(999)) is None
        assert answer.feed(b"HTTP/1.1 101 Go\r\n\r\n") is None
        assert answer.is_rejection


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 401 No\r\nX: ", b"HTTP/1.1 100 Wait\r\n\r\n" * 700 + b"HTTP/1.1 102 X\r\n"]
)
def test_a_head_ends_within_its_limit(head: bytes) -> None:
    """An answer to the upgrade that never ends, or is announced again and again, is no answer."""
    answer = UpgradeAnswer()
    for at in range(0, len(head), 100):
        assert answer.feed(head[at : at + 100]) is None
    assert answer.feed(b"x" * (HEAD_LIMIT - len(head))) is None
    assert answer.violation == ""
    assert answer.feed(b"x") is None
    assert "more than 16,384 bytes" in answer.violation
    assert answer.feed(b"\r\n\r\nHTTP/1.1 101 Go\r\n\r\n") is None


def test_a_body_may_be_longer_than_a_head() -> None:
    """A rejection stays one, and frames stay frames."""
    rejection, acceptance = UpgradeAnswer(), UpgradeAnswer()
    assert rejection.feed(b"HTTP/1.1 401 No\r\n\r\n" + bytes(HEAD_LIMIT)) is None
    assert (rejection.is_rejection, rejection.violation) == (True, "")
    assert acceptance.feed(b"HTTP/1.1 101 Go\r\n\r\n" + bytes(HEAD_LIMIT)) == bytes(HEAD_LIMIT)
    assert acceptance.violation == ""
