"""Where and in which context a callback is called: in trio's thread it could not use the agent's own objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from livekit import rtc
from livekit.plugins.dataspike import DataspikeDetector, ResultEvent, ResultType
from waiting import until_on_loop

number = ContextVar("number", default=0)


@pytest.mark.parametrize("is_coroutine_function", [False, True])
def test_it_is_called_on_the_loop_of_the_start_and_in_its_context(is_coroutine_function: bool) -> None:
    """A plain function and a coroutine function, which is awaited."""
    heard: list[tuple[bool, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def hear(_event: ResultEvent) -> None:
            heard.append((asyncio.get_running_loop() is loop, number.get()))

        async def hear_later(event: ResultEvent) -> None:
            await asyncio.sleep(0)
            hear(event)

        callback: Callable[[ResultEvent], Any] = hear_later if is_coroutine_function else hear
        number.set(1)
        async with DataspikeDetector(api_key="k", url="ws://127.0.0.1:9", notification_cb=callback) as detector:
            number.set(2)
            await detector.start(None, room=rtc.Room())
            number.set(3)
            session = detector._session
            assert session is not None

            def notify() -> None:
                sink = session.monitor._hub.refs.sink("callback")
                assert sink is not None
                sink.tell(ResultEvent(ResultType.ALERT, "alice", "TR", "", 0))

            session.bridge.tell(notify)
            await until_on_loop(lambda: heard)

    asyncio.run(main())
    assert heard == [(True, 2)]
