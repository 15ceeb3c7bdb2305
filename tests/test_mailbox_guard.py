"""A mailbox of the user's that fails costs one message at most, and is named in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from ds_actors import Refused, Reject
from ds_actors._mailbox import Envelope, MailboxStatistics
from ds_actors._mailbox_guard import close, has_room, offer, queued, statistics


class Owner:
    path = "/app/owner"


class Failing:
    """Raises in whatever is called."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


class Odd:
    """Returns what a type checker would refuse."""

    def put(self, message: object, now: float, /) -> Any:
        return message

    def statistics(self) -> Any:
        return MailboxStatistics(1, queued=cast("int", "many"))


def failing() -> Any:
    return Failing()


def odd() -> Any:
    return Odd()


@pytest.mark.parametrize(("kind", "error"), [(failing, "LookupError"), (odd, "TypeError")])
def test_a_put_that_fails_refuses_the_message(
    kind: Callable[[], Any], error: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sender learns the kind of the error; the log tells the message's type, in an ask too, and not the message."""
    item = Envelope("secret", None)
    assert offer(kind(), item, 0.0, Owner()) == Refused(item, f"the mailbox failed: {error}")
    assert caplog.messages == ["the mailbox of /app/owner failed, so a message of type str is refused"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("call", "instead", "failed"),
    [
        (lambda: has_room(failing(), 1, Owner()), True, "to say whether it has room"),
        (lambda: statistics(failing(), Owner()), None, "to return its statistics"),
        (lambda: queued(failing(), Owner()), 0, "to return its statistics"),
        (lambda: queued(odd(), Owner()), 0, "to return its statistics"),
        (lambda: close(failing(), 0.0, Owner()), (), "to close"),
    ],
)
def test_what_a_failing_mailbox_cannot_tell_is_taken_for_the_harmless_answer(
    call: Callable[[], object], instead: object, failed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There may be room, and nothing waits; each time the log says whose mailbox it was."""
    assert call() == instead
    assert caplog.messages == [f"the mailbox of /app/owner failed {failed}"]


def test_a_mailbox_that_works_is_asked_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """Its own answers come through, refusals included."""
    mailbox, owner = Reject[int](2), Owner()
    assert [has_room(mailbox, 1, owner), offer(mailbox, 1, 0.0, owner), offer(mailbox, 2, 0.0, owner)] == [
        True,
        None,
        None,
    ]
    assert offer(mailbox, 3, 0.0, owner) == Refused(3, "full")
    assert not has_room(mailbox, 3, owner)
    assert queued(mailbox, owner) == 2
    assert statistics(mailbox, owner) == mailbox.statistics()
    assert close(mailbox, 0.0, owner) == (1, 2)
    assert not caplog.records
