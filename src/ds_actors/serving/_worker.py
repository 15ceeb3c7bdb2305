"""One model as an actor: it takes batches, and a model that is lost ends the incarnation with its batch."""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field

from ds_actors import Actor, Exit
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
    _batch: list[WaitingSample] = field(factory=list[WaitingSample], init=False, repr=False)

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
            self.dispatcher.set_worker(self.context.name, "idle")
            self._batch = await self.dispatcher.next_batch()
            self.dispatcher.set_worker(self.context.name, "busy")
            with trio.move_on_after(self.batch_timeout) as judging:
                outcomes, seconds = await model.judge([waiting.sample for waiting in self._batch])
                self.dispatcher.judged(self._batch, outcomes, seconds)
                self._batch = []
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
        """Answer the batch in hand, and say what happened."""
        batch, self._batch = self._batch, []
        error = exit.crash
        if batch and error is None:
            self.dispatcher.interrupted(batch)
        elif batch:
            self.dispatcher.failed(batch)
        self.dispatcher.set_worker(self.context.name, "down")
        if isinstance(error, ModelNotLoaded) and not self.dispatcher.loaded:
            self.not_loaded.append(str(error))
            self.dispatcher.changed.unpark_all()
        if error is not None:
            self.dispatcher.warn("lost", f"a model process was lost, and is replaced: {error}")
