"""Virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import trio
from trio.testing import MockClock

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


def run_virtual(function: Callable[[*Ts], Awaitable[R]], /, *args: *Ts) -> R:
    """Run under a clock that jumps to the next deadline as soon as every task waits; a day takes no time.

    The clock begins at 0 seconds. It sees neither threads nor sockets: use memory streams, and await no worker thread.
    """
    return trio.run(function, *args, clock=MockClock(autojump_threshold=0))
