"""A detector in a process of its own: what it answers, and how its ends are told."""

from __future__ import annotations

import os
import signal
import sys

import hostile_models
import pytest
import trio
from serving_kit import HOSTILE, sample

from ds_actors.detection.events import Sample
from ds_actors.detectors import Finding, Invalid
from ds_actors.serving._frames import Outcomes
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
