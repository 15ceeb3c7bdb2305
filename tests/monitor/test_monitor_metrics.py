"""The metrics of monitors, as Prometheus would scrape them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Still
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from ds_actors._extras import install_command
from ds_actors.detection import CallbackSink, Monitor, TrackInfo
from ds_actors.detection.metrics import MonitorMetrics, default_metrics
from ds_actors.detection.reporting.measurements import KEPT, Series
from ds_actors.detection.reporting.metric_values import COUNTERS, GAUGES


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def scraped(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"ds_actors_{name}", labels)


def test_a_run_is_seen_in_the_metrics(registry: CollectorRegistry) -> None:
    """Counters follow the status while the monitor runs; after it, they stay and the gauges are 0."""

    async def body(service: Service, monitor: Monitor) -> None:
        with MonitorMetrics(registry).recorder(monitor) as recorder:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recorder.run)
                await kit.add(monitor, "A", "B")
                service.silent.add("C")
                await kit.add(monitor, "C")
                await trio.sleep(11)
                sent = scraped(registry, "samples_sent_total")
                assert sent is not None
                assert 0 < sent <= monitor.status().uplink.sent
                assert scraped(registry, "uplinks", state="up") == 1
                assert scraped(registry, "uplinks", state="refused") == 0
                assert scraped(registry, "tracks", coverage="checked") == 2
                assert scraped(registry, "track_levels", level="alert") == 1
                assert scraped(registry, "track_levels", level="unknown") == 1
                nursery.cancel_scope.cancel()
        status = monitor.status()
        assert scraped(registry, "samples_sent_total") == status.uplink.sent
        assert scraped(registry, "results_total", level="alert") == status.results["alert"]
        assert scraped(registry, "sink_events_total", sink="callback", outcome="delivered") == status.sinks[0].delivered
        assert scraped(registry, "tracks", coverage="checked") == 0
        assert scraped(registry, "monitors", state="running") == 0

    kit.run(body, sinks=[CallbackSink(lambda _event: None)])


def test_several_monitors_add_up(registry: CollectorRegistry) -> None:
    """One that ends takes only its own part of the gauges away."""
    metrics = MonitorMetrics(registry)

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(1)
        with metrics.recorder(monitor) as first:
            first.update()
            with metrics.recorder(monitor) as second:
                second.update()
                assert scraped(registry, "monitors", state="running") == 2
            assert scraped(registry, "monitors", state="running") == 1
        assert scraped(registry, "samples_sent_total") == 2 * monitor.status().uplink.sent

    kit.run(body)


def test_no_label_is_an_identity(registry: CollectorRegistry) -> None:
    """Neither a participant nor a track is in what is scraped, and every family has the prefix and a description."""

    async def body(_service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo("mallory", "TR_secret"), Still())
        await trio.sleep(6)
        with MonitorMetrics(registry).recorder(monitor) as recorder:
            recorder.update()

    kit.run(body)
    text = generate_latest(registry).decode()
    assert "mallory" not in text
    assert "TR_secret" not in text
    families = list(text_string_to_metric_families(text))
    assert len(families) >= len(COUNTERS) + len(GAUGES)
    assert all(family.name.startswith("ds_actors_") and family.documentation for family in families)


def test_a_round_trip_is_observed_once(registry: CollectorRegistry) -> None:
    """An update without a new measurement adds nothing."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.answers_after = 0.4
        await kit.add(monitor, "B")
        await trio.sleep(1)
        with MonitorMetrics(registry).recorder(monitor) as recorder:
            recorder.update()
            recorder.update()

    kit.run(body)
    assert scraped(registry, "round_trip_seconds_count") == 1
    assert scraped(registry, "round_trip_seconds_sum") == pytest.approx(0.4)


