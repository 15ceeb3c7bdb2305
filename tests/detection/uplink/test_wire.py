"""The wire: bytes that the documented service understands."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.uplink.wire import (
    SAMPLES_PER_TRACK,
    MalformedMessage,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
    samples_per_track,
)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(names, names, st.integers(0, 2**62), st.binary(max_size=200), st.sampled_from(["jpeg", "pcm"]))
def test_a_request_comes_back_as_it_went(participant: str, track: str, ms: int, data: bytes, kind: str) -> None:
    """Decoding undoes encoding, for any identity."""
    sample = Sample(participant, track, ms, data, format=kind)  # type: ignore[arg-type]
    assert decode_request(encode_request(sample)) == sample


@given(st.integers(0, 2**31 - 1), names, names, names)
def test_a_result_comes_back_as_it_went(number: int, participant: str, track: str, message: str) -> None:
    """Decoding undoes encoding, for numbers that are not known yet too."""
    result = WireResult(number, participant, track, message)
    assert decode_result(encode_result(result)) == result


def test_the_bytes_are_those_of_the_wire() -> None:
    """Field numbers and wire types, spelled out by hand."""
    sample = Sample("al", "TR", 5, b"\xff\xd8", format="pcm")
    assert encode_request(sample) == b"\x0a\x02al\x12\x02TR\x18\x05\x20\x02\x2a\x02\xff\xd8"
    assert encode_result(WireResult(4, "al", "TR", "hm")) == b"\x08\x04\x12\x02al\x1a\x02TR\x22\x02hm"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    """Nothing else is ever raised."""
    for decode in (decode_request, decode_result):
        with contextlib.suppress(MalformedMessage):
            decode(data)


def test_a_format_that_is_not_ours_is_malformed() -> None:
    """WEBP is on the wire's list and never sent by us."""
    with pytest.raises(MalformedMessage, match="format 1"):
        decode_request(b"\x20\x01")


def test_a_lone_surrogate_does_not_stop_a_sample() -> None:
    """An identity that is no valid Unicode is sent with a question mark."""
    assert decode_request(encode_request(Sample("a\ud800", "t", 0, b""))).participant == "a?"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"DS-Actors-Samples-Per-Track", b"1")], 1),
        ([(b"x", b"y"), (SAMPLES_PER_TRACK, b"16")], 16),
        ([(SAMPLES_PER_TRACK, b"0")], 1),
        ([(SAMPLES_PER_TRACK, b"-1")], None),
        ([(SAMPLES_PER_TRACK, b"9" * 9)], 999_999_999),
        ([(SAMPLES_PER_TRACK, b"9" * 10)], None),
        ([(SAMPLES_PER_TRACK, b"9" * 5_000)], None),
        ([], None),
    ],
)
def test_a_service_says_how_many_samples_of_a_track_may_wait(
    headers: list[tuple[bytes, bytes]], expected: int | None
) -> None:
    """Nonsense counts as nothing said."""
    assert samples_per_track(headers) == expected
