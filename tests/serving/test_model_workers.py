"""A model as an actor: every batch that it took is answered, whatever becomes of the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from serving_kit import sample
from waiting import until_in_trio

from ds_actors import Supervisor
from ds_actors.detection.events import Sample
from ds_actors.detectors import Finding, Invalid, Thresholds
from ds_actors.serving import ModelLimits, QueueLimits
from ds_actors.serving._answers import Answer
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._models import LoadedModel
from ds_actors.serving._tree import judging_specs


class Careless:
    """Answers its first batch with too few outcomes."""

    batches = 0

    async def judge(self, samples: Sequence[Sample]) -> tuple[list[Finding | Invalid], float]:
        await trio.lowlevel.checkpoint()
        self.batches += 1
        outcomes: list[Finding | Invalid] = [Finding(0.1) for _ in samples]
        return outcomes[: -1 if self.batches == 1 else None], 0.0

    def memory(self) -> None:
        return None


def broken(_name: str, _value: float) -> None:
    raise RuntimeError("no such histogram")


async def test_a_worker_that_fails_while_it_answers_leaves_no_sample_without_an_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each sample has exactly one; the model is replaced, and judges the next batch."""
    dispatcher = Dispatcher(QueueLimits(batch=3), Thresholds())
    model, answers = Careless(), list[Answer]()

    @asynccontextmanager
    async def open_model() -> AsyncGenerator[LoadedModel]:
        yield model

    def take(answer: Answer) -> bool:
        answers.append(answer)
        return True

    number = dispatcher.join(take)
    async with Supervisor("test", children=judging_specs(dispatcher, open_model, ModelLimits(), [])):
        for expected in (["clear", "clear", "error"], ["clear"] * 3):
            answers.clear()
            for track in ("TR_a", "TR_b", "TR_c"):
                dispatcher.offer(number, sample(track=track))
            await until_in_trio(lambda: dispatcher.unfinished == 0)
            assert sorted(answer.level for answer in answers) == expected
            assert len({answer.result.track for answer in answers}) == 3
    assert dispatcher.status().lost == 1


async def test_a_duration_that_cannot_be_recorded_costs_no_model(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The sample has its verdict, and the log one line."""
    dispatcher = Dispatcher(QueueLimits(), Thresholds(), broken)
    number = dispatcher.join(lambda answer: True)
    dispatcher.offer(number, sample())
    dispatcher.judged(await dispatcher.next_batch(), [Finding(0.1)], 0.0)
    assert dispatcher.unfinished == 0
    assert [record.getMessage() for record in caplog.records] == [
        "a duration could not be recorded: RuntimeError: no such histogram"
    ]
