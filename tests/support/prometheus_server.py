"""A real Prometheus that scrapes real programs, with the rules of examples/prometheus."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit_harness.ports import free_port

PLACE = Path(__file__).parents[2] / "examples" / "prometheus"


def tool(name: str) -> str:
    """Return the path of a program of Prometheus; skip the test where there is none."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on PATH; `make test-all` installs it")
    return path


@contextmanager
def scraping(
    programs: Mapping[str, str], place: Path, *, rules: Callable[[str], str] = lambda text: text
) -> Generator[str]:
    """Yield the address of a Prometheus that scrapes, every second, programs that serve their metrics.

    Args:
        programs: Python by job; the port on which it serves is its argument.
        place: the folder for the configuration and the data.
        rules: changes the text of the alert rules.
    """
    prometheus = tool("prometheus")
    (place / "alerts.yml").write_text(rules((PLACE / "alerts.yml").read_text()))
    ports = {job: free_port() for job in programs}
    config = (
        (PLACE / "prometheus.yml").read_text().partition("scrape_configs:")[0].replace("interval: 5s", "interval: 1s")
    )
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in ports.items()]
    (place / "prometheus.yml").write_text(f"{config}scrape_configs: {json.dumps(jobs)}\n")
    served = free_port()
    with ExitStack() as stack:
        for job, program in programs.items():
            stack.enter_context(_running([sys.executable, "-c", program, str(ports[job])]))
        arguments = [
            f"--config.file={place / 'prometheus.yml'}",
            f"--storage.tsdb.path={place / 'data'}",
            f"--web.listen-address=127.0.0.1:{served}",
            "--log.level=error",
        ]
        stack.enter_context(_running([prometheus, *arguments], stderr=subprocess.DEVNULL))
        yield f"http://127.0.0.1:{served}"


@contextmanager
def _running(command: list[str], stderr: int | None = None) -> Generator[None]:
    process = subprocess.Popen(command, stderr=stderr)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def get(url: str) -> Any:
    """Return the data of an answer of Prometheus."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def until(found: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until Prometheus shows something."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found():
                return
        except OSError:  # it does not listen yet
            pass
        assert time.monotonic() < end, "Prometheus never showed it"
        time.sleep(0.2)
