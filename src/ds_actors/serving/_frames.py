"""What a service and its model processes tell each other: lengths and bytes, and JSON about them. Pure.

A model process is not trusted: each batch has a number that its outcomes must repeat, and each value is checked.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
from collections.abc import Sequence
from typing import Any, Final, Literal, cast, get_args

from ds_actors._text import plain
from ds_actors.detectors.findings import REASON_LIMIT, Fault, Finding, Invalid

LENGTH: Final = struct.Struct(">I")
"""Before each message: its length in bytes."""
LONGEST_READY: Final = 64 * 1024
"""Bytes of the longest message about the loading of a detector."""
_ERROR_LIMIT: Final = 4_000
"""Characters of the reason why a detector could not be loaded."""
_LONGEST_OUTCOME: Final = 16 * REASON_LIMIT
"""Bytes of one outcome: JSON takes up to 12 for a character."""
_LONGEST_HEAD: Final = 1_024
_FAULTS: Final = frozenset(get_args(Fault))

Kinds = Sequence[tuple[Literal["jpeg", "pcm"], bytes]]
Outcomes = list[Finding | Invalid]


class BrokenFrameError(ValueError):
    """A message of a model process that is none."""


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return LENGTH.pack(len(message)) + message


def longest_outcomes(count: int) -> int:
    """Return the bytes of the longest answer to a batch of `count` samples."""
    return _LONGEST_HEAD + count * _LONGEST_OUTCOME


def encode_ready() -> bytes:
    """Return the message that the detector is loaded."""
    return b'{"ready": true}'


def encode_error(text: str) -> bytes:
    """Return the message that the detector could not be loaded."""
    return json.dumps({"error": plain(text, _ERROR_LIMIT)}).encode()


def decode_ready(message: bytes) -> str | None:
    """Return why the detector could not be loaded; None when it is loaded.

    Raises:
        BrokenFrameError: when the message says neither.
    """
    found = _decode_object(message)
    if found.get("ready") is True:
        return None
    error = found.get("error")
    if not isinstance(error, str):
        raise BrokenFrameError("the model process did not say whether its detector is loaded")
    return plain(error, _ERROR_LIMIT)


def batch_frame(number: int, samples: Kinds) -> bytes:
    """Return a batch of that number as a message with its length before it."""
    head = json.dumps([number, [[form, len(data)] for form, data in samples]]).encode()
    length = LENGTH.size + len(head) + sum(len(data) for _, data in samples)
    # One copy of the samples, and one call to write them.
    return b"".join([LENGTH.pack(length), LENGTH.pack(len(head)), head, *(data for _, data in samples)])


def decode_batch(message: bytes) -> tuple[int, list[tuple[Literal["jpeg", "pcm"], bytes]]]:
    """Return the number of a batch, and its samples."""
    (length,) = LENGTH.unpack_from(message)
    place = LENGTH.size + length
    number, rows = json.loads(message[LENGTH.size : place])
    samples: list[tuple[Literal["jpeg", "pcm"], bytes]] = []
    for form, size in rows:
        samples.append((form, message[place : place + size]))
        place += size
    return number, samples


def encode_outcomes(number: int, outcomes: Sequence[Finding | Invalid], seconds: float) -> bytes:
    """Return the outcomes of the batch of that number, and the seconds that it took, as a message."""
    rows = [
        [outcome.fault, plain(outcome.detail, REASON_LIMIT)]
        if isinstance(outcome, Invalid)
        else [None, None if outcome.probability is None else float(outcome.probability), outcome.reason]
        for outcome in outcomes
    ]
    return json.dumps({"batch": number, "outcomes": rows, "seconds": seconds}).encode()


def decode_outcomes(message: bytes, number: int, count: int) -> tuple[Outcomes, float]:
    """Return the outcomes of the batch of that number with `count` samples, and the seconds that it took.

    Raises:
        BrokenFrameError: when the message is anything else.
    """
    answer = _decode_object(message)
    rows, seconds = answer.get("outcomes"), _number(answer.get("seconds"))
    if type(answer.get("batch")) is not int or answer["batch"] != number:
        raise BrokenFrameError("the answer of the model process belongs to another batch")
    if not isinstance(rows, list) or len(cast("list[object]", rows)) != count:
        raise BrokenFrameError("the answer of the model process does not match its batch")
    if seconds is None or not 0 <= seconds < math.inf:
        raise BrokenFrameError("the model process did not say how long its batch took")
    return [_outcome(row) for row in cast("list[object]", rows)], seconds


def _decode_object(message: bytes) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BrokenFrameError("the model process wrote something that is no message")
    return cast("dict[str, Any]", found)


def _outcome(row: object) -> Finding | Invalid:
    try:
        match row:
            case [None, None, str(reason)]:
                return Finding(None, reason)
            case [None, float() | int() as probability, str(reason)] if not isinstance(probability, bool):
                return Finding(float(probability), reason)
            case [str(fault), str(detail)] if fault in _FAULTS:
                return Invalid(cast("Fault", fault), plain(detail, REASON_LIMIT))
            case _:
                pass
    except (ValueError, OverflowError):
        pass  # no probability, or no reason
    raise BrokenFrameError("an outcome of the model process is not valid")


def _number(value: object) -> float | None:
    if isinstance(value, float | int) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
    return None
