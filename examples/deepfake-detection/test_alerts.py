"""Tests what your agent does on an alert, in a real room, without an account: pytest test_alerts.py

Needs a LiveKit server, by default this one:

    livekit-server --bind 127.0.0.1 --keys "test: a-secret-of-32-characters-or-more"
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import api, rtc
from livekit.plugins import dataspike

LIVEKIT = {
    "LIVEKIT_URL": os.environ.get("LIVEKIT_URL", "ws://127.0.0.1:7880"),
    "LIVEKIT_API_KEY": os.environ.get("LIVEKIT_API_KEY", "test"),
    "LIVEKIT_API_SECRET": os.environ.get("LIVEKIT_API_SECRET", "a-secret-of-32-characters-or-more"),
}
PARTICIPANT = Path(__file__).with_name("participant.py")  # alice, with a patch painted over her for a while


class Concierge:
    """Stands for your agent: it asks a participant who looks manipulated to verify, once."""

    def __init__(self) -> None:
        self.asked_to_verify: list[str] = []

    async def on_event(self, event: dataspike.ResultEvent) -> None:
        if event.level == "alert" and event.participant_id not in self.asked_to_verify:
            self.asked_to_verify.append(event.participant_id)


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The stand-in for the service, in a process of its own."""
    command = ["ds-actors", "sandbox", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def test_alice_is_asked_to_verify_once(sandbox: str) -> None:
    """One alert leads to one question, and a clear participant is left alone."""
    concierge = Concierge()
    asyncio.run(watch(concierge, sandbox, room="test-alerts"))
    assert concierge.asked_to_verify == ["alice"]


async def watch(concierge: Concierge, service: str, room: str) -> None:
    """Watch the room while alice is in it."""
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(LIVEKIT["LIVEKIT_API_KEY"], LIVEKIT["LIVEKIT_API_SECRET"])
    token = token.with_identity("agent").with_kind("agent").with_grants(grants)
    joined = rtc.Room()
    await joined.connect(LIVEKIT["LIVEKIT_URL"], token.to_jwt())
    detector = dataspike.DataspikeDetector(api_key="any", url=service, notification_cb=concierge.on_event)
    await detector.start(None, room=joined)
    alice = await asyncio.create_subprocess_exec(sys.executable, PARTICIPANT, room, env={**os.environ, **LIVEKIT})
    await alice.wait()
    await detector.aclose()
    await joined.disconnect()
