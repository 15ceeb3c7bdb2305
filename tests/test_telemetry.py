"""Telemetry: the events, the listeners, and the cost without a listener."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import get_args

import pytest
import trio
from attrs.exceptions import FrozenInstanceError

from ds_actors import (
    Actor,
    ChildEnded,
    ChildReady,
    DeadLetter,
    ExponentialBackoff,
    RestartLimitReached,
    RestartScheduled,
    Supervisor,
    SupervisorGaveUp,
    TelemetryEvent,
    _cell,
    _supervisor_incarnation,
)

MADE_IN: dict[type, ModuleType] = {
    ChildReady: _supervisor_incarnation,
    ChildEnded: _supervisor_incarnation,
    RestartScheduled: _supervisor_incarnation,
    SupervisorGaveUp: _supervisor_incarnation,
    DeadLetter: _cell,
}


class Failing(Actor[str]):
    async def receive(self, message: str, /) -> None:
        raise ValueError(message)


async def all_that_is_told(*listeners: object) -> None:
    """Make every event happen: starts, crashes, a backoff, a dead letter, giving up."""
    with pytest.raises(RestartLimitReached):
        async with Supervisor("app", max_restarts=0, listeners=listeners) as app:  # type: ignore[arg-type]
            patient = await app.start(Failing, name="patient", backoff=ExponentialBackoff(), expected=(ValueError,))
            patient.tell("secret")
            await trio.testing.wait_all_tasks_blocked()
            strict = await app.start(Failing, name="strict", expected=(ValueError,))
            strict.tell("secret")
            await app.wait()


def test_the_list_of_events_is_whole() -> None:
    """The tests below know of every kind."""
    assert set(get_args(TelemetryEvent)) == set(MADE_IN)


async def test_without_listeners_no_event_is_made(monkeypatch: pytest.MonkeyPatch, autojump_clock: object) -> None:
    """Not one of them is constructed, whatever happens."""

    def refuse(*_: object) -> None:
        raise AssertionError("an event was created without a listener")

    for kind, module in MADE_IN.items():
        monkeypatch.setattr(module, kind.__name__, refuse)
    await all_that_is_told()


async def test_a_listener_hears_every_kind_and_can_change_none(autojump_clock: object) -> None:
    """Events are frozen and have no room for more; no event has the content of a message."""
    heard: list[TelemetryEvent] = []
    await all_that_is_told(heard.append)
    assert {type(event) for event in heard} == set(MADE_IN)
    for event in heard:
        with pytest.raises(FrozenInstanceError):
            event.path = "elsewhere"  # type: ignore[misc]
        assert not hasattr(event, "__dict__")
        if isinstance(event, DeadLetter):
            assert "secret" not in repr(event)


async def test_a_listener_that_fails_disturbs_nobody(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged under ds_actors, and the other listeners still receive the event."""
    heard: list[TelemetryEvent] = []

    def broken(_: TelemetryEvent) -> None:
        raise KeyError

    await all_that_is_told(broken, heard.append)
    assert {type(event) for event in heard} == set(MADE_IN)
    failures = [record for record in caplog.records if "listener failed" in record.message]
    assert len(failures) == len(heard)
    assert {record.name for record in failures} == {"ds_actors"}
    assert logging.getLogger("ds_actors").handlers == []
