"""The keys of the terminal that stdin is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import trio

from ds_actors.cli._watch.selection import Key, read_keys

_STDIN: Final = 0


@contextmanager
def unbuffered_keys() -> Generator[int | None]:
    """Have the terminal pass each key on at once and show none; yield its descriptor, None where there is none.

    Ctrl-C stays a signal. The terminal is as before after the block.
    """
    if sys.platform == "win32" or not os.isatty(_STDIN):
        yield None
        return
    import termios  # noqa: PLC0415 - Windows has neither
    import tty  # noqa: PLC0415

    before = termios.tcgetattr(_STDIN)
    try:
        tty.setcbreak(_STDIN)
        yield _STDIN
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


async def follow_keys(number: int | None, press: Callable[[Key], None]) -> None:
    """Call `press` with each key, until the terminal is gone."""
    while number is not None:
        await trio.lowlevel.wait_readable(number)
        data = os.read(number, 64)
        if not data:
            return
        for key in read_keys(data):
            press(key)
