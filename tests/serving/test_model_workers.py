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
from ds_actors.serving._answers import SampleAnswer
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._models import LoadedModel, ModelLost, OpenModel
from ds_actors.serving._tree import judging_specs


class Scripted:
    """A model that answers when it is told to; its first batch is answered with too few outcomes, on request."""

    def __init__(self, *, careless: bool = False, waits: bool = False) -> None:
        self.careless, self.answered = careless, trio.Event()
        if not waits:
            self.answered.set()
        self.batches = 2
        self.sent: list[list[str]] = []
        self.lost = False
        self._received = 0

    async def send(self, samples: Sequence[Sample]) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append([sample.track for sample in samples])

    async def receive(self) -> tuple[list[Finding | Invalid], float]:
        await trio.lowlevel.checkpoint()
        await self.answered.wait()
        if self.lost:
            raise ModelLost("it was ended by signal 9")
        batch = self.sent[self._received]
        self._received += 1
        outcomes: list[Finding | Invalid] = [Finding(0.1) for _ in batch]
        return outcomes[: -1 if self.careless and self._received == 1 else None], 0.0

    def memory(self) -> None:
        return None


def opening(*models: Scripted) -> OpenModel:
    """Return what opens the first model, then the next."""
    left = list(models)

    @asynccontextmanager
    async def open_model() -> AsyncGenerator[LoadedModel]:
        yield left.pop(0) if len(left) > 1 else left[0]

    return open_model


def broken(_name: str, _value: float) -> None:
    raise RuntimeError("no such histogram")


async def test_a_worker_that_fails_while_it_answers_leaves_no_sample_without_an_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each sample has exactly one; the model is replaced, and judges the next batch."""
    dispatcher = Dispatcher(QueueLimits(batch=3), Thresholds())
    open_model, answers = opening(Scripted(careless=True), Scripted()), list[SampleAnswer]()

    def take(answer: SampleAnswer) -> bool:
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


async def test_only_the_batch_that_was_judged_ends_with_its_model(autojump_clock: trio.testing.MockClock) -> None:
    """While every model is busy, the next batch waits in the model's pipe; when the model is lost, it waits again."""
    dispatcher = Dispatcher(QueueLimits(), Thresholds())
    first, answers = Scripted(waits=True), list[SampleAnswer]()

    def take(answer: SampleAnswer) -> bool:
        answers.append(answer)
        return True

    number = dispatcher.join(take)
    async with Supervisor("test", children=judging_specs(dispatcher, opening(first, Scripted()), ModelLimits(), [])):
        for track in ("TR_a", "TR_b", "TR_c"):
            dispatcher.offer(number, sample(track=track))
        await until_in_trio(lambda: len(first.sent) == 2)
        assert (dispatcher.status().judging, dispatcher.status().waiting) == (2, 1)
        first.lost = True
        first.answered.set()
        await until_in_trio(lambda: dispatcher.unfinished == 0)
    assert [(answer.result.track, answer.level) for answer in answers] == [
        ("TR_a", "error"),
        ("TR_b", "clear"),
        ("TR_c", "clear"),
    ]
    assert (dispatcher.status().lost, dispatcher.status().batches) == (1, 2)


async def test_no_batch_waits_behind_another_one_while_a_model_is_idle(autojump_clock: trio.testing.MockClock) -> None:
    """It would be judged later than it could."""
    dispatcher = Dispatcher(QueueLimits(), Thresholds())
    models = [Scripted(waits=True), Scripted(waits=True)]
    number = dispatcher.join(lambda answer: True)
    children = judging_specs(dispatcher, opening(*models), ModelLimits(workers=2), [])
    async with Supervisor("test", children=children):
        await until_in_trio(lambda: list(dispatcher.status().workers.values()) == ["idle", "idle"])
        for track in ("TR_a", "TR_b"):
            dispatcher.offer(number, sample(track=track))
        await until_in_trio(lambda: dispatcher.status().judging == 2)
        await trio.sleep(1.0)
        assert [len(model.sent) for model in models] == [1, 1]
        for model in models:
            model.answered.set()
