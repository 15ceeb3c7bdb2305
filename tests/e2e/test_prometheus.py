"""The files of examples/prometheus, read by a real Prometheus that scrapes a real monitor."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from prometheus_server import PLACE, get, scraping, tool, until

from ds_actors.detection.reporting.metric_values import COUNTERS, GAUGES

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

WORKING = """
import sys
import trio
from prometheus_client import start_http_server
from ds_actors.detection import AdaptiveSampling, Dataspike, Frame, LogSink, Monitor, TrackInfo
from ds_actors.detection.metrics import default_metrics
from ds_actors.sandbox import open_sandbox

class Picture:
    async def capture(self):
        return Frame(320, 180, "rgb24", bytes(320 * 180 * 3))

    async def aclose(self):
        pass

async def main():
    async with open_sandbox() as sandbox:
        service = Dataspike(api_key="any", url=sandbox.url)
        monitor = Monitor(service=service, sampling=lambda: AdaptiveSampling(2, 2), sinks=[LogSink()])
        start_http_server(int(sys.argv[1]), addr="127.0.0.1")
        with default_metrics().recorder(monitor) as recorder:
            async with monitor:
                await monitor.add_track(TrackInfo("alice", "TR_1"), Picture())
                await recorder.run()

trio.run(main)
"""


def expressions() -> dict[str, str]:
    """Return each PromQL expression of the two files, by where it stands."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$job", ".*").replace("$__rate_interval", "1m")
        for panel in json.loads((PLACE / "dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    }
    rules = re.findall(r"alert: (\w+)\n +expr: (.+)", (PLACE / "alerts.yml").read_text())
    return found | dict(rules)


@pytest.fixture
def prometheus(tmp_path: Path) -> Generator[str]:
    """Yield the address of a Prometheus that scrapes a monitor whose key is refused."""
    with scraping({"worker": REFUSED}, tmp_path) as address:
        yield address


@pytest.fixture
def working_prometheus(tmp_path: Path) -> Generator[str]:
    """Yield the address of a Prometheus that scrapes a monitor of one track."""
    with scraping({"worker": WORKING}, tmp_path) as address:
        yield address


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    """Each alert fires when it should, and no sooner."""
    subprocess.run([tool("promtool"), "check", "rules", "alerts.yml"], cwd=PLACE, check=True, capture_output=True)
    subprocess.run([tool("promtool"), "test", "rules", "alerts_test.yml"], cwd=PLACE, check=True, capture_output=True)
    subprocess.run([tool("promtool"), "check", "config", "prometheus.yml"], cwd=PLACE, check=True, capture_output=True)


def test_rules_and_dashboard_ask_only_for_metrics_that_exist() -> None:
    """A metric that is renamed is missed here, and not in an outage."""
    exported = {f"ds_actors_{name}_total" for name in COUNTERS} | {f"ds_actors_{name}" for name in GAUGES}
    exported |= {f"ds_actors_{name}_seconds_bucket" for name in ("round_trip", "encode", "arrival_age")} | KEEPERS
    asked = {name for expression in expressions().values() for name in re.findall(r"ds_actors_\w+", expression)}
    assert asked <= exported
    assert len(expressions()) > 20


def test_no_range_is_too_short_for_a_prometheus_that_scrapes_once_a_minute() -> None:
    """As it does by default: a rate over less than two minutes would be empty, its panel blank and its alert dead."""
    files = ((PLACE / name).read_text() for name in ("dashboard.json", "alerts.yml"))
    ranges = {found for text in files for found in re.findall(r"\[([^]\s]+)\]\)", text)}
    assert all(int(found.removesuffix("m")) >= 2 for found in ranges - {"$__rate_interval"})
    assert "$__rate_interval" in ranges


def test_a_real_prometheus_has_what_is_measured_of_each_sample(working_prometheus: str) -> None:
    """Every panel about a monitor's own work has a figure; restarts and mailboxes come by part."""

    def asked(expression: str) -> list[Any]:
        return list(get(f"{working_prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["result"])

    until(lambda: len(asked("ds_actors_arrival_age_seconds_count > 2")) == 1)
    until(lambda: len(asked("rate(ds_actors_sample_bytes_total[1m]) > 0")) == 1)
    found = expressions()
    for panel in ("Age of samples on arrival", "Time to encode a picture"):
        until(lambda: all(0 <= float(asked(found[f"{panel} {ref}"])[0]["value"][1]) < 10 for ref in "AB"))  # noqa: B023
    for metric in ("ds_actors_actor_restarts_total", "ds_actors_actors", "ds_actors_mailbox_messages"):
        assert {series["metric"]["part"] for series in asked(metric)} == {"sinks", "uplink", "tracks", "watch"}


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
