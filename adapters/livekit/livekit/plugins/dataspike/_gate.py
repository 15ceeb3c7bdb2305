"""A gate for the microphone of the session's linked participant, driven by a voice activity detector's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any, Final

from livekit.agents import AgentSession
from livekit.agents.vad import VADEvent, VADEventType
from livekit.plugins.dataspike.log import logger

LOOK_EVERY: Final = 1.0
"""Seconds between two looks: the session may link a participant at any time, without an event."""


class SpeechGate:
    """Reports whose microphone has no speech now.

    Args:
        session: whose linked participant the events are about.
        events: from the voice activity detector; when they end, the gate stays open.
        shut: called with the identity whose microphone is silent, or None.
    """

    def __init__(
        self, session: AgentSession[Any] | None, events: AsyncIterable[VADEvent], shut: Callable[[str | None], None]
    ) -> None:
        self._session = session
        self._events = events
        self._shut = shut
        self._speaking = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Follow the events."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._keep_looking())]

    def stop(self) -> None:
        """Stop following the events."""
        for task in self._tasks:
            task.cancel()

    async def _follow(self) -> None:
        try:
            async for event in self._events:
                if event.type in (VADEventType.START_OF_SPEECH, VADEventType.END_OF_SPEECH):
                    self._speaking = event.type == VADEventType.START_OF_SPEECH
                    self._report()
        except Exception:
            logger.exception("vad_stream failed; microphones are checked without it")
        self._tasks[1].cancel()
        self._shut(None)

    async def _keep_looking(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(LOOK_EVERY)

    def _report(self) -> None:
        self._shut(None if self._speaking else self._linked())

    def _linked(self) -> str | None:
        if self._session is None:
            return None
        try:
            participant = self._session.room_io.linked_participant
        except RuntimeError:  # the session is not started
            return None
        return None if participant is None else participant.identity
