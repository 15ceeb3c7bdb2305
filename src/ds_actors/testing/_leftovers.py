"""Finds the tasks that a block leaves behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked


@asynccontextmanager
async def assert_no_leftover_tasks() -> AsyncGenerator[None]:
    """Check that every task started in the block has ended at its end.

    Raises:
        AssertionError: naming the tasks that still run; not raised when the block itself raises.
    """
    before = set(_tasks())
    yield
    await wait_all_tasks_blocked()
    left = sorted(task.name for task in set(_tasks()) - before)
    if left:
        raise AssertionError(f"{len(left)} tasks still run: {', '.join(left)}")


def _tasks() -> Iterator[trio.lowlevel.Task]:
    """Yield every task of this run; trio's own exist before any block begins."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    nurseries = list(root.child_nurseries)
    while nurseries:
        for task in nurseries.pop().child_tasks:
            yield task
            nurseries.extend(task.child_nurseries)
