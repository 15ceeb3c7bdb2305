"""A detector in a process of its own: what it answers, and how its ends are told."""

from __future__ import annotations

import math
import os
import signal
import sys

import hostile_models
import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from serving_kit import HOSTILE, sample

from ds_actors.detection.events import Sample
from ds_actors.detectors import Finding, Invalid
from ds_actors.serving._frames import (
    LENGTH,
    BrokenFrameError,
    Outcomes,
    batch_frame,
    decode_batch,
    decode_outcomes,
    decode_ready,
    encode_error,
    encode_outcomes,
    encode_ready,
    longest_outcomes,
)
from ds_actors.serving._models import LoadedModel, ModelLost, ModelNotLoaded, ProcessModel, open_process

pytestmark = pytest.mark.timeout(200)


async def judge(model: LoadedModel, samples: list[Sample]) -> tuple[Outcomes, float]:
    await model.send(samples)
    return await model.receive()


async def test_a_batch_is_judged_in_order() -> None:
    """With the sample that is no picture, the one that fails and the one that is NaN as errors."""
    samples = [
        sample(),
        sample(256, painted=0.5),
        sample(data=b"pixels"),
        sample(hostile_models.FAILS),
        sample(hostile_models.NAN),
        sample(hostile_models.PRINTS),
    ]
    with trio.fail_after(100):
        async with open_process(HOSTILE) as model:
            for _ in range(2):
                outcomes, seconds = await judge(model, samples)
                assert outcomes == [
                    Finding(0.0),
                    Finding(1.0),
                    Invalid("unreadable", "it is not a JPEG"),
                    Invalid("failed", "RuntimeError: no memory left"),
                    Invalid("not_a_number", "nan"),
                    Finding(0.0),
                ]
                assert 0 < seconds < 100


async def test_a_process_that_dies_says_by_which_signal() -> None:
    """As a segmentation fault would."""
    with trio.fail_after(100):
        async with open_process(HOSTILE) as model:
            with pytest.raises(ModelLost, match=f"ended by signal {int(signal.SIGABRT)}"):
                await judge(model, [sample(hostile_models.DIES)])


async def test_a_detector_that_cannot_be_loaded_says_why() -> None:
    """The text is that of the error in the other process."""
    with trio.fail_after(100):
        with pytest.raises(ModelNotLoaded, match="no attribute 'nothing'"):
            async with open_process("hostile_models:nothing"):
                pass


async def test_the_process_is_gone_at_the_end_of_the_block() -> None:
    """Also when it hangs."""
    with trio.fail_after(100):
        async with open_process(HOSTILE) as model:
            assert isinstance(model, ProcessModel)
            pid = model._process.pid
            with trio.move_on_after(0.1):
                await judge(model, [sample(hostile_models.HANGS)])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_ends_when_its_service_is_gone() -> None:
    """Its pipe ends."""
    with trio.fail_after(100):
        async with open_process(HOSTILE) as model:
            assert isinstance(model, ProcessModel)
            assert model._process.stdin is not None
            await model._process.stdin.aclose()
            assert await model._process.wait() == 0


async def test_a_process_whose_service_was_gone_before_it_began_ends() -> None:
    """It compares its parent with the id that it was given, not with the parent that it finds."""
    command = [sys.executable, "-m", "ds_actors.serving._child", "hostile_models:Endless", str(os.getppid())]
    with trio.fail_after(100):
        result = await trio.run_process(command, capture_stdout=True, check=False)
    assert result.returncode == 1


@pytest.mark.parametrize("written", [hostile_models.REPEATS, hostile_models.BABBLES], ids=["old answer", "no message"])
async def test_a_process_that_answers_with_something_else_is_lost(written: int) -> None:
    """Another batch's answer, or no message at all, is never taken for the answer to this one."""
    with trio.fail_after(100):
        async with open_process("hostile_models:judge") as model:
            with pytest.raises(ModelLost, match=r"another batch|no message|too long"):
                for _ in range(2):
                    await judge(model, [sample(written)])


async def test_answers_that_are_longer_than_a_pipe_do_not_wait_for_the_next_batch() -> None:
    """While the process writes them, the service may be writing a batch that no pipe holds either."""
    samples = [sample(painted=0.5)] * 400
    with trio.fail_after(100):
        async with open_process("hostile_models:Wordy") as model:
            await model.send(samples)
            await model.send(samples)
            for _ in range(2):
                outcomes, _ = await model.receive()
                assert len(outcomes) == 400


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
