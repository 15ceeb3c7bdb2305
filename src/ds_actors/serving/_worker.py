"""One model as an actor: it takes batches, and a model that is lost ends the incarnation with its batch."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio
from attrs import define, field

from ds_actors import Actor, Exit
from ds_actors.detection.events import Sample
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._models import LoadedModel, ModelLost, ModelNotLoaded, OpenModel
from ds_actors.serving.queue import WaitingSample

_LOOKS_EVERY: Final = 0.25


@define(eq=False)
class ModelWorker(Actor[object]):
    """Loads a model, then judges one batch after the other.

    It retries nothing: a model that ends, hangs or uses too much memory is a crash, and the supervisor starts the next.
    """

    dispatcher: Dispatcher
    open_model: OpenModel
    load_timeout: float
    """Seconds until the model must be loaded."""
    batch_timeout: float
    """Seconds until a batch must be judged."""
    memory: int | None
    """Bytes that the model's process may use; None for any number."""
    not_loaded: list[str] = field(repr=False)
    """Why the model could not be loaded, when no model was ever loaded."""
    _batches: deque[list[WaitingSample]] = field(factory=deque[list[WaitingSample]], init=False, repr=False)
    """What the model holds: the batch that it judges, and those behind it."""

    async def run(self) -> None:
        """Serve until a stop is requested."""
        self.context.mark_unproven()
        self.dispatcher.set_worker(self.context.name, "loading")
        with trio.CancelScope() as scope:
            self.context.spawn(self._end_on_stop, scope)
            with trio.CancelScope(deadline=trio.current_time() + self.load_timeout) as loading:
                async with self.open_model() as model:
                    loading.deadline = float("inf")
                    self.context.spawn(self._watch_memory, model)
                    await self._serve(model)
            if loading.cancelled_caught:
                raise ModelLost(f"it was not loaded within {self.load_timeout:g} s")

    async def _serve(self, model: LoadedModel) -> None:
        while True:
            first = None
            if not self._batches:
                self.dispatcher.set_worker(self.context.name, "idle")
                first = await self.dispatcher.next_batch()
                self._batches.append(first)
                self.dispatcher.set_worker(self.context.name, "busy")
            with trio.move_on_after(self.batch_timeout) as judging:
                if first is not None:
                    await model.send(_samples(first))
                # While every model is busy, the next batch waits in the model's pipe, so that no time is lost between.
                while len(self._batches) < model.batches and (behind := self.dispatcher.batch_behind()):
                    self._batches.append(behind)
                    await model.send(_samples(behind))
                outcomes, seconds = await model.receive()
                self.dispatcher.judged(self._batches[0], outcomes, seconds)
                self._batches.popleft()
            if judging.cancelled_caught:
                raise ModelLost(f"it did not judge a batch within {self.batch_timeout:g} s")
            self.context.mark_healthy()

    async def _end_on_stop(self, scope: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        scope.cancel()

    async def _watch_memory(self, model: LoadedModel) -> None:
        while self.memory is not None:
            used = model.memory()
            if used is not None and used > self.memory:
                raise ModelLost(f"it used {used >> 20:,} MiB of memory, over the limit of {self.memory >> 20:,} MiB")
            await trio.sleep(_LOOKS_EVERY)

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Answer the batch that was being judged, let those behind it wait again, and say what happened."""
        batches, self._batches = list(self._batches), deque()
        error = exit.crash
        if error is None:
            for batch in batches:
                self.dispatcher.interrupted(batch)
        elif batches:
            self.dispatcher.failed(batches[0])
            for batch in batches[1:]:
                self.dispatcher.give_back(batch)
        self.dispatcher.set_worker(self.context.name, "down")
        if isinstance(error, ModelNotLoaded) and not self.dispatcher.loaded:
            self.not_loaded.append(str(error))
            self.dispatcher.changed.unpark_all()
        if error is not None:
            self.dispatcher.warn("lost", f"a model process was lost, and is replaced: {error}")


def _samples(batch: list[WaitingSample]) -> list[Sample]:
    return [waiting.sample for waiting in batch]
