"""A service around a detector: the tree of its actors, and its lifetime.

service ─┬─ models     one actor per model, each with a process and a backoff of its own
         ├─ expiry     drops what waits beyond its deadline
         ├─ listener   the connections
         └─ status     liveness, readiness and metrics, with `status_port`
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import define, field
from trio_websocket import WebSocketRequest

from ds_actors import ChildSpec, Node, Supervisor, SupervisorSpec
from ds_actors.detection.events import Sample
from ds_actors.detectors import Detector, DetectorError, Finding, Invalid, Thresholds
from ds_actors.serving._client import ClientLimits
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._http import Metrics, StatusServer
from ds_actors.serving._listener import ClientListener
from ds_actors.serving._models import OpenModel, in_thread, open_process
from ds_actors.serving._reception import Reception
from ds_actors.serving._tree import BACKOFF, ModelLimits, judging_specs
from ds_actors.serving._upgrade import bind, client_url
from ds_actors.serving.queue import QueueLimits
from ds_actors.serving.status import ServiceStatus

Observe = Callable[[str, str, WebSocketRequest], Callable[[Sample], object]]


@define(eq=False)
class DetectorService:
    """A running service; use it in its trio thread only."""

    url: str
    status_url: str | None
    """Where /livez, /readyz and /metrics are."""
    _dispatcher: Dispatcher = field(repr=False)
    _supervisor: Supervisor = field(repr=False)
    _not_loaded: list[str] = field(repr=False)

    def status(self) -> ServiceStatus:
        """Return a snapshot of its counts and of its state."""
        return self._dispatcher.status()

    def tree(self) -> Node:
        """Return a snapshot of the tree of actors."""
        return self._supervisor.tree()

    async def wait_ready(self) -> None:
        """Wait until a model is loaded.

        Raises:
            DetectorError: when the first one cannot be loaded.
        """
        while not self._dispatcher.loaded:
            if self._not_loaded:
                raise DetectorError(self._not_loaded[0])
            await self._dispatcher.changed.park()

    async def drain(self, within: float = 5.0) -> bool:
        """Take no more samples, answer those that are there, and close the connections (1001).

        Args:
            within: seconds after which what is left is given up.

        Returns:
            Whether everything was answered and closed in time.
        """
        dispatcher = self._dispatcher
        dispatcher.draining.set()
        with trio.move_on_after(within):
            while dispatcher.unfinished or dispatcher.connections:
                await dispatcher.changed.park()
            return True
        return False


@asynccontextmanager
async def open_service(
    detector: str | Detector,
    *,
    thresholds: Thresholds | None = None,
    api_keys: Collection[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    queue: QueueLimits | None = None,
    clients: ClientLimits | None = None,
    models: ModelLimits | None = None,
    status_port: int | None = None,
    metrics: Metrics | None = None,
    timings: Callable[[str, float], object] | None = None,
    observe: Observe | None = None,
    outcomes: Callable[[Sample, Finding | Invalid], object] | None = None,
) -> AsyncGenerator[DetectorService]:
    """Run a service for the length of a block; it listens at once, and judges once a model is loaded.

    Args:
        detector: what `load_detector` takes, for models in processes of their own; or a detector, which then runs in a
            thread of this process, and nothing protects from its crashes and hangs.
        thresholds: map probabilities to levels.
        api_keys: the keys that it accepts; None accepts any key, and clients without one.
        host: address to listen on.
        port: port to listen on; 0 for any free one.
        tls: with it, the service speaks wss.
        queue: what waits, and how long.
        clients: what one connection may do.
        models: how many models there are, and what each may take.
        status_port: the port of /livez, /readyz and /metrics; 0 for any free one, None for none.
        metrics: returns what /metrics answers.
        timings: called with `batch_seconds` or `answer_seconds` and a duration.
        observe: called with each client's address, key and request; returns what is called with its samples.
        outcomes: called with each judged sample and what the detector made of it, before its answer is sent.

    Raises:
        OSError, UnicodeError: when an address cannot be listened on.
    """
    limits = models or ModelLimits()
    open_model: OpenModel = partial(open_process, detector) if isinstance(detector, str) else in_thread(detector)
    dispatcher = Dispatcher(
        queue or QueueLimits(), thresholds or Thresholds(), timings or _nothing, outcomes or _nothing
    )
    reception = Reception(dispatcher, api_keys, clients or ClientLimits(), observe)
    not_loaded: list[str] = []
    socket = await _listening(host, port)
    actual_port = socket.getsockname()[1]
    children: list[ChildSpec[Any] | SupervisorSpec] = [
        *judging_specs(dispatcher, open_model, limits, not_loaded),
        ChildSpec(
            ClientListener, reception, host, actual_port, tls, [socket], name="listener", backoff=BACKOFF, grace=2.0
        ),
    ]
    status_url = None
    if status_port is not None:
        try:
            status_socket = await _listening(host, status_port)
        except BaseException:
            socket.close()
            raise
        actual = status_socket.getsockname()[1]
        status_url = client_url("http", host, actual)
        children.append(
            ChildSpec(
                StatusServer,
                dispatcher,
                host,
                actual,
                metrics,
                [status_socket],
                name="status",
                backoff=BACKOFF,
                grace=0.1,
            )
        )
    url = client_url("ws" if tls is None else "wss", host, actual_port)
    async with Supervisor("service", children=children, close_within=5.0) as supervisor:
        yield DetectorService(url, status_url, dispatcher, supervisor, not_loaded)


async def _listening(host: str, port: int) -> trio.socket.SocketType:
    socket = await bind(host, port)
    try:
        socket.listen()
    except BaseException:
        socket.close()
        raise
    return socket


def _nothing(_what: object, _value: object) -> None:
    pass
