"""Encodes and decodes the service's protobuf messages. Pure.

One binary WebSocket message is one protobuf message. The client sends samples, and the service sends results; the other
half of each is here for programs that play the service.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from google.protobuf.message import DecodeError

from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.uplink._streaming_pb2 import FrameRequest as _FrameRequest
from ds_actors.detection.uplink._streaming_pb2 import ResultEvent as _ResultEvent

_FORMATS: Final[dict[Literal["jpeg", "pcm"], _FrameRequest.Format]] = {
    "jpeg": _FrameRequest.JPEG,
    "pcm": _FrameRequest.PCM,
}
_NAMES: Final[dict[int, Literal["jpeg", "pcm"]]] = {int(number): name for name, number in _FORMATS.items()}


SAMPLES_PER_TRACK: Final = b"ds-actors-samples-per-track"
"""The header of an accepted upgrade in which a service says how many samples of a track may wait for answers."""


class MalformedMessage(ValueError):
    """Bytes are not the expected message."""


def encode_request(sample: Sample) -> bytes:
    """Return the FrameRequest of a sample; lone surrogates in the identity become question marks."""
    return _FrameRequest(
        participant_id=_utf8(sample.participant),
        track_id=_utf8(sample.track),
        timestamp_ms=sample.timestamp_ms,
        format=_FORMATS[sample.format],
        data=sample.data,
    ).SerializeToString()


def decode_request(data: bytes) -> Sample:
    """Return the sample of a FrameRequest; its `captured_at` is 0.0, since the wire does not carry it.

    Raises:
        MalformedMessage: when the bytes are not a FrameRequest, or its format is unknown.
    """
    message = _FrameRequest()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedMessage("not a FrameRequest") from error
    name = _NAMES.get(int(message.format))
    if name is None:
        raise MalformedMessage(f"format {int(message.format)} is not one of {', '.join(_FORMATS)}")
    return Sample(message.participant_id, message.track_id, message.timestamp_ms, message.data, format=name)


def encode_result(result: WireResult) -> bytes:
    """Return the ResultEvent of a result; unknown numbers are passed through."""
    message = _ResultEvent(
        participant_id=_utf8(result.participant), track_id=_utf8(result.track), message=_utf8(result.message)
    )
    message.type = result.number  # type: ignore[assignment]  # proto3 enums are open
    return message.SerializeToString()


def decode_result(data: bytes) -> WireResult:
    """Return the result of a ResultEvent.

    Raises:
        MalformedMessage: when the bytes are not a ResultEvent.
    """
    message = _ResultEvent()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedMessage("not a ResultEvent") from error
    return WireResult(int(message.type), message.participant_id, message.track_id, message.message)


def samples_per_track(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return how many samples of a track may wait for answers, None when the service does not say."""
    for name, value in headers:
        if name.lower() == SAMPLES_PER_TRACK and value.isdigit() and len(value) < 10:
            return max(1, int(value))
    return None


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
