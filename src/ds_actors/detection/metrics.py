"""Prometheus metrics of monitors. It needs prometheus-client, which the extra `metrics` brings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

import trio

from ds_actors._extras import install_command

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"{_error.name} is missing: ds_actors.detection.metrics needs {install_command('metrics')}",
        name=_error.name,
    ) from None

from ds_actors.detection.reporting.measurements import Measurements, Series
from ds_actors.detection.reporting.metric_values import (
    COUNTERS,
    GAUGES,
    MetricKey,
    changes,
    counter_values,
    gauge_values,
)
from ds_actors.detection.status import Status

logger: logging.Logger = logging.getLogger("ds_actors.detection")

PREFIX: Final = "ds_actors_"
EVERY: Final = 5.0
"""Seconds between two updates."""
_ENCODINGS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_AGES: Final = (0.05, 0.1, 0.2, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 5.0)
_ROUND_TRIPS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class HasStatus(Protocol):
    """A monitor, as far as its metrics are concerned."""

    def status(self) -> Status:
        """Return a snapshot."""
        ...

    def measurements(self) -> Measurements:
        """Return what is measured of each sample."""
        ...


class MonitorMetrics:
    """The metrics of all monitors in one registry; for the default registry, call `default_metrics`.

    Values are sums over the monitors of the process. In prometheus-client's multiprocess mode they are sums over the
    processes that live.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counters: dict[str, Counter] = {
            name: Counter(PREFIX + name, text, labels, registry=registry) for name, (text, labels) in COUNTERS.items()
        }
        self.gauges: dict[str, Gauge] = {
            name: Gauge(PREFIX + name, text, labels, registry=registry, multiprocess_mode="livesum")
            for name, (text, labels) in GAUGES.items()
        }
        self.round_trip: Histogram = Histogram(
            f"{PREFIX}round_trip_seconds",
            "Seconds from a sample to its result, measured while one sample was outstanding.",
            buckets=_ROUND_TRIPS,
            registry=registry,
        )

        self.encode: Histogram = Histogram(
            f"{PREFIX}encode_seconds",
            "Seconds from a picture to its JPEG, the wait for a thread and smaller attempts included.",
            buckets=_ENCODINGS,
            registry=registry,
        )
        self.arrival_age: Histogram = Histogram(
            f"{PREFIX}arrival_age_seconds",
            "Seconds from the end of a sample's capture until the service had it, by the pong behind the sample.",
            buckets=_AGES,
            registry=registry,
        )

    def recorder(self, monitor: HasStatus) -> MetricsRecorder:
        """Return what records one monitor."""
        return MetricsRecorder(self, monitor)


_default: Final[list[MonitorMetrics]] = []
_lock: Final = threading.Lock()


def default_metrics() -> MonitorMetrics:
    """Return the metrics in prometheus-client's default registry; they are made at the first call, in any thread."""
    with _lock:
        if not _default:
            _default.append(MonitorMetrics(REGISTRY))
        return _default[0]


class MetricsRecorder:
    """Records one monitor: use it as a context manager around the monitor's block, and run `run` inside.

    Leaving the block takes the monitor out of the gauges, also when it failed: `show_failed` keeps it among those that
    failed, until `forget`. A registry that fails, as on a full disk in multiprocess mode, is logged once; the recording
    ends, and the monitor runs on.

    Example:
        ```python
        with default_metrics().recorder(monitor) as recorder:
            async with monitor, trio.open_nursery() as nursery:
                nursery.start_soon(recorder.run)
        ```
    """

    def __init__(self, metrics: MonitorMetrics, monitor: HasStatus) -> None:
        self._metrics = metrics
        self._monitor = monitor
        self._counters: dict[MetricKey, float] = {}
        self._gauges: dict[MetricKey, float] = {}
        self._gauges_lock = threading.Lock()
        self._round_trip: float | None = None
        self._encoded = self._arrived = 0
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._works():
            self.forget()

    async def run(self) -> None:
        """Update the metrics every 5 s until cancelled."""
        while self._works():  # noqa: ASYNC110 - it is a clock that it waits for
            await trio.sleep(EVERY)

    def show_failed(self) -> None:
        """Count the monitor, whose block was left, as failed until `forget`, so that an alert can fire for it."""
        self._try_gauges({("monitors", ("failed",)): 1})

    def forget(self) -> None:
        """Take the monitor out of the gauges."""
        self._try_gauges({})

    def _works(self) -> bool:
        return self._tried(self.update)

    def _try_gauges(self, values: dict[MetricKey, float]) -> None:
        self._tried(partial(self._set_gauges, values))

    def _tried(self, record: Callable[[], None]) -> bool:
        if not self._failed:
            try:
                record()
            except Exception:
                self._failed = True
                logger.exception("the metrics could not be updated, and are not updated any more")
        return not self._failed

    def update(self) -> None:
        """Add to the metrics what changed since the last update."""
        status = self._monitor.status()
        counters = counter_values(status)
        for (name, labels), change in changes(self._counters, counters).items():
            counter = self._metrics.counters[name]
            (counter.labels(*labels) if labels else counter).inc(max(0.0, change))
        self._counters = counters
        self._set_gauges(gauge_values(status))
        if status.uplink.round_trip is not None and status.uplink.round_trip != self._round_trip:
            self._round_trip = status.uplink.round_trip
            self._metrics.round_trip.observe(self._round_trip)
        measured = self._monitor.measurements()
        self._encoded = _observe(self._metrics.encode, measured.encode_seconds, self._encoded)
        self._arrived = _observe(self._metrics.arrival_age, measured.arrival_ages, self._arrived)

    def _set_gauges(self, values: dict[MetricKey, float]) -> None:
        with self._gauges_lock:  # `forget` may come from another thread than the monitor's
            for (name, labels), change in changes(self._gauges, values).items():
                gauge = self._metrics.gauges[name]
                (gauge.labels(*labels) if labels else gauge).inc(change)
            self._gauges = values


def _observe(histogram: Histogram, series: Series, seen: int) -> int:
    """Observe what came after the first `seen` measurements; return how many there are now."""
    for value in series.since(seen):
        histogram.observe(value)
    return series.count
