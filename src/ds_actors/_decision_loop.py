"""How a supervisor decides and acts: one event after the other, each effect at once, and no user's error gets out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from ds_actors import _events as events
from ds_actors._exits import combine
from ds_actors._rules import Phase
from ds_actors._supervision import Supervision

logger = logging.getLogger("ds_actors")

# One of these says all: a second Ctrl-C, a second cancellation, and the exit code of a second SystemExit is not used.
_SAYS_NOTHING_NEW: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, trio.Cancelled)


class DecisionLoop:
    """The base of a supervisor's incarnation, which says what each effect does."""

    def __init__(self, path: str, supervision: Supervision, draw: Callable[[], float]) -> None:
        self.path: str = path
        self.supervision: Supervision = supervision
        self._draw = draw
        self._events: deque[events.Event] = deque()
        self._feeding = False
        self._upward: list[BaseException] = []
        self._failure: BaseException | None = None

    def _perform(self, effect: events.Effect) -> None:
        raise NotImplementedError  # pragma: no cover - the supervisor's incarnation does

    def _became_ready(self, event: events.Ready) -> None:
        raise NotImplementedError  # pragma: no cover - the supervisor's incarnation does

    def _abandon(self) -> None:
        raise NotImplementedError  # pragma: no cover - the supervisor's incarnation does

    @trio.lowlevel.enable_ki_protection
    def feed(self, event: events.Event) -> None:
        """Hand an event to the decisions and perform what they return, without a checkpoint.

        An event that comes while effects are performed, from a listener for instance, waits for the rest of them.
        """
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._events:
                event = self._events.popleft()
                self._decide(event)
                if type(event) is events.Ready:
                    try:
                        self._became_ready(event)
                    except BaseException as error:  # noqa: BLE001 - raised from the top of the tree
                        self.escape(error)
        finally:
            self._feeding = False

    def _decide(self, event: events.Event) -> None:
        # User code runs in here: a backoff, the jitter's source, mailboxes, factories of mailboxes, listeners.
        try:
            effects = self.supervision.handle(event, trio.current_time(), self._jitter())
        except BaseException as error:  # noqa: BLE001 - raised from the top of the tree
            self.escape(error)
            return
        for effect in effects:
            try:
                self._perform(effect)
            except BaseException as error:  # noqa: BLE001 - raised from the top of the tree
                self.escape(error)

    def _jitter(self) -> float:
        try:
            u = self._draw()
            if 0.0 <= u < 1.0:
                return u
            raise ValueError(f"random must return a number in [0, 1), not {u!r}")
        except Exception:
            logger.exception("the source of %s's jitter failed; the delay has none", self.path)
        except BaseException as error:  # noqa: BLE001 - raised from the top of the tree
            self.escape(error)
        return 0.5

    def escape(self, error: BaseException) -> None:
        """Stop this supervisor in order, and raise the error from it, with the other errors that escaped."""
        known = [other for other in self._upward if type(other) is type(error)]
        if not known or not isinstance(error, _SAYS_NOTHING_NEW):
            if all(other is not error for other in known):
                self._upward.append(error)
        elif isinstance(error, SystemExit):
            logger.error("%s is ending with %r already; %r comes on top and is dropped", self.path, known[0], error)
        self._abandon()
        if self.supervision.phase not in (Phase.STOPPING, Phase.HALTED):
            self.feed(events.Shutdown())

    def failure(self) -> BaseException | None:
        """Return what must be raised after the end: the limit reached, a failed start, what goes up."""
        errors = list(self._upward)
        if self._failure is not None:
            errors.append(self._failure)
        return combine(errors, f"{self.path} failed in several ways")
