"""The actor that looks from time to time whether the tracks that should be checked are checked."""

from __future__ import annotations

from typing import Final, Protocol

import trio
from attrs import define

from ds_actors import Actor

LOOK_EVERY: Final = 5.0
"""Seconds between two looks."""


class WatchHost(Protocol):
    """The interface that the watch needs from its monitor; no method may wait."""

    def look(self) -> None:
        """Look at the coverage of all tracks."""
        ...


@define(eq=False)
class CoverageWatch(Actor[None]):
    """Calls the host every 5 s; what it has seen belongs to the host."""

    host: WatchHost

    async def run(self) -> None:
        """Look until a stop is requested."""
        with trio.CancelScope() as until_stopped:
            self.context.spawn(self._cancel_on_stop, until_stopped)
            while True:
                self.host.look()
                await trio.sleep(LOOK_EVERY)

    async def _cancel_on_stop(self, scope: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        scope.cancel()
