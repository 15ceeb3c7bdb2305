"""SVT-AV1 gives a process of root real-time priority, which starves every other one: restore it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def usual_priority() -> Generator[None]:
    """Keep this thread's scheduling as it was, whatever the block makes of it."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
