"""A detector inside the monitor that uses it: the same queue, models and wire, without an address."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from attrs import define, field

from ds_actors import Actor, ActorRef, ChildSpec, SupervisorSpec
from ds_actors.detection.embedded import EmbeddedParts
from ds_actors.detection.service import Dataspike
from ds_actors.detectors import Detector, Thresholds, as_detector
from ds_actors.detectors.thresholds import GUESSED
from ds_actors.serving._client import ClientLimits
from ds_actors.serving._dispatcher import Dispatcher, logger
from ds_actors.serving._listener import serve_stream
from ds_actors.serving._models import OpenModel, in_thread, open_process
from ds_actors.serving._reception import Reception
from ds_actors.serving._tree import BACKOFF, ModelLimits, judging_specs
from ds_actors.serving.queue import QueueLimits

_URL: Final = "ws://localhost/in-process"


class Local:
    """A detector of your own as a monitor's service: `Monitor(service=Local(...))`.

    Args:
        detector: what `load_detector` takes, for models in processes of their own; or a detector or a function, which
            then runs in a thread of this process, and nothing protects from its crashes and hangs.
        thresholds: map probabilities to levels.
        queue: what waits, and how long.
        models: how many models there are, and what each may take.

    Raises:
        DetectorError: when an object is no detector; a spec is loaded later, by the models.
    """

    def __init__(
        self,
        detector: str | Detector | Callable[..., object],
        *,
        thresholds: Thresholds | None = None,
        queue: QueueLimits | None = None,
        models: ModelLimits | None = None,
    ) -> None:
        self._open_model: OpenModel = (
            partial(open_process, detector) if isinstance(detector, str) else in_thread(as_detector(detector))
        )
        self._guessed = thresholds is None
        self._thresholds = thresholds or Thresholds()
        self._queue = queue or QueueLimits()
        self._models = models or ModelLimits()

    def parts(self) -> EmbeddedParts:
        """Return the parts for one monitor; log once when no thresholds were given."""
        if self._guessed:
            self._guessed = False
            logger.warning("%s: pass Local(thresholds=...)", GUESSED)
        dispatcher = Dispatcher(self._queue, self._thresholds)
        door = _Door(Reception(dispatcher, None, ClientLimits()))
        children = [
            *judging_specs(dispatcher, self._open_model, self._models, []),
            ChildSpec(_LocalListener, door, name="listener", backoff=BACKOFF, grace=0.5),
        ]
        return EmbeddedParts(
            Dataspike(api_key="in-process", url=_URL),
            door.connect,
            SupervisorSpec("service", children=children, backoff=BACKOFF, grace=1.0),
        )


@define(eq=False)
class _Door:
    """Where the uplink meets the service."""

    reception: Reception
    ref: ActorRef[trio.SocketStream] | None = field(default=None, init=False)

    async def connect(self, _service: Dataspike) -> trio.abc.Stream:
        """Return one end of a new pair of sockets, of which the service has the other.

        Raises:
            OSError: while the service is restarted.
        """
        await trio.lowlevel.checkpoint()
        ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
        if self.ref is None or not self.ref.tell(theirs):
            for end in (ours, theirs):
                end.socket.close()
            raise OSError("the service of this program is being restarted")
        return ours


@define(eq=False)
class _LocalListener(Actor[trio.SocketStream]):
    """Serves each connection of the uplink."""

    door: _Door

    async def started(self) -> None:
        """Open the door."""
        self.door.ref = self.context.ref

    async def receive(self, message: trio.SocketStream, /) -> None:
        """Serve one connection, beside the others."""
        self.context.spawn(self._serve, message)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            await serve_stream(self.door.reception, stream, "in-process")
        finally:
            await trio.aclose_forcefully(stream)
