"""`python -m livekit.plugins.dataspike.keeper`, as a person runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest


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
