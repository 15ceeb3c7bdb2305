"""Actors that say which task handles their messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio

from ds_actors import Actor, Answer, Request


class TaskOf(Request[trio.lowlevel.Task]):
    """Wants the task that handles it."""


class Simple(Actor[Any]):
    """Answers with its task, calls what it is told, or takes no notice."""

    async def receive(self, message: Any, /) -> Answer | None:
        if isinstance(message, TaskOf):
            return message.answer(trio.lowlevel.current_task())
        if callable(message):
            await cast("Callable[[Simple], Awaitable[None]]", message)(self)
        return None
