"""What a service and its model processes tell each other: lengths and bytes, and JSON about them. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

from ds_actors.detectors.findings import Fault, Finding, Invalid

LENGTH: Final = struct.Struct(">I")
"""Before each message: its length in bytes."""

Kinds = Sequence[tuple[Literal["jpeg", "pcm"], bytes]]


class BrokenFrameError(ValueError):
    """A message of a model process that is none."""


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return LENGTH.pack(len(message)) + message


def encode_batch(samples: Kinds) -> bytes:
    """Return a batch as a message."""
    head = json.dumps([[form, len(data)] for form, data in samples]).encode()
    return LENGTH.pack(len(head)) + head + b"".join(data for _, data in samples)


def decode_batch(message: bytes) -> list[tuple[Literal["jpeg", "pcm"], bytes]]:
    """Return the samples of a batch."""
    (length,) = LENGTH.unpack_from(message)
    place = LENGTH.size + length
    samples: list[tuple[Literal["jpeg", "pcm"], bytes]] = []
    for form, size in json.loads(message[LENGTH.size : place]):
        samples.append((form, message[place : place + size]))
        place += size
    return samples


def encode_outcomes(outcomes: Sequence[Finding | Invalid], seconds: float) -> bytes:
    """Return the outcomes of a batch, and the seconds that it took, as a message."""
    rows = [
        [outcome.fault, outcome.detail] if isinstance(outcome, Invalid) else [None, outcome.probability, outcome.reason]
        for outcome in outcomes
    ]
    return json.dumps({"outcomes": rows, "seconds": seconds}).encode()


def decode_outcomes(message: bytes, count: int) -> tuple[list[Finding | Invalid], float]:
    """Return the outcomes of a batch of `count` samples, and the seconds that it took.

    Raises:
        BrokenFrameError: when the message is anything else.
    """
    answer = decode_object(message)
    rows: Any = answer.get("outcomes")
    if not isinstance(rows, list) or len(cast("list[object]", rows)) != count:
        raise BrokenFrameError("the answer of the model process does not match its batch")
    try:
        return [_outcome(row) for row in cast("list[object]", rows)], float(answer.get("seconds", 0.0))
    except (TypeError, ValueError, IndexError) as error:
        raise BrokenFrameError(f"the answer of the model process is not valid: {error}") from None


def decode_object(message: bytes) -> dict[str, Any]:
    """Return a message that is a JSON object.

    Raises:
        BrokenFrameError: when it is not.
    """
    try:
        found = json.loads(message)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BrokenFrameError("the model process wrote something that is no message")
    return cast("dict[str, Any]", found)


def _outcome(row: Any) -> Finding | Invalid:
    if row[0] is None:
        return Finding(row[1], row[2])
    return Invalid(cast("Fault", str(row[0])), str(row[1]))
