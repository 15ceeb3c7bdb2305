"""Prometheus metrics of a service. It needs prometheus-client, which the extra `metrics` brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ds_actors._extras import install_command

try:
    from prometheus_client import CollectorRegistry, Histogram, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"{_error.name} is missing: ds_actors.serving.metrics needs {install_command('metrics')}",
        name=_error.name,
    ) from None

from ds_actors.serving.metric_values import METRICS, values
from ds_actors.serving.status import ServiceStatus

PREFIX: Final = "ds_actors_"
_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)


class ServiceMetrics(Collector):
    """The metrics of one service in one registry; each scrape reads the service's counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.status: Callable[[], ServiceStatus] | None = None
        """Returns the counts; nothing is reported without it."""
        self._registry = registry
        self._histograms: dict[str, Histogram] = {
            name: Histogram(f"{PREFIX}serve_{name}", text, buckets=_SECONDS, registry=registry)
            for name, text in (
                ("batch_seconds", "Seconds that a batch took in the detector."),
                ("answer_seconds", "Seconds from a sample's arrival to its answer."),
            )
        }
        registry.register(self)

    def observe(self, name: str, value: float) -> None:
        """Record one duration: of `batch_seconds` or `answer_seconds`."""
        self._histograms[name].observe(value)

    def page(self) -> bytes:
        """Return what Prometheus scrapes."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; prometheus-client calls it for each scrape."""
        found = {} if self.status is None else values(self.status())
        for name, by_label in found.items():
            kind, text, labels = METRICS[name]
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            metric = family(PREFIX + name, text, labels=labels)
            for label, value in by_label.items():
                metric.add_metric(label, value)
            yield metric
