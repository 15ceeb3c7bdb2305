"""What a service and its model processes tell each other."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detectors import Finding, Invalid
from ds_actors.detectors.findings import REASON_LIMIT
from ds_actors.serving._frames import (
    LENGTH,
    BrokenFrameError,
    batch_frame,
    decode_batch,
    decode_outcomes,
    decode_ready,
    encode_error,
    encode_outcomes,
    encode_ready,
    framed,
    longest_outcomes,
)

_TEXTS = st.text(st.characters(categories=["L", "N"]), max_size=200)
_OUTCOMES = st.lists(
    st.one_of(
        st.builds(Finding, st.floats(0, 1), _TEXTS),
        st.builds(Finding, reason=st.text("abc", min_size=1)),
        st.builds(Invalid, st.sampled_from(["failed", "unreadable"]), _TEXTS),
    )
)


@given(st.integers(0), _OUTCOMES, st.floats(0, 10), st.lists(st.tuples(st.sampled_from(["jpeg", "pcm"]), st.binary())))
def test_what_is_told_arrives_unchanged(
    number: int, outcomes: list[Finding | Invalid], seconds: float, samples: list[object]
) -> None:
    """Batches there, outcomes back; the longest answer is within its bound."""
    told = encode_outcomes(number % 2**63, outcomes, seconds)
    assert decode_outcomes(told, number % 2**63, len(outcomes)) == (outcomes, seconds)
    assert len(told) <= longest_outcomes(len(outcomes))
    frame = batch_frame(number, samples)  # type: ignore[arg-type]
    assert LENGTH.unpack_from(frame) == (len(frame) - LENGTH.size,)
    assert decode_batch(frame[LENGTH.size :]) == (number, samples)


def test_a_number_of_another_type_arrives() -> None:
    """A finding of a detector may hold what numpy computed."""
    told = encode_outcomes(1, [Finding(np.float32(0.5))], 0.0)  # type: ignore[arg-type]
    assert decode_outcomes(told, 1, 1) == ([Finding(0.5)], 0.0)


def answer(batch: str = "7", row: str = '[null, 0.5, ""]', seconds: str = "0.1") -> bytes:
    return f'{{"batch": {batch}, "outcomes": [{row}], "seconds": {seconds}}}'.encode()


def test_the_answer_that_the_next_test_damages_is_right() -> None:
    """Else the next test would prove nothing."""
    assert decode_outcomes(answer(), 7, 1) == ([Finding(0.5)], 0.1)


_HUGE = "9" * 400
_NO_OUTCOMES = ("", "null", "[]", "{}", '{"0": null}', "[null]", "[null, 0.5]", '[null, 0.5, ""], 0', "[null, 0.5, 1]")
_NO_FAULTS = ('["lost", ""]', '["failed"]', '["failed", 5]', '[["failed"], ""]', '[null, null, ""]')
_NO_PROBABILITIES = ("2", "-0.1", "NaN", "Infinity", "true", "[]", '"1"', _HUGE)
_NO_SECONDS = ("null", "-1", "NaN", "Infinity", "true", '"1"', "[]", _HUGE)
_DAMAGED = [
    *(b"", b"\xff", b"[]", b"{}", b'{"outcomes": []}', b"[" * 100_000, b'{"batch": 7, "seconds": 0.1}'),
    *(answer(batch=batch) for batch in ("6", "8", "null", "true", '"7"', "7.0")),
    *(answer(row=row) for row in (*_NO_OUTCOMES, *_NO_FAULTS, '[null, null, "\\u0000"]')),
    *(answer(row=f'[null, {value}, ""]') for value in _NO_PROBABILITIES),
    *(answer(seconds=seconds) for seconds in _NO_SECONDS),
]


@pytest.mark.parametrize("message", _DAMAGED, ids=range(len(_DAMAGED)))
def test_what_is_no_answer_to_the_batch_is_refused(message: bytes) -> None:
    """A process may be broken in any way; no damage becomes an outcome, or an error of another type."""
    with pytest.raises(BrokenFrameError):
        decode_outcomes(message, 7, 1)


@given(st.binary(max_size=100), st.data())
def test_damage_is_refused_or_harmless(noise: bytes, data: st.DataObject) -> None:
    """Where it is not noticed, what results is a finding with a probability, or a fault with its name."""
    right = answer()
    place = data.draw(st.integers(0, len(right)))
    try:
        (outcome,), seconds = decode_outcomes(right[:place] + noise + right[place + len(noise) :], 7, 1)
    except BrokenFrameError:
        return
    assert isinstance(outcome, Finding | Invalid)
    assert 0 <= seconds < math.inf


def test_a_process_says_that_it_is_loaded_or_why_not() -> None:
    """Anything else is no beginning."""
    assert decode_ready(encode_ready()) is None
    assert decode_ready(encode_error("no \x1b[31mweights")) == "no [31mweights"
    for message in (b"", b"{}", b"[]", b'{"ready": false}', b'{"ready": 1}', b'{"error": 5}', b'{"error": null}'):
        with pytest.raises(BrokenFrameError):
            decode_ready(message)


def test_a_message_has_its_length_before_it() -> None:
    """In four bytes, the highest first."""
    assert framed(b"abc") == b"\0\0\0\3abc"


def test_texts_of_a_model_process_are_cut_and_fit_to_be_shown() -> None:
    """Where they are written and where they are read: a process may write anything."""
    assert decode_ready(encode_error("e" * 5_000)) == "e" * 4_000
    assert decode_ready(json.dumps({"error": "no \x1b" + "e" * 5_000}).encode()) == "no " + "e" * 3_997
    long = "d" * 2 * REASON_LIMIT
    invalid = Invalid("failed", "d" * REASON_LIMIT)
    assert decode_outcomes(encode_outcomes(1, [Invalid("failed", long)], 0.0), 1, 1) == ([invalid], 0.0)
    assert decode_outcomes(answer(row=f'["failed", "{long}"]'), 7, 1)[0] == [invalid]


def test_an_answer_belongs_to_its_batch_alone() -> None:
    """Also where the number is that of no batch, and the batch is empty."""
    assert decode_outcomes(encode_outcomes(0, [], 0.0), 0, 0) == ([], 0.0)
    for number, count in ((1, 0), (0, 1)):
        with pytest.raises(BrokenFrameError):
            decode_outcomes(encode_outcomes(0, [], 0.0), number, count)


def test_the_longest_answer_to_a_batch_is_within_its_bound() -> None:
    """Each sample failed with the longest text, of characters that JSON writes with twelve bytes each."""
    outcomes = [Invalid("not_a_number", "\U0001d49c" * REASON_LIMIT)] * 100
    told = encode_outcomes(2**63, outcomes, 1e-300)
    assert 100 * 12 * REASON_LIMIT < len(told) <= longest_outcomes(100)
