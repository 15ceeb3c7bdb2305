"""Streams that are closing: never cancelled, waited for within a limit, and their errors are not raised."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from livekit.plugins.dataspike.log import logger

CLOSE_WITHIN: Final = 2.0


class Closing:
    """The streams that one source is closing. Cancelling a close would leak what the SDK holds for the stream."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def begin(self, closing: Coroutine[Any, Any, None]) -> None:
        """Start a closing."""
        task = asyncio.get_running_loop().create_task(closing)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def wait(self) -> None:
        """Wait until all have ended, for at most 2 s."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_WITHIN)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.debug("closing a stream failed", exc_info=error)
