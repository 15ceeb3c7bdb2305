"""A room's events and state: handlers that are all taken off together, and whether it is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from livekit import rtc
from livekit.plugins.dataspike.log import logger


class _Emitter(Protocol):
    # The SDK's own annotations are partly unknown.
    def on(self, event: str, callback: Callable[..., object], /) -> object: ...
    def off(self, event: str, callback: Callable[..., object], /) -> None: ...


def is_connected(room: rtc.Room) -> bool:
    """Return whether what is published now goes out: joined, and not in the middle of a reconnect."""
    return room.isconnected() and room.connection_state == rtc.ConnectionState.CONN_CONNECTED


class Handlers:
    """A room's events; what a handler raises is logged, and harms no handler of others."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = cast("_Emitter", room)
        self._handlers: list[tuple[str, Callable[..., None]]] = []

    def on(self, event: str, handler: Callable[..., object]) -> None:
        """Call the handler at each event, with all that the SDK gives."""

        def guarded(*args: Any) -> None:
            # The SDK lets a TypeError through, and with it the handlers of others.
            try:
                handler(*args)
            except Exception:
                logger.exception("an event of the room could not be followed")

        self._room.on(event, guarded)
        self._handlers.append((event, guarded))

    def stop(self) -> None:
        """Take all handlers off."""
        for event, handler in self._handlers:
            self._room.off(event, handler)
        self._handlers.clear()
