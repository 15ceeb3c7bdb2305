"""`ds-actors demo` and `ds-actors sandbox`, as a newcomer runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "ds_actors"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("DATASPIKE")}


def test_the_demo_alerts_survives_the_cut_and_ends_by_itself() -> None:
    """One event a line: alice is alerted and cleared, bob never, two connections, exit 0."""
    done = subprocess.run(
        [*COMMAND, "demo", "--json", "--seconds", "10"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    results = [event["result"] for event in events if event["event"] == "result"]
    alice = [one["level"] for one in results if one["participant_id"] == "alice"]
    assert alice[0] == alice[-1] == "clear"
    assert "alert" in alice
    assert {one["level"] for one in results if one["participant_id"] == "bob"} == {"clear"}
    summary = events[-1]
    assert summary["event"] == "summary"
    assert summary["due"] == summary["sent"] + sum(summary["dropped"].values())
    assert [event["uplink"] for event in events if event["event"] == "state"].count("up") == 2


def test_ctrl_c_ends_the_sandbox_with_a_summary() -> None:
    """SIGINT is an orderly end: a summary, exit 0, no traceback."""
    with subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background leaves SIGINT ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())
            assert listening["url"].startswith("ws://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert json.loads(out)["event"] == "summary"
    assert err == ""


def test_without_the_extra_the_command_says_what_installs_it() -> None:
    """One line on stderr, exit 2."""
    code = "import sys; sys.modules['typer'] = None; from ds_actors.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 2
    assert done.stderr == 'ds-actors needs its command line extra: pip install "ds-actors[cli]"\n'
