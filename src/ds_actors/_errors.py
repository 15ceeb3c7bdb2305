"""What the actor library raises."""

from __future__ import annotations


class ActorError(Exception):
    """The base of the library's own errors."""


class Ignore(ActorError):
    """Raised in `started`, or by a nested supervisor's `children`: do not run, and count it as no failure.

    The child is at rest then, the next sibling starts, and `start` returns a reference that is stopped (OTP's
    `ignore`). Raised anywhere else it is a crash like any other.
    """


class StartFailed(ActorError):
    """A child did not become ready; `__cause__` is what its start raised."""


class RestartLimitReached(ActorError):
    """A supervisor gave up; `__cause__` is the last crash."""


class ActorStopped(ActorError):
    """The receiver is gone for good."""


class AskFailed(ActorError):
    """The receiver crashed on this request, or forgot to answer it; `__cause__` is the crash."""


class AskDropped(ActorError):
    """The request was not handled: `reason` is the mailbox's word for why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the request was dropped: {reason}")
        self.reason = reason


class SendDropped(ActorError):
    """A waiting send had its turn, and the mailbox refused the message: it failed, or it had no room after all."""


class AskTimeout(ActorError, TimeoutError):
    """No reply came in time; one that comes later is dropped without effect."""
