"""The live view on a terminal: its screen, its keys, and what ends it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from rich.console import Console
from rich.live import Live

from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.keys import follow_keys, unbuffered_keys


def live_view(as_json: bool) -> Live | None:
    """Return the live view of a terminal; None where stdout is none, or has JSON."""
    console = Console()
    return Live(console=console, auto_refresh=False, screen=True) if console.is_terminal and not as_json else None


@asynccontextmanager
async def on_screen(console: WatchConsole) -> AsyncGenerator[None]:
    """Have the view on the screen and follow its keys in the block, where the console has a view."""
    if console.live is None:
        yield
        return
    with unbuffered_keys() as keyboard, console.shown():
        console.has_keys = keyboard is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_keys, keyboard, console.press)
            yield
            nursery.cancel_scope.cancel()


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Return when the first of them does; the others are cancelled."""
    async with trio.open_nursery() as nursery:

        async def wait(until: Callable[[], Awaitable[object]]) -> None:
            await until()
            nursery.cancel_scope.cancel()

        for until in waits:
            nursery.start_soon(wait, until)
