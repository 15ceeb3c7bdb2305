"""The keeper's tree, in trio.

keeper ─┬─ looks     asks the server every few seconds and decides; own backoff while the server is unavailable
        └─ actions   dynamic: one actor for each room that is acted on, never restarted: the next look decides anew
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio
from attrs import define
from livekit.plugins.dataspike.keeper.records import KeeperRecord
from livekit.plugins.dataspike.keeper.rooms import ServerUnavailable
from livekit.plugins.dataspike.keeper.rules import AT_ONCE, RoomAction, SeenRoom

from ds_actors import Actor, ChildSpec, ExponentialBackoff, Latest, StartFailed, Supervisor, SupervisorSpec

ACTION_WITHIN: Final = 20.0
"""Seconds for all requests of one action."""
_BACKOFF: Final = ExponentialBackoff(base=1.0, cap=10.0)
EXPECTED: Final = (ServerUnavailable, trio.TooSlowError)


class Rooms(Protocol):
    """A server, seen from trio."""

    @property
    def left_out(self) -> int:
        """How many rooms above the limit the last look left out."""
        ...

    async def look(self) -> Sequence[SeenRoom]:
        """Return the rooms that should be watched, or raise ServerUnavailable."""
        ...

    async def perform(self, action: RoomAction) -> None:
        """Do it, or raise ServerUnavailable."""
        ...


class LookNow:
    """It is time to look."""


@define
class Looks(Actor[LookNow]):
    """Looks at all rooms and starts what the rules decide. A server that does not answer is a crash."""

    rooms: Rooms
    record: KeeperRecord
    every: float
    draw: Callable[[], float]

    async def started(self) -> None:
        """Look at once, and then regularly; a look takes as long as the server does, and is never queued twice."""
        self.context.mark_unproven()
        self.context.ref.tell(LookNow())
        self.context.send_every(self.every, LookNow())

    async def receive(self, message: LookNow, /) -> None:
        """Look, and start what the rules decide."""
        try:
            seen = await self.rooms.look()
        except ServerUnavailable as error:
            self.record.unavailable(str(error), trio.current_time())
            raise
        self.context.mark_healthy()
        for action in self.record.looked(seen, trio.current_time(), self.draw(), self.rooms.left_out):
            await self._begin(action)

    async def _begin(self, action: RoomAction) -> None:
        actions = self.context.supervisor.find_supervisor("actions")
        spec = ChildSpec(
            RoomActor, self.rooms, self.record, action, name=action.sid, restart="temporary", expected=EXPECTED
        )
        try:
            await actions.start(spec)
        except (StartFailed, ValueError):
            self.record.action_postponed()  # there are enough of them, or one for this room still runs


@define
class RoomActor(Actor[None]):
    """Performs one action and ends."""

    rooms: Rooms
    record: KeeperRecord
    action: RoomAction

    async def run(self) -> None:
        """Perform the action, and end."""
        try:
            with trio.fail_after(ACTION_WITHIN):
                await self.rooms.perform(self.action)
        except EXPECTED as error:
            self.record.action_failed(self.action, str(error) or f"not done within {ACTION_WITHIN:g} s")
            raise
        self.record.performed(self.action)
        self.context.stop()


def build_keeper_tree(
    rooms: Rooms, record: KeeperRecord, every: float, draw: Callable[[], float] = random.random
) -> Supervisor:
    """Return the supervisor of a keeper, not started yet."""
    return Supervisor(
        "keeper",
        children=[
            SupervisorSpec("actions", "dynamic", max_children=AT_ONCE, backoff=_BACKOFF, grace=1.0),
            ChildSpec(
                Looks,
                rooms,
                record,
                every,
                draw,
                name="looks",
                mailbox=Latest[LookNow],
                backoff=_BACKOFF,
                expected=(ServerUnavailable,),
                grace=1.0,
            ),
        ],
        close_within=3.0,
    )
