"""The worker's image, as far as its files tell without building it; `make container` builds it and tries it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "examples" / "deepfake-detection" / "Containerfile").read_text("utf-8")
REQUIREMENTS = ROOT / "requirements"


def instructions() -> list[tuple[str, str]]:
    """Return the name and the rest of each instruction, in order."""
    text = re.sub(r"^#.*\n", "", LINES, flags=re.MULTILINE).replace("\\\n", "")
    parts = [line.split(None, 1) for line in text.splitlines() if line]
    return [(name, rest) for name, rest in parts]


def last(name: str) -> str:
    """Return the rest of the instruction that counts in the image."""
    rows = instructions()
    start = max(index for index, (found, _) in enumerate(rows) if found == "FROM")
    return [rest for found, rest in rows[start:] if found == name][-1]


def check_of_health() -> list[str]:
    """Return the command, which no shell reads."""
    command: list[str] = json.loads(last("HEALTHCHECK").split("CMD", 1)[1])
    return command


def pins(name: str) -> dict[tuple[str, str], int]:
    """Return how many hashes each pin has, for all Pythons and platforms."""
    text = (REQUIREMENTS / name).read_text("utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return {(package, version): rest.count("--hash=sha256:") for package, version, rest in found}


@contextmanager
def answering(status: int) -> Generator[int]:
    """Answer every request so, and give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_worker_is_not_root_and_gets_sigterm() -> None:
    """The user is a number, and no shell stands between the engine and the worker."""
    user, group = last("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert json.loads(last("CMD")) == ["python", "/opt/worker/worker.py", "start"]
    assert "ENTRYPOINT" not in LINES


def test_no_secret_is_in_the_image() -> None:
    """Neither in a variable, nor by a file that is copied: what is built from is a list."""
    given = [rest for name, rest in instructions() if name in ("ARG", "ENV")]
    assert given
    assert not re.search("key|secret|token|passw", " ".join(given), re.IGNORECASE)
    ignored = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert all((ROOT / path).exists() for path in allowed)
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
    paths = [path for sources in copied for path in sources if path != "."]
    assert all((ROOT / path).exists() and path.startswith(tuple(allowed)) for path in paths)


def test_the_check_of_health_tells_200_from_all_else() -> None:
    """From an error, and from no answer at all; on the port that the image exposes."""
    python, *options = check_of_health()
    assert python == "python"
    assert last("EXPOSE") in options[-1]

    def healthy(port: int) -> bool:
        command = [sys.executable, *options[:-1], options[-1].replace(last("EXPOSE"), str(port))]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    with answering(200) as port:
        assert healthy(port)
    assert not healthy(port)
    with answering(503) as port:
        assert not healthy(port)


def test_what_is_installed_is_what_was_tested() -> None:
    """Each package of the image has the version that the tests run with, and hashes."""
    tested, installed, tools = pins("dev.txt"), pins("worker.txt"), pins("build.txt")
    assert len(installed) > 50
    assert installed.keys() <= tested.keys()
    assert all({**installed, **tools}.values())
    assert {"livekit-agents", "trio", "anyio", "simplejpeg"} <= {name for name, _ in installed}
    assert "hatchling" in {name for name, _ in tools}
