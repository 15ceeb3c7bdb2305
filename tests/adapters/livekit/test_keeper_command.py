"""`python -m livekit.plugins.dataspike.keeper`, as a person runs it, and who can read its metrics."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from livekit_harness.ports import free_port
from waiting import until

SECRET = "very-secret-" * 3
UNAVAILABLE = "ds_actors_keeper_available 0.0"
_OTHER = "127.0.0.2"
"""Also this machine's on Linux, where a server that listens everywhere is reached by it."""


def is_open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_the_metrics_are_served_to_this_machine_alone_and_without_the_secret() -> None:
    """On 127.0.0.1 and on no other address, also while the LiveKit server is not there."""
    port = free_port()
    environment = {"LIVEKIT_URL": "http://127.0.0.1:9", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET}
    command = [sys.executable, "-m", "livekit.plugins.dataspike.keeper", "--metrics-port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True) as keeper:
        try:
            until(lambda: is_open("127.0.0.1", port), 40)
            assert not is_open(_OTHER, port)
            until(lambda: UNAVAILABLE in metrics(port), 40)
            shown = metrics(port)
        finally:
            keeper.terminate()
            _, log = keeper.communicate(timeout=40)
    assert "cannot be asked" in log
    assert SECRET not in shown + log


@pytest.mark.parametrize(("url", "warns"), [("ws://127.0.0.1:1", False), ("ws://demo.invalid:1", True)])
def test_it_warns_of_a_short_secret_but_not_of_one_of_a_server_on_this_machine(url: str, warns: bool) -> None:
    """As that of `livekit-server --dev` is."""
    variables = {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "secret"}
    said = ""
    with subprocess.Popen(
        [sys.executable, "-m", "livekit.plugins.dataspike.keeper", "--every", "0.5"],
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if "cannot be asked about its rooms" in line:
                process.send_signal(signal.SIGINT)
    assert "cannot be asked about its rooms" in said
    assert ("InsecureKeyLengthWarning" in said) == warns
