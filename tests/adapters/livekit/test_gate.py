"""A voice activity detector's events as the gate of the linked participant's microphone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents.vad import VADEvent, VADEventType
from livekit.plugins.dataspike import _gate
from livekit.plugins.dataspike._gate import SpeechGate
from waiting import until_on_loop


def vad_event(kind: VADEventType) -> VADEvent:
    return VADEvent(kind, 0, 0.0, 0.0, 0.0)


class Session:
    """An AgentSession as the gate sees it: not started, then linked to a participant."""

    def __init__(self) -> None:
        self.linked: str | None = None
        self.started = False

    @property
    def room_io(self) -> Any:
        if not self.started:
            raise RuntimeError("the session is not started")
        participant = None if self.linked is None else SimpleNamespace(identity=self.linked)
        return SimpleNamespace(linked_participant=participant)


def run(
    events: list[VADEventType | None], session: Session | None, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False
) -> list[str | None]:
    """Play events, None meaning that the session links alice; return who was shut, without repetitions."""
    monkeypatch.setattr(_gate, "LOOK_EVERY", 0.01)
    told: list[str | None] = []
    looks = 0

    def shut(identity: str | None) -> None:
        nonlocal looks
        looks += 1
        if not told or told[-1] != identity:
            told.append(identity)

    async def one_more_look() -> None:
        before = looks
        await until_on_loop(lambda: looks > before)

    async def stream() -> AsyncGenerator[VADEvent]:
        for event in events:
            await one_more_look()
            if event is None:
                assert session is not None
                session.started, session.linked = True, "alice"
            else:
                yield vad_event(event)
        await one_more_look()
        if fails:
            raise LookupError("the stream broke")

    async def main() -> None:
        gate = SpeechGate(session, stream(), shut)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        gate.start()
        await asyncio.wait([gate._tasks[0]], timeout=30)
        gate.stop()

    asyncio.run(main())
    return told


START, END, DONE = VADEventType.START_OF_SPEECH, VADEventType.END_OF_SPEECH, VADEventType.INFERENCE_DONE


def test_the_linked_participants_microphone_is_shut_while_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """From when the session links a participant, without an event; open while they speak, and when the events end."""
    assert run([None, START, DONE, END], Session(), monkeypatch) == [None, "alice", None, "alice", None]


def test_without_a_session_no_microphone_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known whose microphone the events are about."""
    assert run([START, END], None, monkeypatch) == [None]


def test_a_stream_that_breaks_leaves_the_gate_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rather listen too often than never again."""
    assert run([None, END], Session(), monkeypatch, fails=True)[-1] is None
    assert "vad_stream failed" in caplog.text
