"""How long the doctor waits for a LiveKit server that takes connections and answers nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ds_actors.cli._doctor.livekit_connection import open_api, own_room
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings

SECRET = "a secret of a LiveKit server, long enough to sign"


def test_a_room_that_cannot_be_deleted_delays_the_end_by_the_timeout_alone() -> None:
    """The SDK's own limit is 10 s."""

    async def main(url: str) -> None:
        async with asyncio.timeout(8), own_room(LiveKitSettings(url, "key", SECRET), 0.2):
            pass

    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait to be accepted
        asyncio.run(main(f"ws://127.0.0.1:{silent.getsockname()[1]}"))


def test_a_longer_timeout_than_the_sdks_is_kept() -> None:
    """So that the line which says how long the doctor waited is true."""

    async def main() -> None:
        async with open_api(LiveKitSettings("ws://127.0.0.1:1", "key", SECRET), 60) as server:
            session: Any = server._session
            assert session.timeout.total == 60

    asyncio.run(main())
