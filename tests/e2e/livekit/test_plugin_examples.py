"""The plugin's examples, each run by `dev` as its first line says, in a real room."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from livekit_harness.components import HARNESS, PROJECT
from livekit_harness.ports import free_port
from livekit_harness.process import Process, until
from livekit_harness.room import TOPIC
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.tokens import room_token
from livekit_harness.worker import Worker

from ds_actors.detection import Level

STORY = (
    "the detector watches the room",
    "monitoring begins",
    "connected to the detection service",
    "first sample of a track sent",
    "the level of a track is alert",
    "monitoring ends",
)
"""What a run says at INFO, one line each."""
OURS = ("livekit.plugins.dataspike", "ds_actors")
EXAMPLES = sorted((PROJECT / "examples" / "deepfake-detection" / "dataspike").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("program", EXAMPLES, ids=lambda path: path.name)
def test_each_example_alerts_the_room_and_ends_on_ctrl_c(
    program: Path,
    own_server: Server,
    service: Service,
    people_process: Process,
) -> None:
    """Without OpenAI to reach: the room hears alerts all the same."""
    service.verdicts["alice"] = Level.ALERT
    try:
        with Worker(program, own_server, _environment(service)) as worker:
            _hear_an_alert(worker, own_server, people_process)
            assert worker.interrupt() == 0
            assert not worker.wrote("did not exit in time|Task was destroyed|never awaited|left behind")
            assert not worker.wrote(r"(ERROR|WARNING)\S* (livekit\.plugins\.dataspike|ds_actors)")
            assert not worker.wrote(r"DEBUG\S* trio-websocket")
            for step in STORY:
                assert len(worker.wrote(rf"INFO\S* \S+ - {step}")) == 1, step
    finally:
        people_process.call("clear")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_each_record_of_the_documented_worker_has_the_room_and_the_job(
    own_server: Server, service: Service, people_process: Process, tmp_path: Path
) -> None:
    """From the first on, before the connection; a participant is only where LiveKit marks personal data."""
    records = tmp_path / "records"
    service.verdicts["alice"] = Level.ALERT
    try:
        environment = {**_environment(service), "RECORDS": str(records)}
        with Worker(HARNESS / "recording_worker.py", own_server, environment) as worker:
            _hear_an_alert(worker, own_server, people_process)
            assert worker.interrupt() == 0
    finally:
        people_process.call("clear")
    ours = [record for record in map(json.loads, records.read_text().splitlines()) if record["name"].startswith(OURS)]
    assert [step for step in STORY if not any(record["text"].startswith(step) for record in ours)] == []
    assert {record.get("room") for record in ours} == {"call"}
    (job,) = {record.get("job_id") for record in ours}
    assert job.startswith("AJ_")
    marked = {record["text"].partition(":")[0]: record.get("lk.pii.participant") for record in ours}
    assert marked["first sample of a track sent"] == "alice"
    assert not [record for record in ours if "alice" in record["text"]]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_example_participant_hears_of_the_patch_painted_over_it(own_server: Server, service: Service) -> None:
    """As the page says to try it: the sandbox looks at pixels, and the room is told of an alert and of its end."""
    environment = {"DATASPIKE_API_KEY": "any", "DATASPIKE_WS_URL": service.url}
    with Worker(EXAMPLES[0].parent / "monitor_only.py", own_server, environment) as worker:
        worker.registered()
        with subprocess.Popen(
            [sys.executable, EXAMPLES[0].parents[1] / "participant.py", "demo"],
            stdout=subprocess.PIPE,
            env={**os.environ, **own_server.environment},
        ) as person:
            assert person.stdout is not None
            told = [json.loads(line) for line in person.stdout]
    assert person.returncode in (0, -signal.SIGABRT)  # the SDK's library has been seen to abort as the process ends
    assert [event["level"] for event in told if event["level"] != event["previous_level"]][-2:] == ["alert", "clear"]
    assert {event["participant_id"] for event in told} == {"alice"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_example_of_a_test_passes_as_its_first_lines_say(own_server: Server) -> None:
    """With pytest alone, in the clone; warnings are errors; the sandbox and alice have processes of their own."""
    program = EXAMPLES[0].parents[1] / "test_alerts.py"
    without = [word for plugin in ("cacheprovider", "timeout", "trio", "xdist") for word in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *without]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [*command, program],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, **own_server.environment, "PATH": path},
    )
    assert done.returncode == 0, done.stdout


def _environment(service: Service) -> dict[str, str]:
    """Return the worker's, without OpenAI to reach."""
    return {
        "DATASPIKE_API_KEY": "k",
        "DATASPIKE_WS_URL": service.url,
        "OPENAI_API_KEY": "dummy",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }


def _hear_an_alert(worker: Worker, server: Server, people: Process) -> None:
    """Have alice publish in the room "call", until a viewer is told of her."""
    seen = len(people.events)
    worker.registered()
    for identity in ("viewer", "alice"):
        people.call("join", who=identity, url=server.url, token=room_token(server, "call", identity))
    people.call("camera", who="alice", width=320, height=180)
    until(lambda: _alerts(people, seen), 60)


def _alerts(people: Process, seen: int) -> list[str]:
    told = people.events[seen:]
    return [event["payload"] for event in told if event["event"] == "data" and event["topic"] == TOPIC]