def test_every_sample_is_measured_once(registry: CollectorRegistry) -> None:
    """Its encoding, its bytes, and where a pong came back, its age on arrival; also by two recorders."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B", "C")
        await trio.sleep(11)
        with MonitorMetrics(registry).recorder(monitor) as recorder:
            recorder.update()
            recorder.update()
        other = CollectorRegistry()
        with MonitorMetrics(other).recorder(monitor) as recorder:
            recorder.update()
        assert scraped(registry, "encode_seconds_count") == scraped(other, "encode_seconds_count")
        sent = monitor.status().uplink.sent
        assert scraped(registry, "encode_seconds_count") == sent
        assert scraped(registry, "sample_bytes_total") == sum(len(sample.data) for _, sample in service.samples)
        arrived, ages = scraped(registry, "arrival_age_seconds_count"), scraped(registry, "arrival_age_seconds_sum")
        assert arrived is not None
        assert ages is not None
        assert 0 < arrived <= sent
        assert 0 <= ages <= 2 * arrived

    kit.run(body)


def test_restarts_and_mailboxes_are_counted_by_part(registry: CollectorRegistry) -> None:
    """Each restart once, also of a track that is gone by then; the part's last error is named by its type."""

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B", "C")
        await trio.sleep(1)
        for track in ("B", "C", "B"):
            await kit.kill(monitor, track)
            await trio.sleep(40)
        await monitor.remove_track("B")
        await trio.sleep(6)
        parts = {part.name: part for part in monitor.status().parts}
        assert set(parts) == {"sinks", "uplink", "tracks", "watch"}
        assert (parts["tracks"].restarts, parts["tracks"].actors) == (3, 1)
        assert (parts["uplink"].restarts, parts["sinks"].error) == (0, "")
        assert parts["tracks"].error
        with MonitorMetrics(registry).recorder(monitor) as recorder:
            recorder.update()
            assert scraped(registry, "actor_restarts_total", part="tracks") == 3
            assert scraped(registry, "actors", part="tracks") == 1
            assert scraped(registry, "mailbox_messages", part="tracks") == 0

    with kit.without_log():
        kit.run(body)


def test_a_reader_that_comes_late_gets_the_newest_measurements() -> None:
    """No more than are kept, and none twice."""
    series = Series()
    for first in (0, KEPT, 2 * KEPT):
        for number in range(first, first + KEPT):
            series.add(number)
        assert series.since(0) == list(range(first, first + KEPT))
        assert series.since(first + KEPT - 2) == [first + KEPT - 2, first + KEPT - 1]
    assert series.since(series.count) == series.since(10**9) == []


def test_a_registry_that_fails_ends_the_recording_alone(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once, and the monitor goes on."""
    metrics = MonitorMetrics(registry)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(metrics.counters["samples_due"], "inc", full)

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        with metrics.recorder(monitor) as recorder:
            await recorder.run()
        await trio.sleep(1)
        assert monitor.status().state == "running"

    kit.run(body)
    assert caplog.text.count("the metrics could not be updated") == 1


def test_without_prometheus_client_the_import_names_the_extra() -> None:
    """The rest of the monitor works without it."""
    code = (
        "import sys, ds_actors.detection; sys.modules['prometheus_client'] = None; import ds_actors.detection.metrics"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(install_command("metrics"))


def test_the_default_registry_has_the_metrics_once() -> None:
    """However many detectors of the process ask for them."""
    assert default_metrics() is default_metrics()


def test_every_metric_is_in_the_documentation() -> None:
    """By the name under which it is scraped, with its labels."""
    page = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `ds_actors_(\w+)` \|([^|]*)\|", page, re.MULTILINE))
    declared = {f"{name}_total": labels for name, (_, labels) in COUNTERS.items()}
    declared |= {name: labels for name, (_, labels) in GAUGES.items()}
    declared |= dict.fromkeys(("round_trip_seconds", "encode_seconds", "arrival_age_seconds"), ())
    assert {name: re.findall(r"`(\w+)`", labels) for name, labels in listed.items()} == {
        name: list(labels) for name, labels in declared.items()
    }


def test_processes_add_up_in_multiprocess_mode(tmp_path: Path) -> None:
    """As in LiveKit's worker, whose jobs are processes: their counters are added in the worker's own."""
    program = (
        "from ds_actors.detection import Dataspike, Monitor\n"
        "from ds_actors.detection.metrics import default_metrics\n"
        "monitor = Monitor(service=Dataspike(api_key='k', url='ws://127.0.0.1:1'))\n"
        "monitor._hub.malformed()\n"
        "with default_metrics().recorder(monitor): pass\n"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=100)
    added = CollectorRegistry()
    MultiProcessCollector(added, path=str(tmp_path))  # type: ignore[no-untyped-call]
    assert scraped(added, "malformed_messages_total") == 2
    assert scraped(added, "monitors", state="idle") == 0
