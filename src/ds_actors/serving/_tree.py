"""The actors that judge: their specs, and what each model may take."""

from __future__ import annotations

from typing import Any, Final

from attrs import define

from ds_actors import Actor, ChildSpec, ExponentialBackoff, SupervisorSpec
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._models import ModelLost, ModelNotLoaded, OpenModel
from ds_actors.serving._worker import ModelWorker

BACKOFF: Final = ExponentialBackoff(base=0.1, cap=5.0)
_MODEL_BACKOFF: Final = ExponentialBackoff(base=0.25, cap=5.0)


@define(eq=False)
class ModelLimits:
    """How many models there are, and what each may take.

    Raises:
        ValueError: for figures that make no sense.
    """

    workers: int = 1
    """Models, each in a process of its own."""
    load_timeout: float = 300.0
    """Seconds until a model must be loaded."""
    batch_timeout: float = 10.0
    """Seconds until a batch must be judged; after that, its process is ended and replaced."""
    memory: int | None = None
    """Bytes of memory that a model's process may use before it is replaced, where /proc says what it uses."""

    def __attrs_post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be 1 or more, not {self.workers!r}")
        for name in ("load_timeout", "batch_timeout", "memory"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value!r}")


def judging_specs(
    dispatcher: Dispatcher, open_model: OpenModel, limits: ModelLimits, not_loaded: list[str]
) -> list[ChildSpec[Any] | SupervisorSpec]:
    """Return the specs of the models, and of what drops samples beyond their deadline."""
    models = [
        ChildSpec(
            ModelWorker,
            dispatcher,
            open_model,
            limits.load_timeout,
            limits.batch_timeout,
            limits.memory,
            not_loaded,
            name=f"model-{number}",
            backoff=_MODEL_BACKOFF,
            stable_after=0.0,  # a model is healthy once it has judged a batch
            grace=1.0,
            expected=(ModelLost, ModelNotLoaded),  # the dispatcher says which ones are worth a line
        )
        for number in range(1, limits.workers + 1)
    ]
    return [
        SupervisorSpec("models", children=models, backoff=BACKOFF),
        ChildSpec(Expiry, dispatcher, name="expiry", backoff=BACKOFF, grace=0.1),
    ]


@define(eq=False)
class Expiry(Actor[object]):
    """Drops what waits beyond its deadline."""

    dispatcher: Dispatcher

    async def run(self) -> None:
        """Look until a stop is requested."""
        self.context.spawn(self.dispatcher.expire)
        await self.context.wait_stop_requested()
