"""How an incarnation ended, judged from what escaped it and nothing else.

Whether a cancel scope caught anything says too little: a task may swallow its cancellation, or fail while it is
being cancelled. Only an `Exception` is a crash; every other BaseException (Ctrl-C, SystemExit, a cancellation from
outside) is not the supervisor's to judge and goes up.
"""

from __future__ import annotations

from typing import Final, cast

from attrs import frozen


@frozen
class Exit:
    """The end of one incarnation."""

    crash: Exception | None = None
    """What it failed with; None when it finished or stopped in order."""
    upward: BaseException | None = None
    """What must leave through the top of the tree."""
    stopped: bool = False
    """It had been asked to stop."""
    ignored: bool = False
    """Its start said, with `Ignore`, that it must not run."""

    @property
    def kind(self) -> str:
        """One word: crashed, ignored, stopped or finished."""
        if self.crash is not None or self.upward is not None:
            return "crashed"
        if self.ignored:
            return "ignored"
        return "stopped" if self.stopped else "finished"


# What almost every end is: a frozen object costs a twentieth of a start and a stop.
_FINISHED: Final = Exit()
_STOPPED: Final = Exit(stopped=True)
_IGNORED: Final = {False: Exit(ignored=True), True: Exit(stopped=True, ignored=True)}


def in_order(*, stopped: bool, ignored: bool = False) -> Exit:
    """Return the end of an incarnation that nothing escaped from."""
    if ignored:
        return _IGNORED[stopped]
    return _STOPPED if stopped else _FINISHED


def _goes_up(error: BaseException) -> bool:
    return not isinstance(error, (Exception, BaseExceptionGroup))


def unwrapped(error: BaseException) -> BaseException:
    """Return the one exception in a group, at any depth; a group of several as it is."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    first, *others = group.exceptions
    return group if others else unwrapped(first)


def judge(escaped: BaseException | None, *, stopped: bool = False, ignored: bool = False) -> Exit:
    """Split what escaped into the crash and what must go up; groups are split at every depth."""
    if escaped is None:
        return in_order(stopped=stopped, ignored=ignored)
    if isinstance(escaped, Exception):
        return Exit(crash=escaped, stopped=stopped)
    if isinstance(escaped, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", escaped)
        upward, crash = group.split(_goes_up)
        # What is left holds Exceptions only, and a group of those is one itself.
        return Exit(cast("Exception | None", crash), None if upward is None else unwrapped(upward), stopped)
    return Exit(upward=escaped, stopped=stopped)


def combine(errors: list[BaseException], message: str) -> BaseException | None:
    """Return nothing, the one error as it is, or a group of several."""
    if len(errors) < 2:
        return errors[0] if errors else None
    return BaseExceptionGroup(message, errors)
