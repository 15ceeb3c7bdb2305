"""The files of examples/prometheus, read by a real Prometheus that scrapes a real monitor."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from ds_actors.detection.reporting.metric_values import COUNTERS, GAUGES

PLACE = Path(__file__).parents[2] / "examples" / "prometheus"
KEEPERS = {"ds_actors_keeper_rooms", "ds_actors_keeper_available"}
REFUSED = """
import sys
import trio
from prometheus_client import start_http_server
from ds_actors.detection import Dataspike, Monitor
from ds_actors.detection.metrics import default_metrics
from ds_actors.sandbox import open_sandbox

async def main():
    async with open_sandbox() as sandbox:
        sandbox.faults.refuse_upgrades(401)
        monitor = Monitor(service=Dataspike(api_key="any", url=sandbox.url))
        start_http_server(int(sys.argv[1]), addr="127.0.0.1")
        with default_metrics().recorder(monitor) as recorder:
            async with monitor:
                await recorder.run()

trio.run(main)
"""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on PATH; `make test-all` installs it")
    return path


def expressions() -> dict[str, str]:
    """Return each PromQL expression of the two files, by where it stands."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$job", ".*")
        for panel in json.loads((PLACE / "dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    }
    rules = re.findall(r"alert: (\w+)\n +expr: (.+)", (PLACE / "alerts.yml").read_text())
    return found | dict(rules)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def prometheus(tmp_path: Path) -> Generator[str]:
    """Yield the address of a Prometheus that scrapes, every second, a monitor whose key is refused."""
    scraped, served = free_port(), free_port()
    shutil.copy(PLACE / "alerts.yml", tmp_path)
    config = (PLACE / "prometheus.yml").read_text()
    config = config.replace("localhost:9000", f"127.0.0.1:{scraped}").replace("interval: 5s", "interval: 1s")
    (tmp_path / "prometheus.yml").write_text(config)
    monitor = subprocess.Popen([sys.executable, "-c", REFUSED, str(scraped)])
    server = subprocess.Popen(
        [
            tool("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{served}",
            "--log.level=error",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{served}"
    finally:
        for process in (server, monitor):
            process.kill()
            process.wait()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def until(found: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if found():
                return
        except OSError:  # it does not listen yet
            pass
        assert time.monotonic() < end, "Prometheus never showed it"
        time.sleep(0.2)


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    """Each alert fires when it should, and no sooner."""
    subprocess.run([tool("promtool"), "check", "rules", "alerts.yml"], cwd=PLACE, check=True, capture_output=True)
    subprocess.run([tool("promtool"), "test", "rules", "alerts_test.yml"], cwd=PLACE, check=True, capture_output=True)
    subprocess.run([tool("promtool"), "check", "config", "prometheus.yml"], cwd=PLACE, check=True, capture_output=True)


def test_rules_and_dashboard_ask_only_for_metrics_that_exist() -> None:
    """A metric that is renamed is missed here, and not in an outage."""
    exported = {f"ds_actors_{name}_total" for name in COUNTERS} | {f"ds_actors_{name}" for name in GAUGES}
    exported |= {"ds_actors_round_trip_seconds_bucket", *KEEPERS}
    asked = {name for expression in expressions().values() for name in re.findall(r"ds_actors_\w+", expression)}
    assert asked <= exported
    assert len(expressions()) > 20


def test_a_real_prometheus_answers_each_expression_and_fires_for_a_refused_key(prometheus: str) -> None:
    """The monitor's own figures have values; those of a keeper that does not run have none."""
    until(lambda: any(alert["state"] == "firing" for alert in get(f"{prometheus}/api/v1/alerts")["alerts"]))
    (alert,) = get(f"{prometheus}/api/v1/alerts")["alerts"]
    assert alert["labels"]["alertname"] == "DeepfakeServiceRefuses"
    assert alert["labels"]["job"] == "worker"
    for expression in expressions().values():
        answer = get(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        assert answer["resultType"] == "vector"
    states = get(f"{prometheus}/api/v1/query?query=ds_actors_uplinks")["result"]
    assert {state["metric"]["state"]: state["value"][1] for state in states}["refused"] == "1"
