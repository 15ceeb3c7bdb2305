"""The doctor's checks of LiveKit, against a real server."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import closing

import pytest
from livekit_harness.doctor import check, failures, statuses
from livekit_harness.server import Server
from livekit_harness.tokens import room_token

from ds_actors.cli._doctor.livekit_names import DATA, DISPATCH, ENCRYPTION, GRANTS, JOIN, KEY, SERVER, TRACKS, WORKER
from ds_actors.cli._doctor.result import CheckStatus


@pytest.fixture
def silent_port() -> Generator[int]:
    """A port that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def test_a_good_server_passes_every_step(livekit_server: Server) -> None:
    """A packet and a track of one participant reach another one; what the user did not name is skipped, not ok."""
    found = statuses(check(livekit_server))
    unasked = dict.fromkeys((ENCRYPTION, WORKER, DISPATCH), CheckStatus.SKIPPED)
    assert found == dict.fromkeys((SERVER, KEY, JOIN, GRANTS, DATA, TRACKS), CheckStatus.OK) | unasked


def test_an_unreachable_server_fails(livekit_server: Server) -> None:
    """The fix names LIVEKIT_URL."""
    results = check(livekit_server, LIVEKIT_URL="ws://127.0.0.1:1")
    assert failures(results) == [SERVER]
    assert "LIVEKIT_URL" in results[SERVER].fix


def test_a_silent_server_fails(livekit_server: Server, silent_port: int) -> None:
    """It is not waited for longer than the timeout."""
    results = check(livekit_server, 0.3, LIVEKIT_URL=f"ws://127.0.0.1:{silent_port}")
    assert failures(results) == [SERVER]
    assert "0.3 s" in results[SERVER].summary


def test_a_wrong_secret_fails_key(livekit_server: Server) -> None:
    """The server itself was reached."""
    results = check(livekit_server, LIVEKIT_API_SECRET="x" * 40)
    assert failures(results) == [KEY]
    assert results[SERVER].status is CheckStatus.OK


def test_an_invalid_token_fails_join(livekit_server: Server) -> None:
    """The fix names LIVEKIT_TOKEN."""
    results = check(livekit_server, LIVEKIT_TOKEN="nonsense")
    assert failures(results) == [JOIN]
    assert "LIVEKIT_TOKEN" in results[JOIN].fix


def test_a_token_without_data_fails_grants_and_data(livekit_server: Server) -> None:
    """What the server grants is said, and the packet does not arrive."""
    token = room_token(livekit_server, "doctor-no-data", "agent", can_publish_data=False)
    results = check(livekit_server, 1.5, LIVEKIT_TOKEN=token)
    assert failures(results) == [GRANTS, DATA]
    assert "can_publish_data" in results[GRANTS].summary


def test_a_token_that_cannot_subscribe_fails_grants(livekit_server: Server) -> None:
    """No frames would arrive, although packets do."""
    token = room_token(livekit_server, "doctor-no-tracks", "agent", can_subscribe=False)
    results = check(livekit_server, LIVEKIT_TOKEN=token)
    assert failures(results) == [GRANTS]
    assert results[DATA].status is CheckStatus.OK
