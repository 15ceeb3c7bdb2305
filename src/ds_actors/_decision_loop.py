"""How a supervisor decides and acts: one event after the other, each effect at once, and no user's error gets out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import trio

from ds_actors import _events as events
from ds_actors._exits import combine
from ds_actors._rules import Phase
from ds_actors._supervision import Supervision

logger = logging.getLogger("ds_actors")


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
                    self._became_ready(event)
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
        """Stop this supervisor in order, and raise the error from it."""
        if not any(type(known) is type(error) for known in self._upward):  # a second Ctrl-C adds nothing
            self._upward.append(error)
        self._abandon()
        if self.supervision.phase not in (Phase.STOPPING, Phase.HALTED):
            self.feed(events.Shutdown())

    def failure(self) -> BaseException | None:
        """Return what must be raised after the end: the limit reached, a failed start, what goes up."""
        errors = list(self._upward)
        if self._failure is not None:
            errors.append(self._failure)
        return combine(errors, f"{self.path} failed in several ways")
