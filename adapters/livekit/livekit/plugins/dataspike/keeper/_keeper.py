"""RoomKeeper: sees to it that every room is watched, by asking LiveKit for dispatches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

import trio
from attrs import evolve
from livekit.plugins.dataspike.keeper.actors import build_keeper_tree
from livekit.plugins.dataspike.keeper.records import KeeperRecord
from livekit.plugins.dataspike.keeper.rooms import LiveKitRooms, ServerUnavailable
from livekit.plugins.dataspike.keeper.rules import RoomAction, SeenRoom
from livekit.plugins.dataspike.keeper.status import KeeperCollector, KeeperStatus
from livekit.plugins.dataspike.log import logger
from prometheus_client import REGISTRY, CollectorRegistry

from ds_actors.asyncio import LoopBridge, LoopClosed, TrioThread

CLOSE_WITHIN: Final = 5.0
EVERY: Final = 2.0


class RoomKeeper:
    """Requests a dispatch for every room that has people and no live detector; use it with `async with`.

    LiveKit dispatches when a room is created, and never again: not when a worker dies, nor when all were full. The
    keeper decides nothing but that a room needs a detector; which worker gets it is the server's choice. You can
    restart it at any time, and run two at once.

    Args:
        agent_name: of the workers that run the detector; empty for workers without a name.
        url: the LiveKit server's; else LIVEKIT_URL.
        api_key: else LIVEKIT_API_KEY.
        api_secret: else LIVEKIT_API_SECRET.
        wanted: called in the loop's thread with a room's name, which is hostile input; a room for which it returns
            False is left alone. By default all rooms are kept.
        every: seconds between two looks.
        registry: where the metrics are; None for nowhere.

    Raises:
        ValueError: when `every` is not above 0.

    Example:
        ```python
        async with RoomKeeper(agent_name="deepfake") as keeper:
            await keeper.wait()
        ```
    """

    def __init__(
        self,
        *,
        agent_name: str = "",
        url: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        wanted: Callable[[str], bool] = lambda _room: True,
        every: float = EVERY,
        registry: CollectorRegistry | None = REGISTRY,
    ) -> None:
        if not 0 < every < float("inf"):
            raise ValueError(f"every must be a finite number of seconds above 0, not {every!r}")
        self._open_rooms = partial(LiveKitRooms, url, api_key, api_secret, agent_name=agent_name, wanted=wanted)
        self._every = every
        self._registry = registry
        self._collector = KeeperCollector(self.status)
        self._record = KeeperRecord()
        self._thread = TrioThread()
        self._stop: trio.Event | None = None
        self._ended: asyncio.Future[None] | None = None
        self._rooms: LiveKitRooms | None = None
        self._bridge: LoopBridge | None = None

    async def __aenter__(self) -> Self:
        """Start; return when the first look is under way.

        Raises:
            ValueError: when the URL, the key or the secret is missing.
            RuntimeError: when it was started before.
        """
        if self._rooms is not None:
            raise RuntimeError("a keeper can be started once: make another one")
        self._rooms, self._bridge = self._open_rooms(), LoopBridge()
        self._ended = self._bridge.loop.create_future()
        try:
            await self._thread.start(self._run)
        except BaseException:
            await self._leave()
            raise
        if self._registry is not None:
            self._registry.register(self._collector)
        logger.info("the keeper looks at the rooms of the LiveKit server every %g s", self._every)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._rooms is not None
        assert self._bridge is not None
        if self._registry is not None:
            self._registry.unregister(self._collector)
        if self._stop is not None:
            self._bridge.tell(self._stop.set)
        await self._leave()
        self._record.status = evolve(self._record.status, state="closed")

    async def _leave(self) -> None:
        assert self._rooms is not None
        left = self._thread.leave()
        try:
            await asyncio.wait({left}, timeout=CLOSE_WITHIN)
            if not left.done():
                logger.warning("the keeper did not stop within %g s; its thread is left behind", CLOSE_WITHIN)
        finally:
            await self._rooms.aclose()

    async def wait(self) -> None:
        """Wait until the keeper ends; raise what ended it."""
        assert self._ended is not None
        await asyncio.shield(self._ended)

    def status(self) -> KeeperStatus:
        """Return a frozen snapshot, from any thread."""
        return self._record.status

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        assert self._bridge is not None
        assert self._rooms is not None
        assert self._ended is not None
        self._bridge.attach()
        self._stop = trio.Event()
        failure: Exception | None = None
        try:
            tree = build_keeper_tree(_Bridged(self._bridge, self._rooms), self._record, self._every)
            async with tree, trio.open_nursery() as nursery:
                self._record.status = evolve(self._record.status, state="running")
                task_status.started()
                nursery.start_soon(self._stop_when_lost, self._stop)
                await self._stop.wait()
                nursery.cancel_scope.cancel()
        except Exception as error:
            failure = error
            self._record.status = evolve(self._record.status, state="failed")
            logger.exception("the keeper failed: no dispatch is requested any more")
        finally:
            self._bridge.post(_settle, self._ended, failure)

    async def _stop_when_lost(self, stop: trio.Event) -> None:
        assert self._bridge is not None
        await self._bridge.wait_lost()
        stop.set()


class _Bridged:
    """The server, seen from trio."""

    def __init__(self, bridge: LoopBridge, rooms: LiveKitRooms) -> None:
        self._bridge = bridge
        self._rooms = rooms

    @property
    def left_out(self) -> int:
        return self._rooms.left_out

    async def look(self) -> Sequence[SeenRoom]:
        try:
            return await self._bridge.call(self._rooms.look)
        except LoopClosed:
            raise ServerUnavailable("the keeper's loop is closed") from None

    async def perform(self, action: RoomAction) -> None:
        try:
            await self._bridge.call(self._rooms.perform, action)
        except LoopClosed:
            raise ServerUnavailable("the keeper's loop is closed") from None


def _settle(future: asyncio.Future[None], failure: Exception | None) -> None:
    if not future.done():
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
            future.exception()  # marks it as retrieved: there may be no waiter
