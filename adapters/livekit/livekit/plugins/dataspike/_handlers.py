"""A room's events and state: handlers that are removed together, and whether the room is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from livekit import rtc
from livekit.plugins.dataspike.log import logger

from ds_actors.detection.log_fields import current_log_fields, log_fields


class _Emitter(Protocol):
    # The SDK's own annotations are incomplete.
    def on(self, event: str, callback: Callable[..., object], /) -> object: ...
    def off(self, event: str, callback: Callable[..., object], /) -> None: ...


def is_connected(room: rtc.Room) -> bool:
    """Return whether a packet published now is sent: the room is joined and not reconnecting."""
    return room.isconnected() and room.connection_state == rtc.ConnectionState.CONN_CONNECTED


class Handlers:
    """Handlers of a room's events. An exception in a handler is logged and does not reach other handlers.

    What a handler logs has the fields of where the handlers were made: the room calls them in a context of its own.
    """

    def __init__(self, room: rtc.Room) -> None:
        self._room = cast("_Emitter", room)
        self._handlers: list[tuple[str, Callable[..., None]]] = []
        self._log_fields = current_log_fields()

    def on(self, event: str, handler: Callable[..., object]) -> None:
        """Call the handler at each event, with all of the SDK's arguments."""

        def guarded(*args: Any) -> None:
            # The SDK lets a TypeError through, which would skip the handlers after this one.
            with log_fields(self._log_fields):
                try:
                    handler(*args)
                except Exception:
                    logger.exception("the handler of a room event failed")

        self._room.on(event, guarded)
        self._handlers.append((event, guarded))

    def stop(self) -> None:
        """Remove all handlers."""
        for event, handler in self._handlers:
            self._room.off(event, handler)
        self._handlers.clear()
