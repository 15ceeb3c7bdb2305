"""When a child is started again, when it is cancelled, and when it is named because it still runs."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import trio

from ds_actors._child_link import ChildLink
from ds_actors._incarnation import Incarnation
from ds_actors._timers import Timers

logger = logging.getLogger("ds_actors")

# Seconds that a cancelled actor has until it is named.
_NAMED_AFTER = 1.0


def cancel_timers(link: ChildLink) -> None:
    """Cancel what was to happen to a child."""
    if link.timers:
        for timer in link.timers:
            timer.cancel()
        link.timers = ()


class ChildTimers:
    """The timers of one supervisor's children, all in one task."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def set(self, link: ChildLink, at: float, act: Callable[[], None]) -> None:
        """Call `act` at that time (trio's clock, seconds), unless the child's timers are cancelled before."""
        link.timers = (*link.timers, self._timers.set(at, act))

    def close(self) -> None:
        """Fire nothing more."""
        self._timers.close()

    def limit(self, link: ChildLink, deadline: float) -> None:
        """Shorten the time in which a child must have stopped."""
        incarnation = link.incarnation
        if incarnation is None or math.isinf(deadline):
            return
        incarnation.cut(deadline)
        if isinstance(incarnation, Incarnation) and not incarnation.killed:  # a supervisor limits its own children
            cancel_timers(link)
            self.set(link, incarnation.deadline, lambda: self._grace_over(link, incarnation))

    def _grace_over(self, link: ChildLink, incarnation: Incarnation) -> None:
        path = incarnation.cell.path
        if link.spec.grace > 0:
            logger.warning("%s did not stop in time and is cancelled", path)
        incarnation.kill()
        self.set(
            link,
            trio.current_time() + _NAMED_AFTER,
            lambda: logger.warning("%s ignores its cancellation; trio can do no more than wait for it", path),
        )

    def name_if_it_stays(self, link: ChildLink) -> None:
        """Name a child that has crashed and still runs when `stopping` must be over: only a task of it can hold it."""
        path, at = link.cell.path, trio.current_time() + link.spec.grace + _NAMED_AFTER
        if link.timers or math.isinf(at):
            return
        self.set(
            link,
            at,
            lambda: logger.warning(
                "%s crashed, and a task of it ignores its cancellation; its supervisor waits for that task", path
            ),
        )
