"""The image of examples/deepfake-detection, run by docker or podman on this machine's network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, Self

from livekit_harness.process import until

IMAGE: Final = "deepfake-worker"
OPTIONS: Final = (
    "--network=host",
    "--init",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    # What podman sets of its own accord is more than some machines allow.
    "--ulimit=nofile=4096:4096",
    "--ulimit=nproc=4096:4096",
)


def engine() -> list[str]:
    """Return the program that runs containers, with its options, as `make container` names it."""
    return os.environ.get("DS_ACTORS_CONTAINER", "").split()


class Container:
    """One container: it runs the image's own command, or another one."""

    def __init__(self, environment: Mapping[str, str], *command: str) -> None:
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        self._id = _run("run", "--detach", *OPTIONS, *variables, IMAGE, *command).stdout.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stderr.write("\n".join(self.wrote("")))
        _run("rm", "--force", self._id)

    def exit_code(self) -> int | None:
        """Return what it ended with, if it has."""
        state = json.loads(_run("inspect", "--format={{json .State}}", self._id).stdout)
        return None if state["Running"] else int(state["ExitCode"])

    def ended(self, within: float) -> int:
        """Wait until it ends by itself and return its exit code."""
        until(lambda: self.exit_code() is not None, within, every=0.2)
        code = self.exit_code()
        assert code is not None
        return code

    def wrote(self, pattern: str) -> list[str]:
        """Return its lines so far that match."""
        done = _run("logs", self._id)
        return [line for line in (done.stdout + done.stderr).splitlines() if re.search(pattern, line)]

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return _run("exec", self._id, *command, check=False)

    def healthy(self) -> bool:
        """Run the image's own check, at once; podman alone would have no timer for it where systemd does not run."""
        (image,) = json.loads(_run("image", "inspect", IMAGE).stdout)
        check = image.get("Healthcheck") or image["Config"]["Healthcheck"]  # podman has it beside Config
        how, *command = check["Test"]
        assert how == "CMD"
        return self.execute(*command).returncode == 0

    def terminate(self) -> None:
        """Send SIGTERM, as stopping it does at first."""
        _run("kill", "--signal=TERM", self._id)


def _run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*engine(), *arguments], capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(arguments[:2])}: {done.stderr}")
    return done
