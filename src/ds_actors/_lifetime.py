"""The end for good of an actor or a supervisor, and who waits for it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any

import trio
from attrs import frozen

from ds_actors._mailbox import Notice
from ds_actors._text import escape

logger = logging.getLogger("ds_actors")


@frozen
class Down:
    """An actor or a supervisor is gone for good (Erlang's DOWN message)."""

    path: str
    why: str
    """Such as "finished", "crashed", "terminated" or "its supervisor is stopping"."""
    error: BaseException | None = None
    """The error of its last incarnation; None when that one ended in order."""


class Lifetime:
    """What stays of a child across its incarnations, until it is gone for good."""

    __slots__ = ("_ended", "above", "name", "thread", "token", "watchers")

    def __init__(
        self, name: str, above: str, thread: int | None = None, token: trio.lowlevel.TrioToken | None = None
    ) -> None:
        self.thread: int | None = thread
        self.token: trio.lowlevel.TrioToken | None = token
        self.name: str = name
        self.above: str = above
        """The path of the supervisor, with a slash at its end: one string for all siblings."""
        self._ended: tuple[str, BaseException | None] | None = None
        self.watchers: dict[object, Callable[[Down], None]] | None = None
        """Called once, at the end; None while there are none, because most children have none."""

    @property
    def path(self) -> str:
        """The names from the root, joined by slashes, with what a path cannot hold escaped."""
        return self.above + escape(self.name)

    @property
    def down(self) -> Down | None:
        """The end, once it has come."""
        return None if self._ended is None else Down(self.path, *self._ended)

    def check_thread(self) -> None:
        """Refuse a caller from another thread.

        Raises:
            RuntimeError: naming the way in.
        """
        if get_ident() != self.thread and self.thread is not None:
            raise RuntimeError(
                f"{self.path} belongs to trio's thread; from another one use ref.tell_from_thread, or"
                " trio.from_thread.run and run_sync for everything else"
            )

    def check_run(self) -> None:
        """Refuse a caller from another thread, another trio run, or none.

        Raises:
            RuntimeError: naming the way in.
        """
        try:
            token = trio.lowlevel.current_trio_token()
        except RuntimeError:
            token = None
        if token is self.token is not None:
            return  # a run has one thread
        self.check_thread()
        if self.token is not None:
            raise RuntimeError(f"{self.path} belongs to another trio run; use it in the run of its Supervisor")

    def add_watcher(self, key: object, watcher: Callable[[Down], None]) -> None:
        """Call `watcher` at the end."""
        if self.watchers is None:
            self.watchers = {}
        self.watchers[key] = watcher

    def remove_watcher(self, key: object) -> None:
        """Call that watcher no more."""
        if self.watchers is not None:
            self.watchers.pop(key, None)
            self.watchers = self.watchers or None

    def end(self, why: str, error: BaseException | None = None) -> None:
        """Note the end, and call every watcher."""
        self._ended = (why, error)
        watchers, self.watchers = self.watchers, None
        for watcher in (watchers or {}).values():
            watcher(Down(self.path, why, error))

    async def wait_down(self) -> None:
        """Wait for the end."""
        gone = trio.Event()
        if self.down is not None:
            gone.set()
        else:
            self.add_watcher(gone, lambda _: gone.set())
        try:
            await gone.wait()
        finally:
            self.remove_watcher(gone)


class Notices:
    """Notices that wait for one watcher, at most one per watch; no mailbox policy can drop one.

    A notice comes after the messages that were queued before it, as in Erlang: what an actor sent before its end
    arrives before the notice of its end.
    """

    __slots__ = ("_queue", "_taken")

    def __init__(self) -> None:
        self._queue: deque[Notice] = deque()
        self._taken = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, target: Lifetime, message: Any, behind: int) -> None:
        """Add a notice behind a number of queued messages."""
        self._queue.append(Notice(target, message, self._taken + behind))

    def count_message(self) -> None:
        """Note that a message was taken from the mailbox."""
        self._taken += 1

    def due(self) -> bool:
        """Return whether the first notice is behind nothing any more."""
        return bool(self._queue) and self._queue[0].due <= self._taken

    def pop(self) -> Notice:
        """Return the first notice and take it out."""
        return self._queue.popleft()

    def delay(self, messages: int) -> None:
        """Note that messages were put back in front."""
        for notice in self._queue:
            notice.due += messages

    def discard(self, target: Lifetime) -> None:
        """Drop the notices about one child."""
        self._queue = deque(notice for notice in self._queue if notice.target is not target)


class Watch:
    """One watcher's watch of one child: what to tell it at the end.

    The first watch of a newer incarnation takes the place of what older ones asked for, so that `started` may watch.
    """

    __slots__ = ("_incarnation", "_make", "_notify", "_target", "_watcher")

    def __init__(self, watcher: Any, target: Lifetime) -> None:
        self._watcher = watcher
        self._target = target
        self._incarnation = 0
        self._notify: list[Any] = []
        self._make: list[Callable[[Down], Any]] = []

    def asked_by(self, incarnation: int) -> None:
        """Forget what older incarnations of the watcher asked for."""
        if incarnation > self._incarnation:
            self._incarnation = incarnation
            self._notify.clear()
            self._make.clear()

    def add(self, message: Any) -> None:
        """Send this message too; a repeated one changes nothing."""
        if not any(type(known) is type(message) and bool(known == message) for known in self._notify):
            self._notify.append(message)

    def add_maker(self, make: Callable[[Down], Any]) -> None:
        """Send what this function makes of the end too; a repeated one changes nothing."""
        if make not in self._make:
            self._make.append(make)

    def __call__(self, down: Down) -> None:
        self._watcher.stop_watching(self._target)
        for message in self._notify:
            self._watcher.add_notice(self._target, message)
        for make in self._make:
            try:
                message = make(down)
            except Exception:
                logger.exception("%s gets no notice of the end of %s: on_down failed", self._watcher.path, down.path)
            except BaseException as error:  # noqa: BLE001 - raised at the top of the watcher's tree
                self._watcher.telemetry.escape(error)
            else:
                self._watcher.add_notice(self._target, message)
