"""What the doctor says of workers and agents, with real workers."""

from __future__ import annotations

import asyncio

import pytest
from livekit import api
from livekit_harness.components import HARNESS
from livekit_harness.doctor import check, failures
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.worker import Worker

from ds_actors.cli._doctor.livekit_connection import IDENTITY
from ds_actors.cli._doctor.livekit_names import DISPATCH, WORKER
from ds_actors.cli._doctor.result import CheckStatus

pytestmark = pytest.mark.timeout(180)
WITHIN = 60.0
"""A job's process starts slowly on a busy machine."""


def worker(server: Server, does: str, name: str) -> Worker:
    """Return a worker whose agent does as it is told."""
    return Worker(HARNESS / "doctor_worker.py", server, {"DOCTOR_WORKER": does, "AGENT_NAME": name}, name=does)


def rooms_of_the_doctor(server: Server) -> list[str]:
    """Return the rooms of the doctor's that the server still has."""

    async def listed() -> list[str]:
        async with api.LiveKitAPI(server.url, server.key, server.secret) as livekit:
            return [room.name for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms]

    return [name for name in asyncio.run(listed()) if name.startswith(IDENTITY)]


def test_an_agent_that_joins_passes_under_its_name_only(livekit_server: Server) -> None:
    """Under another name, no worker is found; no room of the doctor's is left."""
    with worker(livekit_server, "joins", "guard") as running:
        running.registered()
        results = check(livekit_server, WITHIN, agent="guard")
        assert failures(results) == []
        assert results[WORKER].status is results[DISPATCH].status is CheckStatus.OK
        results = check(livekit_server, 3, agent="gaurd")
    assert failures(results) == [WORKER]
    assert "agent_name" in results[WORKER].fix
    assert results[DISPATCH].status is CheckStatus.SKIPPED
    assert rooms_of_the_doctor(livekit_server) == []


def test_the_monitors_worker_passes_automatic_dispatch_and_has_no_name(own_server: Server, service: Service) -> None:
    """Asked for by a name, it is told apart from no worker at all."""
    environment = {"DATASPIKE_API_KEY": "k", "DATASPIKE_WS_URL": service.url}
    with Worker(HARNESS / "monitor_worker.py", own_server, environment) as running:
        running.registered()
        results = check(own_server, WITHIN, agent="")
        assert failures(results) == []
        assert results[WORKER].status is results[DISPATCH].status is CheckStatus.OK
        results = check(own_server, 5, agent="guard")
    assert failures(results) == [WORKER]
    assert "without a name" in results[WORKER].summary
    assert "agent_name=" in results[WORKER].fix


def test_no_worker_fails_automatic_dispatch(own_server: Server) -> None:
    """The fix names the option for a worker that has a name."""
    results = check(own_server, 2, agent="")
    assert failures(results) == [WORKER]
    assert "--agent NAME" in results[WORKER].fix
    assert results[DISPATCH].status is CheckStatus.SKIPPED


def test_an_agent_that_stays_away_fails_dispatch(livekit_server: Server) -> None:
    """A worker took the job: that is another fault than none."""
    with worker(livekit_server, "stays_away", "away") as running:
        running.registered()
        results = check(livekit_server, 5, agent="away")
    assert results[WORKER].status is CheckStatus.OK
    assert failures(results) == [DISPATCH]
    assert "ctx.connect()" in results[DISPATCH].fix


def test_a_worker_that_rejects_the_job_fails_dispatch(livekit_server: Server) -> None:
    """At once: no other worker will take it."""
    with worker(livekit_server, "rejects", "picky") as running:
        running.registered()
        results = check(livekit_server, WITHIN, agent="picky")
    assert failures(results) == [DISPATCH]
    assert "rejected" in results[DISPATCH].summary
