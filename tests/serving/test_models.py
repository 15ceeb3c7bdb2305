"""A detector in a process of its own: what it answers, and how its ends are told."""

from __future__ import annotations

import os
import signal

import hostile_models
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from serving_kit import HOSTILE, sample

from ds_actors.detectors import Finding, Invalid
from ds_actors.serving._frames import (
    BrokenFrameError,
    decode_batch,
    decode_outcomes,
    encode_batch,
    encode_outcomes,
)
from ds_actors.serving._models import ModelLost, ModelNotLoaded, ProcessModel, open_process

pytestmark = pytest.mark.timeout(200)


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
                outcomes, seconds = await model.judge(samples)
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
                await model.judge([sample(hostile_models.DIES)])


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
                await model.judge([sample(hostile_models.HANGS)])
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


_OUTCOMES = st.lists(
    st.one_of(
        st.builds(Finding, st.floats(0, 1)),
        st.builds(Finding, reason=st.text("abc", min_size=1)),
        st.builds(Invalid, st.sampled_from(["failed", "unreadable"]), st.text()),
    )
)


@given(_OUTCOMES, st.floats(0, 10), st.lists(st.tuples(st.sampled_from(["jpeg", "pcm"]), st.binary())))
def test_what_is_told_arrives_unchanged(
    outcomes: list[Finding | Invalid], seconds: float, samples: list[object]
) -> None:
    """Batches there, outcomes back."""
    assert decode_outcomes(encode_outcomes(outcomes, seconds), len(outcomes)) == (outcomes, seconds)
    assert decode_batch(encode_batch(samples)) == samples  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [b"", b"\xff", b"[]", b"{}", b'{"outcomes": []}', b'{"outcomes": [[null, 2, ""]]}', b'{"outcomes": [[]]}'],
)
def test_what_is_no_answer_to_the_batch_is_refused(message: bytes) -> None:
    """A process may be broken in any way."""
    with pytest.raises(BrokenFrameError):
        decode_outcomes(message, 1)
